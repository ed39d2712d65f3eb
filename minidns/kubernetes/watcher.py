"""Watches a cluster: the reflectors of its resources, the first sync, the age.

A ClusterWatcher keeps stores equal to the cluster. With *namespaces* it can do with
rights in those alone: listed one by one where *namespaced* says so, or where the API
server refuses a kind at cluster scope before the first sync. CoreDNS waits for ever.
"""

import asyncio
import heapq
import logging
from asyncio import FIRST_COMPLETED
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from random import Random

from minidns.kubernetes.audit import Auditor, Followed
from minidns.kubernetes.journal import Journal, Past
from minidns.kubernetes.objects import (
    IMPORT_NAME,
    Key,
    Namespace,
    Service,
    ServiceImport,
    imported_slice,
)
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import (
    IMPORTED_SLICES,
    IMPORTS,
    NAMESPACES,
    PODS,
    SERVICES,
    SLICES,
    Applied,
    Event,
    ForbiddenAware,
    ListWatch,
    Resource,
)
from minidns.kubernetes.store import Store
from minidns.kubernetes.watch_metrics import (
    ReflectorMetrics,
    WatchStatus,
    latency_histogram,
    observe_latency,
    statuses,
)
from minidns.metrics.registry import Metrics
from minidns.system.tasks import Keep, Tasks

log = logging.getLogger("minidns.plugins.kubernetes")

LOG_S = 0.5
"""Seconds between two looks at the cause while waiting for the first sync."""
ASSUMED = "not allowed to list %s, taking these for granted: %s"
ONE_BY_ONE = "not allowed to list %s in all namespaces, listing them in: %s"


@dataclass(frozen=True, slots=True)
class WatchDeps:
    """The edges of a ClusterWatcher: API server, time, chance, metrics and tasks."""

    list_watch: Callable[[Resource], ListWatch]
    now: Callable[[], float]
    wall: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random: Random
    metrics: Metrics
    keep: Keep
    """Runs the background tasks of a ClusterWatcher."""
    settle: Callable[[], None] = lambda: None
    """Called after chunks of a list, see ``Edges``."""


def resources(options: KubernetesOptions) -> list[Resource]:
    """Return the resources to watch, for all namespaces at once."""
    labels = options.labels
    watched = [
        replace(SERVICES, label_selector=labels),
        replace(NAMESPACES, label_selector=options.namespace_labels),
    ]
    if options.endpoints:
        watched.append(replace(SLICES, label_selector=labels))
    if options.pods == "verified":
        watched.append(replace(PODS, label_selector=labels))
    if options.multicluster:
        # the selector of namespaces, as in CoreDNS (a slip)
        selector = labels if options.strict else options.namespace_labels
        named = ",".join(filter(None, (labels, IMPORT_NAME)))
        watched.append(replace(IMPORTS, label_selector=selector))
        watched.append(replace(IMPORTED_SLICES, label_selector=named))
    return watched


