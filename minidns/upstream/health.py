"""How an upstream fares: checks that run from an error until one is answered."""

from collections.abc import Awaitable, Callable, Coroutine

_SHORTEST_PAUSE_S = 0.01  # an interval of 0 must not become a busy loop


class Health:
    """The checks of one upstream (CoreDNS pkg/up)."""

    def __init__(
        self,
        check: Callable[[], Awaitable[bool]],
        every_s: float,
        sleep: Callable[[float], Awaitable[None]],
        start: Callable[[str, Callable[[], Coroutine[object, object, None]]], object],
    ) -> None:
        """``check`` says whether the upstream answered; ``start`` runs a task."""
        self._check = check
        self._pause_s = max(every_s, _SHORTEST_PAUSE_S)
        self._sleep = sleep
        self._start = start
        self.fails = 0
        """Checks that failed since the last good one."""
        self.in_doubt = False
        """Whether something failed and no check has been answered since."""

    def doubt(self) -> None:
        """Check from now on until a check is answered."""
        if not self.in_doubt:
            self.in_doubt = True
            self._start("health checks", self._until_answered)

    async def _until_answered(self) -> None:
        self.in_doubt = True  # also when it starts again after a failure
        try:
            while not await self._check():
                self.fails += 1
                await self._sleep(self._pause_s)
            self.fails = 0
        finally:
            self.in_doubt = False
