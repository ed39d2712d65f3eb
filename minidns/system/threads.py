"""Runs slow work or disk access in a thread, without blocking the event loop."""

import asyncio
import contextlib
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
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
        self._freeing: set[asyncio.Task[None]] = set()

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

    def free_with(self, owner: object, parts: list[object]) -> None:
        """Free ``parts`` one by one in a thread, once ``owner`` is freed.

        Queries in flight keep ``owner`` as long as they need it. To free the 500,000
        objects of a large zone at once blocks the event loop for 50 ms.
        """
        loop = asyncio.get_running_loop()
        weakref.finalize(owner, self._free_soon, loop, parts).atexit = False

    def _free_soon(self, loop: asyncio.AbstractEventLoop, parts: list[object]) -> None:
        # not before the owner has dropped its references
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(self._free, parts)

    def _free(self, parts: list[object]) -> None:
        work = self.aside(partial(_pop_all, parts))
        task = asyncio.get_running_loop().create_task(work)
        self._freeing.add(task)
        task.add_done_callback(self._freeing.discard)


def _pop_all(parts: list[object]) -> None:
    while parts:
        parts.pop()


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