class ClusterWatcher:
    """Keeps two stores equal to a cluster, for one set of options."""

    def __init__(
        self,
        options: KubernetesOptions,
        deps: WatchDeps,
        forget: Callable[[Iterable[Hashable]], None],
    ) -> None:
        self.options = options
        self.main = Store(
            deps.wall, deps.now, zonal=options.zonal, hold_s=options.hold_s
        )
        self.imports = Store(
            deps.wall, deps.now, kind="ServiceImport", hold_s=options.hold_s
        )
        self.journal = Journal(self.main, deps.wall)
        self._journal_of_imports = Journal(self.imports, deps.wall)
        self.synced = False
        """Whether every first list was applied; stays true."""
        self._work: list[Followed] = []
        self._deps = deps
        self._latency = latency_histogram(deps.metrics)
        self._counts = ReflectorMetrics(deps.metrics)
        self._forget = forget
        self._followed: dict[Resource, ForbiddenAware] = {}
        self._pending: set[Resource] = set()
        self._all_synced = asyncio.Event()
        self._held = asyncio.Event()
        self._listable: set[str] = set()
        self._assumes_namespaces = False
        self._since = deps.now()

    def connect(self) -> None:
        """Choose the API server; nothing is sent yet.

        Raises:
            ConfigError: no such file, context or service account.

        """
        for resource in resources(self.options):
            self._followed[resource] = ForbiddenAware(self._deps.list_watch(resource))
        self._pending = set(self._followed)

    def start(self) -> None:
        """Start the background tasks."""
        for resource in list(self._followed):
            self._follow(resource)
        if self.options.hold_s:
            self._deps.keep("kubernetes hold", self._release_held)

    @property
    def reflectors(self) -> list[Reflector]:
        """The running reflectors, one for each resource."""
        return [work.reflector for work in self._work]

    async def audit(self) -> None:
        """Compare the stores with fresh lists until cancelled (option *audit*)."""
        deps = self._deps
        auditor = Auditor(
            lambda: tuple(self._work),
            deps.list_watch,
            deps.metrics,
            sleep=deps.sleep,
            random=deps.random,
        )
        if self.options.audit_s is not None:
            await auditor.run(self.options.audit_s)

    async def keep_journal(self) -> None:
        """Note the changes of the stores from the first sync on."""
        await self._all_synced.wait()
        self.journal.begin()
        self._journal_of_imports.begin()

    async def past(self, when: float, span_s: float = inf) -> Past:
        """Return the cluster as it was known at ``when``, in Unix seconds.

        The changes begin at most ``span_s`` seconds before.

        Raises:
            NotRecorded: the journal does not reach back so far.

        """
        main, history = await self.journal.at(when, span_s)
        imports, imported = await self._journal_of_imports.at(when, span_s)
        since = max(history.since, imported.since)
        changes = heapq.merge(
            history.changes, imported.changes, key=lambda change: change.at
        )
        return Past(main, imports, since, tuple(changes))

    def update_metrics(self) -> None:
        """Update the metrics of the reflectors."""
        for reflector in self.reflectors:
            self._counts.update(reflector)

    async def wait(self) -> None:
        """Wait for the first sync, for *startup_timeout* at most.

        unlike CoreDNS: a cause of the wait is logged once, not every half second.
        """
        now, logged = self._deps.now, set[str]()
        end = now() + self.options.startup_timeout_s
        synced = asyncio.ensure_future(self._all_synced.wait())
        try:
            while not self.synced and (left := end - now()) > 0:
                tick = asyncio.ensure_future(self._sleep(min(LOG_S, left)))
                await asyncio.wait((synced, tick), return_when=FIRST_COMPLETED)
                cause = self._cause_of_wait()
                if not tick.cancel() and cause not in logged and now() < end:
                    text = "waiting for Kubernetes API before starting server: %s"
                    log.info(text, cause)
                    logged.add(cause)
        finally:
            synced.cancel()
        if not self.synced:
            text = "starting server with unsynced Kubernetes API: %s"
            log.warning(text, self._cause_of_wait())

    def _cause_of_wait(self) -> str:
        """Return why a first list is not complete yet."""
        for reflector in self.reflectors:
            if not reflector.synced:
                name = reflector.resource.type_name
                return reflector.last_error or f"no answer to the list of {name}"
        return "synced"

    async def _sleep(self, seconds: float) -> None:
        await self._deps.sleep(seconds)

    def statuses(self) -> list[WatchStatus]:
        """Return the status of every watch."""
        return statuses(self.reflectors, self._deps.now(), self._since)

    @property
    def fresh_until(self) -> float:
        """Time from which the API server has been silent for longer than *stale_after*.

        In monotonic seconds; infinite without the option.
        """
        limit = self.options.stale_after_s
        if limit is None:
            return inf
        now = self._deps.now()
        ages_s = [status.age_s for status in self.statuses()] or [now - self._since]
        return now - max(ages_s) + limit

    @property
    def stale(self) -> bool:
        """Whether the API server has been silent for longer than *stale_after*."""
        return self._deps.now() > self.fresh_until

    def refusals(self) -> dict[Resource, str]:
        """Return the resources that may not be listed, with the server's refusal."""
        return {r: one.refusal for r, one in self._followed.items() if one.refusal}

    def _follow(self, resource: Resource) -> None:
        if self.options.namespaced:
            self._follow_each(resource, sorted(self.options.namespaces))
            return
        watch = self._watch(resource)
        if self.options.namespaces:
            name = f"kubernetes {resource.plural} refused"
            self._deps.keep(name, partial(self._narrow, resource, watch))

    def _watch(self, resource: Resource) -> asyncio.Task[None]:
        name = f"kubernetes {resource.plural}"
        return self._deps.keep(name, partial(self._reflect, resource))

    async def _narrow(self, resource: Resource, watch: asyncio.Task[None]) -> None:
        """Watch the namespaces of the options once listing all of them is refused."""
        listed = sorted(self.options.namespaces)
        await self._followed[resource].refused.wait()
        watch.cancel()
        # wait for its end, because two watches of one object would race
        await asyncio.gather(watch, return_exceptions=True)
        text = ASSUMED if resource.kind is Namespace else ONE_BY_ONE
        log.warning(text, resource.plural, " ".join(listed))
        self._follow_each(resource, listed)

    def _follow_each(self, resource: Resource, names: Sequence[str]) -> None:
        """Watch ``resource`` in ``names``, which are assumed to exist."""
        del self._followed[resource]
        if resource.kind is Namespace:
            self._assumes_namespaces = True
            self._done(resource)
            return
        parts = [replace(resource, namespace=name) for name in names]
        for part in parts:
            self._followed[part] = ForbiddenAware(self._deps.list_watch(part))
        self._pending.update(parts)
        self._done(resource)
        for part in parts:
            self._watch(part)

    async def _reflect(self, resource: Resource) -> None:
        imported = resource.kind is ServiceImport or resource.read is imported_slice
        store = self.imports if imported else self.main
        reflector = Reflector(
            self._followed[resource],
            resource,
            partial(self.apply, store),
            now=self._deps.now,
            sleep=self._deps.sleep,
            random=self._deps.random,
            on_synced=lambda: self._done(resource),
            settle=self._deps.settle,
        )
        work = Followed(reflector, store)
        self._work.append(work)
        try:
            await reflector.run()
        finally:
            self._work.remove(work)
            self._counts.end(reflector)

    def apply(self, store: Store, event: Event) -> None:
        """Apply an event to ``store`` and invalidate the answers that it changes."""
        is_main = store is self.main
        if is_main:
            observe_latency(event, store, self._latency, self._deps.wall)
        journal = self.journal if is_main else self._journal_of_imports
        if touched := journal.apply(event):
            self._forget(touched)
        if store.held.deadline() is not None:
            self._held.set()

    def _done(self, resource: Resource) -> None:
        """Note that ``resource`` was listed, or need not be."""
        self._pending.discard(resource)
        if resource.kind is Service:
            self._listable |= {resource.namespace} - {""} or self.options.namespaces
        if self._assumes_namespaces:
            for name in self._listable - self.main.namespaces.keys():
                self.apply(self.main, Applied(Namespace(Key("", name))))
        if not self._pending and not self.synced:
            self.synced = True
            self._all_synced.set()

    async def _release_held(self) -> None:
        """Release held endpoints in time."""
        while True:
            await self._held.wait()
            self._held.clear()
            for store in (self.main, self.imports):
                while (deadline := store.held.deadline()) is not None:
                    await self._deps.sleep(max(0.0, deadline - self._deps.now()))
                    self._forget(store.expire())


