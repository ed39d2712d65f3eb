"""Background tasks: what ends by an exception is logged, counted, and started again.

An asyncio task that raises is silent until somebody looks at its result, and nobody
looks at the result of a task that is to run for ever.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, Protocol, TypeAlias

from minidns.metrics.registry import Metrics
from minidns.system.backoff import Backoff

log = logging.getLogger(__name__)

MOST_S = 30.0
"""Largest step of the backoff between two starts of a task that goes on failing."""

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Begins the work of a task, anew at each call."""


class WatchDeps(Protocol):
    """The clock and the randomness that tasks use; ``Edges`` has both."""

    @property
    def now(self) -> Callable[[], float]:
        """Monotonic seconds."""
        ...

    @property
    def sleep(self) -> Callable[[float], Awaitable[None]]:
        """Wait for so many seconds."""
        ...

    @property
    def random(self) -> Random:
        """Source of jitter."""
        ...


class Tasks:
    """The background tasks of one owner."""

    def __init__(self, around: WatchDeps, metrics: Metrics) -> None:
        self._around = around
        self._running: set[asyncio.Task[None]] = set()
        self._failures = metrics.counter(
            "minidns_task_failures_total",
            "Background tasks that ended by an unexpected failure.",
            ("task",),
        )

    def keep(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run ``work`` until it returns; after an exception begin anew, with backoff.

        ``name`` is the label of the failures that are counted.
        """
        return self._start(name, self._kept(name, work))

    def once(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work``, which belongs to one query or event, and do not repeat it."""
        return self._start(name, self._tried(name, work))

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def stop(self) -> None:
        """Cancel all that runs, and wait for its end."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _kept(self, name: str, work: Work) -> None:
        backoff = Backoff(self._around.now, self._around.random, MOST_S)
        while True:
            try:
                await work()
            except Exception:
                wait_s = backoff.wait_s()
                self._failures.inc((name,))
                text = "Task %r failed and starts again in %.1f s"
                log.exception(text, name, wait_s)
                await self._around.sleep(wait_s)
            else:
                return

    async def _tried(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            self._failures.inc((name,))
            log.exception("Task %r failed", name)


Keep: TypeAlias = Callable[[str, Work], asyncio.Task[None]]
"""``Tasks.keep`` of an owner."""
