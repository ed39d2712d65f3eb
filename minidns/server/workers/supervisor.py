"""The supervisor of the workers: starts, reloads, replaces and stops them."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from minidns import plugins
from minidns.corefile.blocks import Corefile, ServerBlock
from minidns.corefile.releases import Release
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.plugins.spec import Traits
from minidns.server.instance import Instance, Listener
from minidns.server.workers.process import WorkerProcess
from minidns.server.workers.protocol import Load
from minidns.system.backoff import Backoff
from minidns.system.tasks import Tasks

log = logging.getLogger("minidns")

HEALTHY_S = 10.0
"""A worker that lived that long is replaced at once, others after a backoff."""


class _Assignment(NamedTuple):
    """The Corefile that the workers serve, and their listeners."""

    corefile: Corefile
    shared: tuple[tuple[Listener, int, int], ...]
    """Each listener with its port and its number of processes."""
    release: Release

    def load(self, number: int, log_format: str) -> Load:
        """Return the message for worker ``number``."""
        listeners = tuple(
            (listener, port)
            for listener, port, processes in self.shared
            if processes > number
        )
        return Load(self.corefile, listeners, self.release, log_format)


class Supervisor:
    """The workers of the main process, which is number 0."""

    def __init__(self, edges: Edges, metrics: Metrics, log_format: str) -> None:
        self._edges = edges
        self._metrics = metrics
        self._log_format = log_format
        self._assignment: _Assignment | None = None
        self._changed = asyncio.Event()
        self._processes = 1
        """Number of processes, including the main process."""
        self._most: dict[Listener, int] = {}
        """Number of processes that serve each listener; it never shrinks."""
        self._workers: dict[int, WorkerProcess] = {}
        self._were_complete = False
        """True once all workers have served at the same time."""
        self._tasks = Tasks(edges, metrics)
        self._serving = metrics.gauge(
            "minidns_workers", "Worker processes that serve, without the main process."
        )
        self._deaths = metrics.counter(
            "minidns_worker_deaths_total", "Worker processes that ended unexpectedly."
        )
        metrics.before_scrape.append(self._count_serving)

    def follow(self, instance: Instance, ports: Mapping[Listener, int]) -> None:
        """Run the workers of ``instance`` from now on.

        ``ports`` has the ports in use, by listener.
        """
        for listener in ports:
            # to close one of several sockets would lose the queries in its queue
            most = max(instance.processes_at(listener), self._most.get(listener, 1))
            self._most[listener] = most
        shared = tuple(
            (listener, port, self._most[listener]) for listener, port in ports.items()
        )
        corefile = _for_workers(instance.corefile)
        self._assignment = assignment = _Assignment(corefile, shared, instance.release)
        self._changed.set()
        self._changed = asyncio.Event()
        for number, worker in self._workers.items():
            worker.load(assignment.load(number, self._log_format))
        for number in range(self._processes, instance.processes):
            self._tasks.keep("worker", partial(self._keep_running, number))
        self._processes = max(self._processes, instance.processes)

    def are_ready(self) -> bool:
        """Return whether every worker that serves is ready, and all have started.

        One that is being replaced does not count: the others answer its share.
        """
        serving = [worker for worker in self._workers.values() if worker.is_serving]
        return self._were_complete and all(worker.is_ready for worker in serving)

    async def close(self) -> None:
        """Let the workers answer their queries in flight, and end them."""
        await self._tasks.stop()
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))

    def _count_serving(self) -> None:
        workers = self._workers.values()
        self._serving.set((), sum(worker.is_serving for worker in workers))

    async def _keep_running(self, number: int) -> None:
        """Run worker ``number``, one process after another."""
        backoff = Backoff(self._edges.now, self._edges.random)
        while self._assignment is not None:
            started, changed = self._edges.now(), self._changed
            await self._run_worker(number, self._assignment)
            if self._edges.now() - started < HEALTHY_S:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff.wait_s()):
                        await changed.wait()

    async def _run_worker(self, number: int, assignment: _Assignment) -> None:
        """Run one process to its end."""
        load = assignment.load(number, self._log_format)
        try:
            worker = await WorkerProcess.start(load, self._metrics)
        except OSError as exc:
            log.error("Worker %d cannot be started: %s", number, exc)
            return
        self._workers[number] = worker
        if self._assignment is not None and assignment is not self._assignment:
            worker.load(self._assignment.load(number, self._log_format))
        announcing = self._tasks.once("worker", self._announce(number, worker))
        await asyncio.wait((worker.life,))  # when cancelled, close() stops the worker
        announcing.cancel()
        del self._workers[number]
        self._deaths.inc()
        text = "Worker %d (pid %d) ended: %s; the other processes answer its share"
        log.error(text, number, worker.pid, worker.reason)

    async def _announce(self, number: int, worker: WorkerProcess) -> None:
        await worker.serving.wait()
        log.info("Worker %d answers (pid %d)", number, worker.pid)
        serving = sum(worker.is_serving for worker in self._workers.values())
        self._were_complete |= serving == self._processes - 1


def _for_workers(corefile: Corefile) -> Corefile:
    blocks = tuple(map(_for_worker, corefile.blocks))
    return replace(corefile, blocks=blocks, warnings=())


def _for_worker(block: ServerBlock) -> ServerBlock:
    """Return ``block`` without the plugins of the main process alone."""
    directives = tuple(
        directive
        for directive in block.directives
        if not plugins.has_trait(directive.name, Traits.MAIN_PROCESS_ONLY)
    )
    return replace(block, directives=directives)
