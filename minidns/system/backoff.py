"""How long to wait before trying again; the first steps are client-go's."""

from collections.abc import Callable
from random import Random

START_S = 0.8
MOST_S = 30.0
OUTAGE_MOST_S = 2.0
"""Largest step while nobody answers, or a server says that it fails (5xx).

A refused connection costs nobody anything; the end of an outage is seen within 4 s.
"""
RIGHTS_MOST_S = 4.0
"""Largest step while credentials or rights are missing (401, 403)."""
RESET_S = 120.0
MOST_ASKED_S = 600.0
"""A server may ask for longer; nobody means it."""


class Backoff:
    """Steps that double up to ``most_s``; each wait is one to two steps long.

    ``reset`` begins anew, and so do two minutes without asking for a wait, counted from
    the end of the last one (client-go's reflector).
    """

    def __init__(
        self, now: Callable[[], float], random: Random, most_s: float = MOST_S
    ) -> None:
        self._now = now
        self._random = random
        self._most_s = most_s
        self._step = START_S
        self._until = now()

    def reset(self) -> None:
        """Begin with the smallest step again."""
        self._step = START_S

    def wait_s(self, asked_s: float | None = None) -> float:
        """Return how many seconds to wait now; never less than a server asked for."""
        if self._now() - self._until > RESET_S:
            self.reset()
        jitter = self._step * self._random.random()
        wait = jitter + (self._step if asked_s is None else min(asked_s, MOST_ASKED_S))
        self._step = min(2 * self._step, self._most_s)
        self._until = self._now() + wait
        return wait
