"""Exponential backoff with jitter; the first steps are those of client-go."""

from collections.abc import Callable
from random import Random

START_S = 0.8
MOST_S = 30.0
OUTAGE_MOST_S = 2.0
"""Largest step while no server answers, or one answers with an error (5xx).

A refused connection is cheap, and the end of an outage is noticed within 4 s.
"""
RIGHTS_MOST_S = 4.0
"""Largest step while credentials or rights are missing (401, 403)."""
RESET_S = 120.0
MAX_REQUESTED_S = 600.0
"""Upper limit of the wait that a server may request (Retry-After)."""


class Backoff:
    """Steps that double up to ``most_s``; each wait is one to two steps long.

    ``reset`` returns to the smallest step, and so do two minutes without a wait after
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
        """Return to the smallest step."""
        self._step = START_S

    def wait_s(self, requested_s: float | None = None) -> float:
        """Return the seconds to wait; at least those that a server requested."""
        if self._now() - self._until > RESET_S:
            self.reset()
        jitter = self._step * self._random.random()
        wait = jitter + (
            self._step if requested_s is None else min(requested_s, MAX_REQUESTED_S)
        )
        self._step = min(2 * self._step, self._most_s)
        self._until = self._now() + wait
        return wait
