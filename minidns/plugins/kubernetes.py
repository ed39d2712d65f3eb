"""*kubernetes* - answer for a cluster's Services and Pods, from its API server.

`ClusterZones` makes the answers, synchronously, from the store as it is; here they
become Responses, with the conditions for their reuse. The store belongs to a watcher,
which may outlive the server block: a reload keeps it if the new Corefile watches the
same resources in the same way.

What depends on the watches is decided here: before the first sync a name that is not
known gets SERVFAIL, and with ``stale_after`` answers are withheld while the API server
is silent.
"""

import dataclasses
from collections.abc import Awaitable
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from minidns.corefile.blocks import Files
from minidns.corefile.errors import ConfigError
from minidns.corefile.values import covers
from minidns.dns import resolv_conf
from minidns.dns.model import (
    DnsError,
    Dropped,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    Reuse,
    RRset,
    also_depends_on,
    replace,
)
from minidns.dns.rdata import AXFR, IXFR
from minidns.kubernetes.answers import MAX_LOOKUPS, AliasBudget, ClusterZones
from minidns.kubernetes.integrations import SearchLists, metadata_labels
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion, ExternalTarget
from minidns.kubernetes.options import LIMITS, KubernetesOptions
from minidns.kubernetes.rules import Rule
from minidns.kubernetes.watcher import ClusterWatcher, SharedWatcher, WatchDeps
from minidns.metrics.registry import Gauge
from minidns.plugins import cluster_responses as responses
from minidns.plugins.cluster_responses import window_of, with_external_records
from minidns.plugins.contracts import ReadinessCheck, ReadinessDetail
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.system.tasks import Tasks
from minidns.text.moments import rfc3339

if TYPE_CHECKING:
    from minidns.explain.explanation import Explanation


def setup(options: KubernetesOptions, site: Site) -> Plugin:
    """Watch the API server from the start of the site on; return the plugin."""
    shared = site.instance.follower(options, partial(_shared_watcher, options, site))
    watcher = shared.watcher
    site.offers.cluster = cluster = ClusterZones(options, watcher.main, watcher.imports)
    cluster.synced = lambda: watcher.synced
    site.readiness["kubernetes"] = ReadinessCheck(
        partial(_ready, watcher, options),
        details=partial(_readiness_details, watcher, options),
        is_always_checked=options.stale == "unready",
    )
    _watch(shared, cluster, site)
    plugin = Kubernetes(watcher, cluster, site)
    site.offers.transfers.append(plugin.transfer)
    site.offers.explainers["kubernetes"] = plugin.explain
    site.offers.past = plugin.answer_at
    site.offers.history = watcher.journal.history
    site.metadata.labels.update(metadata_labels(cluster))
    site.offers.search_lists["kubernetes"] = SearchLists(
        cluster, _own_search(site.edges.files)
    ).of
    return as_plugin(plugin.handle)


def _shared_watcher(options: KubernetesOptions, site: Site) -> SharedWatcher:
    edges = site.edges
    tasks = Tasks(edges, site.metrics)
    deps = WatchDeps(
        partial(edges.list_watch, options.access),
        edges.now,
        edges.wall,
        edges.sleep,
        edges.random,
        site.metrics,
        tasks.keep,
        edges.settle,
    )
    watcher = ClusterWatcher(options, deps, site.forget)
    return SharedWatcher(watcher, tasks)


def _watch(shared: SharedWatcher, cluster: ClusterZones, site: Site) -> None:
    """Watch the API server and update the metrics as long as the site is in use."""
    ages = site.metrics.gauge(
        "minidns_kubernetes_view_age_seconds",
        "Seconds since the API server last gave a sign of life, of the oldest watch.",
        ("resource",),
    )
    watcher, started = shared.watcher, False

    def update() -> None:
        watcher.update_metrics()
        _set_ages(ages, site)

    async def start() -> None:
        nonlocal started
        cluster.local = _local_addresses(site, cluster.options)
        try:
            shared.start()
        except ConfigError as error:
            raise error.prefixed("plugin/kubernetes: ") from error
        started = True
        await watcher.wait()

    async def serving() -> None:
        site.metrics.before_scrape.append(update)
        site.task("kubernetes audit", watcher.audit)
        site.task("kubernetes journal", watcher.keep_journal)

    async def stop() -> None:
        if started:
            await shared.stop()
        if update in site.metrics.before_scrape:
            site.metrics.before_scrape.remove(update)
            ages.clear()
            # at once, because a scrape may be under way: the instance that took over
            # has set the ages of its watches
            site.metrics.update()

    site.on_start(start)
    site.on_serving(serving)
    site.on_stop(stop)


