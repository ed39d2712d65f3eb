"""Virtual time: an event loop whose clock jumps to the next timer.

The time-outs of resolvers take no real time and every run is the same. Real sockets
cannot be used in this loop.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START_S = 1000.0
"""Start of the clock; not 0, which code may treat as "never"."""


class Stuck(Exception):
    """All tasks wait and there is no timer: a deadlock."""


class _JumpingSelector(selectors.DefaultSelector):
    """Advances the clock by the time-out instead of waiting."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck
            self._jump(max(timeout, 0.0))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with virtual time."""

    def __init__(self) -> None:
        self._passed = START_S
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Return the virtual time in seconds, which starts at ``START_S``."""
        return self._passed

    def _jump(self, seconds: float) -> None:
        self._passed += seconds


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in virtual time.

    Raises:
        Stuck: it waits for an event that cannot occur.

    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
