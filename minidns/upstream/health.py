"""Health checks of an upstream, from a failed exchange until a check succeeds."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial

_SHORTEST_PAUSE_S = 0.01  # an interval of 0 must not become a busy loop


class Health:
    """The checks of one upstream (CoreDNS pkg/up)."""

    def __init__(
        self,
        every_s: float,
        sleep: Callable[[float], Awaitable[None]],
        start: Callable[[str, Callable[[], Coroutine[object, object, None]]], object],
    ) -> None:
        """``start`` runs a task."""
        self._pause_s = max(every_s, _SHORTEST_PAUSE_S)
        self._sleep = sleep
        self._start = start
        self.fails = 0
        """Number of checks that failed since the last success."""
        self.in_doubt = False
        """True after a failed exchange, until a check succeeds."""

    def doubt(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Start checks, which go on until one succeeds.

        ``check`` returns whether the upstream replied. It is not stored: its owner has
        this value, and a cycle of the two would outlive a reload.
        """
        if not self.in_doubt:
            self.in_doubt = True
            self._start("health checks", partial(self._check_until_success, check))

    async def _check_until_success(self, check: Callable[[], Awaitable[bool]]) -> None:
        self.in_doubt = True  # also when the task is restarted after an exception
        try:
            while not await check():
                self.fails += 1
                await self._sleep(self._pause_s)
            self.fails = 0
        finally:
            self.in_doubt = False
