"""Virtual time: an event loop whose clock jumps to the next timer.

The time-outs of resolvers take no real time and every run is the same. Real sockets
cannot be used in this loop. With a seed the loop also draws which of the tasks that are
ready runs next, and which of the timers of one moment fires first, so that seeds
explore interleavings.
"""

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

START_S = 1000.0
"""Start of the clock; not 0, which code may treat as "never"."""
_MOMENT_S = 1e-9
"""Seconds within which timers count as simultaneous."""


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
        if timeout == 0:  # callbacks are ready: sockets and signals can wait
            return []
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

    def stall(self, seconds: float) -> None:
        """Let time pass as if this process got no processor time."""
        self._jump(seconds)

    def _jump(self, seconds: float) -> None:
        self._passed += seconds


class ShuffledLoop(VirtualLoop):
    """An event loop with virtual time that draws the order of ready tasks.

    Callbacks that are no steps of tasks keep their order, which asyncio promises.
    """

    def __init__(self, order: Random) -> None:
        self._order = order
        self._steps: list[tuple[asyncio.Handle, Callable[[], object]]] = []
        self._outside = contextvars.Context()
        super().__init__()

    def call_soon(  # type: ignore[override]  # typeshed names the types of *args
        self,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401  # as in asyncio
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Run ``callback`` soon; a step of a task in a random order."""
        if not _is_step(callback):
            return super().call_soon(callback, *args, context=context)
        run = (context or contextvars.copy_context()).run
        handle = asyncio.Handle(callback, args, self, context)
        self._steps.append((handle, partial(run, callback, *args)))
        super().call_soon(self._run_step, context=self._outside)
        return handle

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401  # as in asyncio
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run ``callback`` at ``when``; timers of one moment in a random order."""
        when += self._order.random() * _MOMENT_S
        return super().call_at(when, callback, *args, context=context)

    def _run_step(self) -> None:
        """Run one of the steps that are due; each is due once."""
        handle, run = self._steps.pop(self._order.randrange(len(self._steps)))
        if not handle.cancelled():
            run()


def _is_step(callback: Callable[..., object]) -> bool:
    """Return whether ``callback`` runs a task until it waits."""
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)


def run(work: Coroutine[Any, Any, T], seed: int | None = None) -> T:
    """Run ``work`` in virtual time; ``seed`` draws the order of ready tasks.

    Raises:
        Stuck: it waits for an event that cannot occur.

    """
    loop = (
        VirtualLoop if seed is None else partial(ShuffledLoop, Random(f"{seed} order"))
    )
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work)
