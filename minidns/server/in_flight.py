"""The tasks of queries in flight: their number is bounded, the oldest is evicted.

The newest is not the one to evict: a client that asks for names which no upstream
answers would occupy all places until the deadlines, and all later clients would be
rejected. A query that can be answered takes milliseconds, and the client that has
waited longest has most likely given up or asked again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

log = logging.getLogger(__name__)

Task: TypeAlias = "asyncio.Task[None]"
Work: TypeAlias = Callable[[], Awaitable[None]]
"""Answers a query; each is an object of its own."""


class InFlight:
    """Tasks that answer queries, the oldest first."""

    def __init__(self, limit: int, on_evict: Callable[[], None]) -> None:
        """Hold up to ``limit`` tasks; call ``on_evict`` for each eviction."""
        self._limit = limit
        self._on_evict = on_evict
        self._tasks: dict[Work, Task] = {}
        self._cancelled: dict[Work, Task] = {}
        self._evicting = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Work) -> Task:
        """Run ``work``, which was not started before, in a task; log an exception."""
        loop = asyncio.get_running_loop()
        # with a name: asyncio would format one for every task
        task = loop.create_task(self._run(work), name="query")
        self._tasks[work] = task
        if len(self._tasks) > self._limit and not self._evicting:
            self._evicting = True
            # two iterations later: a task that need not wait has finished by then,
            # so that no other is evicted for it
            loop.call_soon(loop.call_soon, self._evict)
        return task

    async def _run(self, work: Work) -> None:
        try:
            await work()
        except Exception:
            log.exception("unexpected failure while answering a query")
        finally:
            if self._tasks.pop(work, None) is None:
                self._cancelled.pop(work, None)

    def _evict(self) -> None:
        self._evicting = False
        while len(self._tasks) > self._limit:
            oldest = next(iter(self._tasks))
            task = self._cancelled[oldest] = self._tasks.pop(oldest)
            task.cancel()
            self._on_evict()

    async def settle(self, limit_s: float) -> None:
        """Wait until the tasks of this moment have ended, ``limit_s`` seconds at most.

        Tasks that start meanwhile are not waited for.
        """
        if tasks := set(self._tasks.values()):
            await asyncio.wait(tasks, timeout=limit_s)

    async def close(self, grace_s: float) -> None:
        """Give the tasks ``grace_s`` seconds to finish, then cancel the rest."""
        await asyncio.sleep(0)  # every task starts, so that it replies if cancelled
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        for task in self._tasks.values():
            task.cancel()
        if left := {*self._tasks.values(), *self._cancelled.values()}:
            await asyncio.wait(left)
