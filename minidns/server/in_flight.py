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


class InFlight:
    """Tasks that answer queries, the oldest first."""

    def __init__(self, limit: int, on_evict: Callable[[], None]) -> None:
        """Hold up to ``limit`` tasks; call ``on_evict`` for each eviction."""
        self._limit = limit
        self._on_evict = on_evict
        self._tasks: dict[Task, None] = {}
        self._cancelled: set[Task] = set()
        self._evicting = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Callable[[], Awaitable[None]]) -> Task:
        """Run ``work`` in a task; an exception is logged."""
        loop = asyncio.get_running_loop()
        # with a name: asyncio would format one for every task
        task = loop.create_task(self._run(work), name="query")
        self._tasks[task] = None
        if len(self._tasks) > self._limit and not self._evicting:
            self._evicting = True
            # two iterations later: a task that need not wait has finished by then,
            # so that no other is evicted for it
            loop.call_soon(loop.call_soon, self._evict)
        return task

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("unexpected failure while answering a query")
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.pop(task, None)
            self._cancelled.discard(task)

    def _evict(self) -> None:
        self._evicting = False
        while len(self._tasks) > self._limit:
            oldest = next(iter(self._tasks))
            del self._tasks[oldest]
            self._cancelled.add(oldest)
            oldest.cancel()
            self._on_evict()

    async def settle(self, limit_s: float) -> None:
        """Wait until the tasks of this moment have ended, ``limit_s`` seconds at most.

        Tasks that start meanwhile are not waited for.
        """
        if tasks := set(self._tasks):
            await asyncio.wait(tasks, timeout=limit_s)

    async def close(self, grace_s: float) -> None:
        """Give the tasks ``grace_s`` seconds to finish, then cancel the rest."""
        await asyncio.sleep(0)  # every task starts, so that it replies if cancelled
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        if left := {*self._tasks, *self._cancelled}:
            await asyncio.wait(left)