def _ready(watcher: ClusterWatcher, options: KubernetesOptions) -> bool:
    return watcher.synced and not (options.stale == "unready" and watcher.stale)


def _readiness_details(
    watcher: ClusterWatcher, options: KubernetesOptions
) -> list[ReadinessDetail]:
    """Return the parts of the readiness: every resource that is watched."""
    limit_s = options.stale_after_s or inf
    parts = []
    for status in watcher.statuses():
        where = status.resource.namespace
        name = status.resource.plural + (f"/{where}" if where else "")
        is_stale = status.synced and status.age_s > limit_s
        state = "stale" if is_stale else "ok" if status.synced else "not synced"
        is_ready = status.synced and not (is_stale and options.stale == "unready")
        parts.append(ReadinessDetail(name, is_ready, state, status.age_s))
    return sorted(parts)


def _set_ages(ages: Gauge, site: Site) -> None:
    """Update the gauge over all server blocks: the oldest age of a resource counts."""
    ages.clear()
    for other in site.instance.sites:
        check = other.readiness.get("kubernetes")
        for part in check.details() if check else ():
            labels = (part.name.partition("/")[0],)
            ages.set(labels, max(part.age_s, ages.values.get(labels, 0.0)))


def _local_addresses(site: Site, options: KubernetesOptions) -> tuple[str, ...]:
    """Return the addresses by which the server finds its own Services.

    There are none with *bind*: CoreDNS compares its prefixes with addresses there.
    """
    if site.listen.addresses:
        return site.listen.addresses if options.strict else ()
    return tuple(site.edges.local_addresses())


def _own_search(files: Files) -> tuple[Name, ...]:
    """Return the search domains of the machine, none when they cannot be read."""
    try:
        return resolv_conf.search(files.read("/etc/resolv.conf"))
    except OSError:
        return ()


