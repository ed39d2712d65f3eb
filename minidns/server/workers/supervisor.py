"""The worker processes of the server: started, replaced, told to end (*multisocket*).

The main process watches, reloads, is scraped and gets the signals, and answers the
first share of the queries. Each further share is a worker's; while it has none (it is
starting, or has died) the main process answers that one too, so that nobody waits for a
process. A worker serves one loaded Corefile: after a reload another takes its place,
and it ends when that one answers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from minidns import plugins
from minidns.corefile.blocks import Corefile, ServerBlock
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.plugins.spec import Traits
from minidns.server.instance import Instance, Listener
from minidns.server.listener import ListenerSockets
from minidns.server.workers.process import GRACE_S, WorkProcess
from minidns.server.workers.protocol import Share, Work
from minidns.system.backoff import Backoff
from minidns.system.tasks import Tasks

log = logging.getLogger("minidns")

HEALTHY_S = 10.0
"""A worker that lived that long is replaced at once, others after a while."""


class Plan:
    """One loaded Corefile, as the workers are to serve it."""

    def __init__(
        self,
        loaded: Instance,
        listening: Mapping[Listener, ListenerSockets],
        log_format: str,
    ) -> None:
        self.loaded = loaded
        self.shares = loaded.processes
        self.superseded = asyncio.Event()
        self.settled = asyncio.Event()
        """Set when no worker serves an older one."""
        self._listening = listening
        self._log_format = log_format
        self._elsewhere: set[int] = set()

    def expect(self, shares: set[int]) -> None:
        """Note whose workers have not come to this plan yet."""
        self._elsewhere = shares
        if not shares:
            self.settled.set()

    def work(self, share: int) -> Work:
        """Return what the worker of ``share`` is to do."""
        shares = tuple(
            Share(listener, each.descriptors(share))
            for listener, each in self._listening.items()
            if self.loaded.sockets(listener) > share
        )
        listeners = {each.listener for each in shares}
        part = _part(self.loaded, listeners)
        return Work(part, shares, self._log_format, self.loaded.release)

    async def hand_over(self, share: int, *, to_worker: bool) -> None:
        """Leave ``share`` to its worker, or answer what of it has none."""
        for listener, each in self._listening.items():
            if to_worker and self.loaded.sockets(listener) > share:
                each.uncover(share, GRACE_S)
            else:
                await each.cover(share)
        self._elsewhere.discard(share)
        if not self._elsewhere:
            self.settled.set()


def _part(loaded: Instance, listeners: set[Listener]) -> Corefile:
    """Return what a worker needs of the Corefile to answer at ``listeners``."""
    blocks = tuple(
        _answering(site.block)
        for site in loaded.sites
        if not listeners.isdisjoint(loaded.listeners_of(site))
    )
    return replace(loaded.corefile, blocks=blocks, warnings=())


def _answering(block: ServerBlock) -> ServerBlock:
    """Return ``block`` without the plugins of the main process alone."""
    directives = tuple(
        each
        for each in block.directives
        if not plugins.has_trait(each.name, Traits.MAIN_PROCESS_ONLY)
    )
    return replace(block, directives=directives)


class Workers:
    """All of them."""

    def __init__(self, edges: Edges, metrics: Metrics, log_format: str) -> None:
        self._edges = edges
        self._metrics = metrics
        self._log_format = log_format
        self._plan: Plan | None = None
        self._places: dict[int, asyncio.Task[None]] = {}
        """By share: what sees to it that the share has a worker."""
        self._staff: dict[int, WorkProcess] = {}
        """By share: the worker that answers it."""
        self._alive: set[WorkProcess] = set()
        """Also those that begin, or end."""
        self._tasks = Tasks(edges, metrics)
        self._turn = asyncio.Lock()
        self._answering = metrics.gauge(
            "minidns_workers", "Worker processes that answer, beside the main one."
        )
        self._deaths = metrics.counter(
            "minidns_worker_deaths_total", "Worker processes that ended unasked."
        )
        self._metrics.before_scrape.append(self._count)

    def _count(self) -> None:
        self._answering.set((), len(self._staff))

    def follow(
        self, loaded: Instance, listening: Mapping[Listener, ListenerSockets]
    ) -> Plan:
        """Have workers serve ``loaded`` from now on; return how that goes."""
        old, plan = self._plan, Plan(loaded, listening, self._log_format)
        self._plan = plan
        for share in range(1, plan.shares):
            if share not in self._places:
                fill = partial(self._fill, share)
                self._places[share] = self._tasks.keep("worker", fill)
        plan.expect(set(self._places))
        if old is not None:
            old.superseded.set()
            old.settled.set()
        return plan

    async def close(self) -> None:
        """Let the workers finish what is under way, and end them."""
        self._staff.clear()
        await self._tasks.stop()
        await asyncio.gather(*(each.stop() for each in self._alive))

    async def _fill(self, share: int) -> None:
        """See to it that ``share`` has a worker, as long as there is such a share."""
        backoff = Backoff(self._edges.now, self._edges.random)
        while (plan := self._plan) is not None:
            worker = None
            if share < plan.shares:
                # one after the other: two workers for one share are twice the memory
                async with self._turn if share in self._staff else nullcontext():
                    worker = await self._started(share, plan)
            if plan.superseded.is_set():
                self._retire(worker)
                continue
            await self._relieve(share, plan, worker)
            if plan.superseded.is_set():
                continue
            if share >= plan.shares:
                del self._places[share]
                return
            lived_s = await self._lifetime_s(worker, plan)
            if lived_s < HEALTHY_S:
                wait = self._edges.sleep(backoff.wait_s())
                await _first(wait, plan.superseded.wait())

    async def _started(self, share: int, plan: Plan) -> WorkProcess | None:
        """Return a worker that answers, unless there is another plan; or None."""
        relay = plan.loaded.relay
        assert relay is not None, "there are workers"
        work = plan.work(share)
        try:
            worker = await WorkProcess.start(work, relay.desk(), self._metrics)
        except OSError as exc:
            log.error("Worker %d cannot be started: %s", share, exc)
            return None
        self._alive.add(worker)
        self._run(self._guard(share, worker))
        await _first(worker.serving.wait(), worker.ended.wait(), plan.superseded.wait())
        if worker.ended.is_set():
            self._deaths.inc()
            log.error("Worker %d does not come to answer: %s", share, worker.why)
            return None
        if worker.serving.is_set():
            log.info("Worker %d answers (pid %d)", share, worker.pid)
        return worker

    async def _relieve(
        self, share: int, plan: Plan, worker: WorkProcess | None
    ) -> None:
        """Have ``worker``, or without one the main process, answer ``share``."""
        old = self._staff.pop(share, None)
        if worker is not None:
            self._staff[share] = worker
        await plan.hand_over(share, to_worker=worker is not None)
        self._retire(old)

    async def _lifetime_s(self, worker: WorkProcess | None, plan: Plan) -> float:
        """Return how long ``worker`` lived when it dies; for ever in another plan."""
        since = self._edges.now()
        if worker is not None:
            await _first(worker.ended.wait(), plan.superseded.wait())
        return inf if plan.superseded.is_set() else self._edges.now() - since

    async def _guard(self, share: int, worker: WorkProcess) -> None:
        """Answer in place of ``worker`` when it dies."""
        await worker.ended.wait()
        self._alive.discard(worker)
        if self._staff.get(share) is not worker or self._plan is None:
            return  # it was told to
        del self._staff[share]
        self._deaths.inc()
        text = "Worker %d (pid %d) ended: %s; the main process answers for it"
        log.warning(text, share, worker.pid, worker.why)
        await self._plan.hand_over(share, to_worker=False)

    def _retire(self, worker: WorkProcess | None) -> None:
        """Let ``worker`` end in its own time."""
        if worker is not None:
            self._run(worker.stop())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.once("worker", work)


async def _first(*waits: Awaitable[object]) -> None:
    """Wait until one of ``waits`` is over."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
