"""How long to wait before trying again: client-go's bounds for reflectors."""

from collections.abc import Callable
from random import Random

START_S = 0.8
MOST_S = 30.0
RESET_S = 120.0
MOST_ASKED_S = 600.0
"""A server may ask for longer; nobody means it."""


class Backoff:
    """Steps that double up to 30 s; each wait is one to two steps long.

    Two minutes without asking for a wait, counted from the end of the last one, count
    as health and begin anew (client-go's reflector).
    """

    def __init__(self, now: Callable[[], float], random: Random) -> None:
        self._now = now
        self._random = random
        self._step = START_S
        self._until = now()

    def wait_s(self, asked_s: float | None = None) -> float:
        """Return how many seconds to wait now; never less than a server asked for."""
        if self._now() - self._until > RESET_S:
            self._step = START_S
        jitter = self._step * self._random.random()
        wait = jitter + (self._step if asked_s is None else min(asked_s, MOST_ASKED_S))
        self._step = min(2 * self._step, MOST_S)
        self._until = self._now() + wait
        return wait
