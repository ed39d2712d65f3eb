"""Background tasks: exceptions are logged and counted, and the task is restarted.

asyncio reports the exception of a task only when its result is read, and the result of
a task that runs forever is never read.
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
"""Largest step of the backoff between restarts of a failing task."""

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Creates the coroutine of a task; called again for each restart."""


class WatchDeps(Protocol):
    """The clock and the random source of tasks; ``Edges`` has both."""

    @property
    def now(self) -> Callable[[], float]:
        """Monotonic seconds."""
        ...

    @property
    def sleep(self) -> Callable[[float], Awaitable[None]]:
        """Wait for a number of seconds."""
        ...

    @property
    def random(self) -> Random:
        """Source of jitter."""
        ...


class Tasks:
    """The background tasks of one owner."""

    def __init__(self, around: WatchDeps, metrics: Metrics) -> None:
        self._around = around
        # in the order of their start, in which they are cancelled
        self._running: dict[asyncio.Task[None], None] = {}
        self._failures = metrics.counter(
            "minidns_task_failures_total",
            "Background tasks that ended by an unexpected failure.",
            ("task",),
        )

    def keep(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run ``work`` until it returns; restart it with backoff after an exception.

        ``name`` is the label of the task in the failure counter.
        """
        return self._start(name, self._run_until_done(name, work))

    def once(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` for one query or event, without restarts."""
        return self._start(name, self._run_once(name, work))

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running[task] = None
        task.add_done_callback(self._running.pop)
        return task

    async def stop(self) -> None:
        """Cancel all running tasks and wait until they have ended."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_until_done(self, name: str, work: Work) -> None:
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

    async def _run_once(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            self._failures.inc((name,))
            log.exception("Task %r failed", name)


def log_failure(task: "asyncio.Task[Any]") -> None:
    """Log the exception of a finished task whose result nobody reads.

    An OSError is not logged: the other end of a connection can cause it at any time.
    """
    if task.cancelled():
        return
    error = task.exception()
    if error is not None and not isinstance(error, OSError):
        log.error("Task %r failed", task.get_name(), exc_info=error)


Keep: TypeAlias = Callable[[str, Work], asyncio.Task[None]]
"""``Tasks.keep`` of an owner."""