class SharedWatcher:
    """A ClusterWatcher used by server blocks, before and after a reload.

    The objects of a cluster outlive the reload of a Corefile that watches it with the
    same options: names do not vanish because the API server cannot be reached just
    then, and nothing is listed again.
    """

    def __init__(self, watcher: ClusterWatcher, tasks: Tasks) -> None:
        self.watcher = watcher
        self._tasks = tasks
        self._users = 0
        self._is_running = False

    def follows(self, options: KubernetesOptions) -> bool:
        """Return whether a block with ``options`` can use this watcher."""
        return watch_options(self.watcher.options) == watch_options(options)

    def start(self) -> None:
        """Add a server block as a user; the first one starts the watches.

        Raises:
            ConfigError: no such file, context or service account.

        """
        if not self._is_running:
            self.watcher.connect()
            self.watcher.start()
            self._is_running = True
        self._users += 1

    async def stop(self) -> None:
        """Remove a user; the last one stops the watches."""
        self._users -= 1
        if not self._users:
            await self._tasks.stop()


def watch_options(options: KubernetesOptions) -> KubernetesOptions:
    """Return ``options`` without those that concern answers alone."""
    return replace(
        options,
        zones=(),
        ttl=0,
        fallthrough=(),
        endpoint_pod_names=False,
        ignore_empty=False,
    )
