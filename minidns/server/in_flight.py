"""The tasks of queries in flight: their number is bounded, the oldest is evicted.

The newest is not the one to evict: a client that asks for names which no upstream
answers would occupy all places until the deadlines, and all later clients would be
rejected. A query that can be answered takes milliseconds, and the client that has
waited longest has most likely given up or asked again.

A task begins one iteration of the event loop after its start. One that is cancelled
before would end without a reply, and nobody would notice its end, so only tasks that
have begun are cancelled.
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
        self._started = 0
        """Number of tasks started so far."""

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Callable[[], Awaitable[None]]) -> Task:
        """Run ``work`` in a task; an exception is logged."""
        loop = asyncio.get_running_loop()
        # with a name: asyncio would format one for every task
        task = loop.create_task(self._run(work), name="query")
        self._tasks[task] = None
        self._started += 1
        if len(self._tasks) > self._limit:
            self._evict_soon()
        return task

    def cancel(self, task: Task) -> None:
        """Cancel ``task`` as soon as it has begun."""
        asyncio.get_running_loop().call_soon(task.cancel)

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

    def _evict_soon(self) -> None:
        """Evict two iterations later: a task that need not wait has ended by then."""
        if not self._evicting:
            self._evicting = True
            asyncio.get_running_loop().call_soon(self._evict_next)

    def _evict_next(self) -> None:
        asyncio.get_running_loop().call_soon(self._evict, self._started)

    def _evict(self, begun: int) -> None:
        """Evict the oldest of the first ``begun`` tasks, which have begun."""
        self._evicting = False
        not_begun = self._started - begun
        for _ in range(len(self._tasks) - not_begun - self._limit):
            oldest = next(iter(self._tasks))
            del self._tasks[oldest]
            self._cancelled.add(oldest)
            oldest.cancel()
            self._on_evict()
        if len(self._tasks) > self._limit:
            self._evict_soon()

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
