"""Work that takes long or waits for a disk, done while the loop goes on."""

import asyncio
import contextlib
import gc
import sys
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


async def at_once(work: Callable[[], T]) -> T:
    """Return what ``work`` returns; the loop waits."""
    return work()


class Aside(Protocol):
    """Does work that takes long or waits for a disk while the loop goes on."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, or raise what it raises.

        It may run in a thread: it reads files and makes values, but touches neither
        the loop nor anything that queries are answered from.
        """
        ...


_SWITCH_S = 0.0002
"""How long a thread keeps the interpreter while another waits for it; 5 ms else.

The loop gives it up at every system call, some four for each query.
"""


_MANY = 50_000
"""Objects whose visit would take longer than 5 ms."""


class Threads:
    """Does work in a thread, and lets the loop have the interpreter in between.

    Meanwhile the garbage collector is off: one visit of all that a large Corefile or
    zone is made of takes 100 ms. Many new objects are spared later visits, too. They
    are freed when nothing refers to them: ``Instance.stop`` leaves no reference cycles.
    """

    def __init__(self) -> None:
        self._busy = 0
        self._usual_s = sys.getswitchinterval()

    async def aside(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns; see ``Aside``."""
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
    """Do ``work`` in a daemon thread: the process can end while a disk hangs."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return  # nobody waits any more
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # work has ended well

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
