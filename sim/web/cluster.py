"""A simulated cluster in virtual time, for a program that lives in real time.

A thread of its own runs the event loop of the cluster, and only while there is work.
Before that, the virtual clock advances by the real time since the work before, so that
caches age and time-outs of conntrack pass while somebody reads the page. A cluster may
also stand still between two works.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from ..scenario.clock import VirtualLoop
from ..scenario.stage import Stage
from ..walk.world import SHOP, world

T = TypeVar("T")
MOST_IDLE_S = 3600.0
"""The most by which the clock advances at once."""


class VirtualCluster:
    """A stage, and the thread that runs it."""

    def __init__(self, watch: Callable[[Stage], None]) -> None:
        """Call ``watch`` with every new stage, in the thread of the cluster."""
        self._watch = watch
        self._thread = ThreadPoolExecutor(1, "cluster")
        self._runner: asyncio.Runner | None = None
        self._world: AbstractAsyncContextManager[Stage] | None = None
        self._stage: Stage | None = None
        self._stands_still = False
        self._is_closed = False
        self._idle_since = time.monotonic()

    async def start(self, setup: str = SHOP, *, stands_still: bool = False) -> None:
        """Start a fresh cluster instead of the present one.

        If it stands still, its clock advances by nothing but the work that it does.

        Raises:
            WrongWords: a line of ``setup`` cannot be carried out.

        """
        await self._in_thread(self._restart, setup)
        self._stands_still = stands_still

    async def run(self, work: Callable[[Stage], Awaitable[T]]) -> T:
        """Return the result of ``work``, which runs in the loop of the cluster.

        Raises:
            asyncio.CancelledError: the cluster is closed.

        """
        if self._is_closed:
            raise asyncio.CancelledError
        return await self._in_thread(self._run, work)

    async def close(self) -> None:
        """Stop the servers of the cluster, and the thread."""
        self._is_closed = True
        await self._in_thread(self._stop)
        self._thread.shutdown()

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)

    # -- in the thread

    def _restart(self, setup: str) -> None:
        self._stop()
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        self._world = world(setup)
        self._stage = self._runner.run(_entered(self._world))
        self._watch(self._stage)
        self._idle_since = time.monotonic()

    def _run(self, work: Callable[[Stage], Awaitable[T]]) -> T:
        assert self._runner is not None
        assert self._stage is not None
        idle_s = 0.0
        if not self._stands_still:
            idle_s = min(time.monotonic() - self._idle_since, MOST_IDLE_S)
        try:
            return self._runner.run(_after(idle_s, work, self._stage))
        finally:
            self._idle_since = time.monotonic()

    def _stop(self) -> None:
        if self._runner is not None and self._world is not None:
            self._runner.run(_left(self._world))
            self._runner.close()
        self._runner = self._world = self._stage = None


async def _entered(place: AbstractAsyncContextManager[Stage]) -> Stage:
    return await place.__aenter__()


async def _left(place: AbstractAsyncContextManager[Stage]) -> None:
    await place.__aexit__(None, None, None)


async def _after(
    idle_s: float, work: Callable[[Stage], Awaitable[T]], stage: Stage
) -> T:
    await asyncio.sleep(idle_s)
    return await work(stage)
