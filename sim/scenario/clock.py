"""Virtual time: an event loop that does not wait.

When nothing can happen before the next timer, the loop's clock jumps to it. The five
seconds of a resolver's patience pass in no time, and every run is the same. Sockets of
the machine have no place in such a loop: their time is real.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START_S = 1000.0
"""Where the clock begins; not at 0, which might pass for "never"."""


class Stuck(Exception):
    """Everybody waits for somebody else, and no timer will end it."""


class _Jumping(selectors.DefaultSelector):
    """Lets the time pass that it was asked to wait for files."""

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
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._passed = START_S
        super().__init__(_Jumping(self._jump))

    def time(self) -> float:
        """Return the seconds that have passed here, counted from ``START_S``."""
        return self._passed

    def _jump(self, seconds: float) -> None:
        self._passed += seconds


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end in virtual time.

    Raises:
        Stuck: it waits for something that nothing here can bring about.

    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
