"""Runs slow work or disk access in a thread, without blocking the event loop."""

import asyncio
import contextlib
import gc
import sys
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


async def at_once(work: Callable[[], T]) -> T:
    """Run ``work`` on the loop, which is blocked meanwhile; return its result."""
    return work()


class Aside(Protocol):
    """Runs slow work or disk access without blocking the event loop."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return the result of ``work``, or raise its exception.

        ``work`` may run in a thread: it may read files and build values, but must not
        touch the loop or data that queries are answered from.
        """
        ...


_SWITCH_S = 0.0002
"""Switch interval of the interpreter while a thread works; the default is 5 ms.

The loop releases the interpreter at every system call, about four per query.
"""
_MANY = 50_000
"""Number of objects for which a garbage collection takes longer than 5 ms."""


class Threads:
    """Runs work in a thread with a short switch interval, so that the loop goes on.

    Meanwhile the garbage collector is off: to visit the objects of a large Corefile or
    zone takes 100 ms. If there are many new objects, they are frozen: later collections
    skip them. Reference counts free them, because ``Instance.stop`` leaves no cycles.
    """

    def __init__(self) -> None:
        self._busy = 0
        self._usual_s = sys.getswitchinterval()

    async def aside(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread and return its result; see ``Aside``."""
        self._busy += 1
        sys.setswitchinterval(_SWITCH_S)
        gc.disable()
        try:
            return await _in_thread(work)
        finally:
            self._busy -= 1
            if not self._busy:
                if gc.get_count()[0] > _MANY:
                    gc.freeze()
                gc.enable()
                sys.setswitchinterval(self._usual_s)


async def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a daemon thread: the process can exit while a disk hangs."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return  # the waiting task was cancelled
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error, result is a T

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as exc:
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return await future