class Kubernetes:
    """Makes Responses from the zones of a cluster."""

    def __init__(
        self, watcher: ClusterWatcher, cluster: ClusterZones, site: Site
    ) -> None:
        self.watcher = watcher
        self.cluster = cluster
        self.options = cluster.options
        self._site = site
        self._withholds = self.options.stale == "servfail"

    def handle(self, next_: Handler, query: Query) -> Awaitable[Response]:
        """Answer names of the zones, and pass on all others."""
        zone = self.cluster.zone_of(query.question.qname)
        if zone is None:
            return next_(query)
        return self._answer(next_, query, zone)

    async def _answer(self, next_: Handler, query: Query, zone: Name) -> Response:
        """Answer a name in ``zone``, or pass it on if it falls through."""
        cluster = self.cluster
        name, qtype, _ = query.question
        if qtype in (AXFR, IXFR):  # *transfer* comes before this plugin
            raise DnsError(rcode=Rcode.REFUSED)
        spelled = query.spelled[-len(zone) :] or zone
        window = window_of(self._site, query)
        question = ClusterQuestion(name, qtype, zone, spelled, name, window)
        answer = cluster.answer(question, _budget(query) if query.hops else None)
        # checked before the sync state, and never for NODATA (CoreDNS)
        if not answer.rule.exists and covers(self.options.fallthrough, name):
            response = await next_(query)
            if query.asked_before:
                return self._with_dependencies(response, answer)
            return response
        if answer.answer and not self._is_withheld():
            if ExternalTarget in map(type, answer.answer):
                return await with_external_records(self._site, query, answer)
            return self._positive(query, answer)
        return self._negative(query, question, answer)

    def transfer(self, zone: Name) -> tuple[RRset, ...] | None:
        """Return every record of ``zone``; None if it is none of the zones.

        Raises:
            DnsError: before the first sync: a secondary needs the complete zone.

        """
        records = self.cluster.transfer(zone)
        if records is not None and not self.watcher.synced:
            # unlike CoreDNS: there it is handed out as far as it is known
            raise DnsError(f"{zone} is not complete before the first sync")
        return records

    def explain(self, query: Query, response: Response) -> dict[str, object]:
        """Return why ``response`` answers ``query``, for ``minidns why``."""
        edges = self._site.edges
        return {
            "cluster": self.options.access.described(edges.environ),
            **self._explain(query, response, edges.wall()).tree(),
        }

    def _explain(self, query: Query, response: Response, wall: float) -> "Explanation":
        from minidns.explain import why  # only a few servers are ever asked

        found = why.explain(self.watcher, self.cluster, query, response, wall)
        if any(guard.restricts(query) for guard in self._site.offers.guards):
            return found.without_hints()  # they may name denied names
        return found

    async def answer_at(
        self, query: Query, when: float, span_s: float = inf
    ) -> tuple[Response, dict[str, object]]:
        """Return the answer at ``when``, in Unix seconds, and its details.

        They have the changes since ``span_s`` seconds before that.

        It is that of this plugin alone: what a cache or an upstream had then is not
        recorded. What *acl* denies now is denied.

        Raises:
            DnsError: there was none, *acl* denies it, or the name falls through.
            NotRecorded: the journal does not reach back so far.

        """
        from minidns.explain import changes

        for guard in self._site.offers.guards:
            if (denial := guard.denial(query)) is not None:
                return denial, {}
        past = await self.watcher.past(when, span_s)
        zones = ClusterZones(self.options, past.main, past.imports)
        zones.local = self.cluster.local
        then = Kubernetes(self.watcher, zones, self._site)
        then._withholds = False  # it depends on the age of the watches now
        response = await then.handle(_pass_on, query)
        explained = dataclasses.replace(then._explain(query, response, when), kinds=())
        keys = response.reuse.depends_on if response.reuse else ()
        shown = changes.around(when, past.changes, keys, response.sources)
        listed = [changes.as_json(change, when) for change in shown]
        since = rfc3339(past.since)
        lines = (*map(changes.line, listed), f"the journal reaches back to {since}")
        return response, {
            "cluster": self.options.access.described(self._site.edges.environ),
            **explained.tree(lines),
            "since": since,
            "changes": listed,
        }

    def _with_dependencies(self, response: Response, answer: ClusterAnswer) -> Response:
        if not self.watcher.synced:
            return replace(response, reuse=None)
        return also_depends_on(response, *answer.keys)

    def _is_withheld(self) -> bool:
        """Return whether answers are withheld because they may be out of date."""
        return self._withholds and self.watcher.synced and self.watcher.stale

    def _positive(self, query: Query, answer: ClusterAnswer) -> Response:
        reuse = None
        # the serial in an SOA answer must be the current one
        if query.asked_before and self.watcher.synced and answer.rule is not Rule.SOA:
            reuse = Reuse(self._reuse_until(), answer.keys)
        return responses.positive(answer, answer.answer, reuse)  # type: ignore[arg-type]  # no external targets

    def _negative(
        self, query: Query, question: ClusterQuestion, answer: ClusterAnswer
    ) -> Response:
        soa = self.cluster.soa(question.zone, question.spelled)
        synced, reuse = self.watcher.synced, None
        if self._is_withheld():
            synced = False
            answer = ClusterAnswer(Rule.STALE, answer.sources)
        if synced and (query.asked_before or query.like_asked_before):
            reuse = self._negative_reuse(query, question, answer)
        return responses.negative(answer, soa, reuse, synced=synced)

    def _negative_reuse(
        self, query: Query, question: ClusterQuestion, answer: ClusterAnswer
    ) -> Reuse | None:
        """Return the Reuse of a negative answer: its expiry and covered labels."""
        covered = None
        if query.like_asked_before:
            covered = self.cluster.covered_labels(question, answer)
        if covered is None and not query.asked_before:
            return None
        serial = self.cluster.lookup(question.zone).serial
        return Reuse(
            self._reuse_until(), answer.keys, covers_label=covered, soa_serial=serial
        )

    def _reuse_until(self) -> float:
        """Return the monotonic time from which answers may be too old."""
        return self.watcher.fresh_until if self._withholds else float("inf")


async def _pass_on(query: Query) -> Response:
    """Stand for the next plugin, whose past is not recorded.

    Raises:
        Dropped: always.

    """
    raise Dropped("the name falls through to the next plugin, whose past is not kept")


def _budget(query: Query) -> AliasBudget:
    """Return the budget of aliases: less, the more internal queries led here."""
    return AliasBudget(max(1, MAX_LOOKUPS >> (3 * query.hops)))


PLUGIN = PluginSpec(
    name="kubernetes",
    summary="answer for a cluster's Services and Pods, from its API server",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=KubernetesOptions(),
    options=LIMITS,
    conflicts=KubernetesOptions.conflicts,
    repeated=Repeated.REFUSED,
)
