"""*kubernetes* - answer for a cluster's Services and Pods, from its API server."""

import logging
from functools import cached_property, partial
from itertools import chain, takewhile
from math import inf

from minidns.corefile.blocks import ConfigError, Directive, Files
from minidns.corefile.values import covers
from minidns.dns import resolv_conf
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    Reuse,
    RRset,
    replace,
)
from minidns.dns.rdata import AXFR, IXFR
from minidns.dns.reuse import also_depends_on
from minidns.explain import why
from minidns.kubernetes import responses
from minidns.kubernetes.answers import MAX_LOOKUPS, Chase, ClusterZones
from minidns.kubernetes.integrations import SearchLists, labels
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion, ExternalTarget
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.watcher import ClusterWatcher, SharedWatcher, WatchDeps
from minidns.metrics.registry import Gauge
from minidns.plugins.kubernetes.options import ARGUMENTS, OPTIONS, conflicts
from minidns.plugins.outside import resolve_external, window_of
from minidns.plugins.site import Part, Site, once
from minidns.plugins.spec import PluginSpec, Traits
from minidns.system.tasks import Tasks

log = logging.getLogger(__name__)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Read the options; follow the API server from the start of the site on."""
    options = read(once(directives), site)
    follower = site.instance.follower(options, partial(_follower, options, site))
    view = follower.view
    site.cluster = answers = ClusterZones(options, view.main, view.imports)
    answers.synced = lambda: view.synced
    site.checks["kubernetes"] = partial(_ready, view, options)
    site.parts["kubernetes"] = partial(_parts, view, options)
    if options.stale == "unready":
        site.relapsing.add("kubernetes")
    _follow(follower, answers, site)
    made = Kubernetes(view, answers, site)
    site.transfers.append(made.transfer)
    site.explainers["kubernetes"] = made.explain
    site.labels.update(labels(answers))
    site.autopaths["kubernetes"] = SearchLists(
        answers, _own_search(site.edges.files)
    ).of
    return made.plugin


def read(directive: Directive, site: Site) -> KubernetesOptions:
    """Return the options of ``directive``.

    Raises:
        ConfigError: an option, argument or combination that CoreDNS refuses, too.

    """
    options = PLUGIN.read_one(directive, site)
    for conflict in conflicts(options):
        raise directive.end_error(conflict)
    return options


def _follower(options: KubernetesOptions, site: Site) -> SharedWatcher:
    edges = site.edges
    tasks = Tasks(edges, site.metrics)
    around = WatchDeps(
        partial(edges.list_watch, options.access),
        edges.now,
        edges.wall,
        edges.sleep,
        edges.random,
        site.metrics,
        tasks.keep,
        edges.settle,
    )
    return SharedWatcher(
        ClusterWatcher(options, around, lambda keys: site.forget(keys)), tasks
    )


def _follow(follower: SharedWatcher, answers: ClusterZones, site: Site) -> None:
    """Follow the API server, and tell the metrics, as long as the site lives."""
    ages = site.metrics.gauge(
        "minidns_kubernetes_view_age_seconds",
        "Seconds since the API server last gave a sign of life, of the oldest watch.",
        ("resource",),
    )
    view, started = follower.view, False

    def tell() -> None:
        view.tell()
        _tell_ages(ages, site)

    async def start() -> None:
        nonlocal started
        answers.local = _local(site, answers.options)
        try:
            follower.start()
        except ConfigError as error:
            raise error.prefixed("plugin/kubernetes: ") from error
        started = True
        await view.wait()

    async def serving() -> None:
        # in the main process: workers count the same, and hear what it puts right
        site.metrics.before_scrape.append(tell)
        site.task("kubernetes audit", view.audit)

    async def stop() -> None:
        if started:
            await follower.stop()
        if tell in site.metrics.before_scrape:
            site.metrics.before_scrape.remove(tell)
            ages.clear()

    site.on_start(start)
    site.on_serving(serving)
    site.on_stop(stop)


def _ready(view: ClusterWatcher, options: KubernetesOptions) -> bool:
    return view.synced and not (options.stale == "unready" and view.stale)


def _parts(view: ClusterWatcher, options: KubernetesOptions) -> list[Part]:
    """Return what the readiness is made of: every resource that is followed."""
    limit_s = options.stale_after_s or inf
    found = []
    for each in view.known():
        where = each.resource.namespace
        name = each.resource.plural + (f"/{where}" if where else "")
        is_stale = each.synced and each.age_s > limit_s
        state = "stale" if is_stale else "ok" if each.synced else "not synced"
        is_ready = each.synced and not (is_stale and options.stale == "unready")
        found.append(Part(name, is_ready, state, each.age_s))
    return sorted(found)


def _tell_ages(ages: Gauge, site: Site) -> None:
    """Bring the metric up to date, for all blocks: the oldest of a resource counts."""
    ages.clear()
    for each in site.instance.sites:
        for part in each.parts.get("kubernetes", tuple)():
            labels = (part.name.partition("/")[0],)
            ages.set(labels, max(part.age_s, ages.values.get(labels, 0.0)))


def _local(site: Site, options: KubernetesOptions) -> tuple[str, ...]:
    """Return the addresses by which the server finds its own Services.

    None where *bind* is used: CoreDNS reads prefixes there, and finds addresses.
    """
    if site.bound:
        return site.bound if options.strict else ()
    return tuple(site.edges.local_addresses())


def _own_search(files: Files) -> tuple[Name, ...]:
    """Return the search domains of the machine, none when they cannot be read."""
    try:
        return resolv_conf.search(files.read("/etc/resolv.conf"))
    except OSError:
        return ()


class Kubernetes:
    """Makes Responses of what a view knows."""

    def __init__(self, view: ClusterWatcher, answers: ClusterZones, site: Site) -> None:
        self.view = view
        self.answers = answers
        self.options = answers.options
        self._site = site
        self._withholds = self.options.stale == "servfail"

    def plugin(self, next_: Handler) -> Handler:
        """Answer names of the zones, and pass on what falls through."""
        answers, options = self.answers, self.options

        async def kubernetes(query: Query) -> Response:
            name, qtype, _ = query.question
            zone = answers.zone_of(name)
            if zone is None:
                return await next_(query)
            if qtype in (AXFR, IXFR):  # *transfer* stands before us
                raise DnsError(rcode=Rcode.REFUSED)
            spelled = query.spelled[-len(zone) :] or zone
            room = window_of(self._site, query)
            inquiry = ClusterQuestion(name, qtype, zone, spelled, name, room)
            outcome = answers.answer(inquiry, _chase(query) if query.hops else None)
            # before the sync state is looked at, and never for NODATA (CoreDNS)
            if not outcome.exists and covers(options.fallthrough, name):
                response = await next_(query)
                return (
                    self._passed_on(response, outcome)
                    if query.asked_before
                    else response
                )
            if outcome.answer and not self._withheld():
                if ExternalTarget in map(type, outcome.answer):
                    return await self._with_outside(query, outcome)
                return self._positive(query, outcome)
            return self._negative(query, inquiry, outcome)

        return kubernetes

    def transfer(self, zone: Name) -> tuple[RRset, ...] | None:
        """Return every record of ``zone``; None when it is not ours (*transfer*).

        Raises:
            DnsError: not before the first sync: a secondary must not take over half.

        """
        records = self.answers.transfer(zone)
        if records is not None and not self.view.synced:
            # unlike CoreDNS: there it is handed out as far as it is known
            raise DnsError(f"{zone} is not complete before the first sync")
        return records

    def explain(self, query: Query, response: Response) -> dict[str, object]:
        """Return why ``response`` answers ``query``, for ``minidns why``."""
        edges = self._site.edges
        found = why.explain(self.view, self.answers, query, response, edges.wall())
        if any(guard.restricts(query) for guard in self._site.guards):
            found = found.without_hints()  # they may be names that are denied
        return {
            "cluster": self.options.access.described(edges.environ),
            **found.tree(),
        }

    def _passed_on(self, response: Response, outcome: ClusterAnswer) -> Response:
        if not self.view.synced:
            return replace(response, reuse=None)
        return also_depends_on(response, *outcome.keys)

    def _withheld(self) -> bool:
        """Whether nothing is to be answered: what is known may be out of date."""
        return self._withholds and self.view.synced and self.view.stale

    async def _with_outside(self, query: Query, outcome: ClusterAnswer) -> Response:
        answer, truncated = await resolve_external(self._site, query, outcome.answer)
        response = responses.positive(outcome, answer, None)
        return replace(response, tc=True) if truncated else response

    def _positive(self, query: Query, outcome: ClusterAnswer) -> Response:
        reuse = None
        if query.asked_before and self.view.synced and outcome.rule != "zone/soa":
            reuse = Reuse(self._until(), outcome.keys)
        return responses.positive(outcome, outcome.answer, reuse)  # type: ignore[arg-type]  # nothing outside

    def _negative(
        self, query: Query, inquiry: ClusterQuestion, outcome: ClusterAnswer
    ) -> Response:
        soa = self.answers.soa(inquiry.zone, inquiry.spelled)
        synced, reuse = self.view.synced, None
        if self._withheld():
            synced = False
            outcome = ClusterAnswer("negative/stale", outcome.sources, exists=False)
        if synced and (query.asked_before or query.like_asked_before):
            reuse = self._repeat(query, inquiry, outcome)
        response = responses.negative(outcome, soa, reuse, synced=synced)
        if self.options.ede and (opt := responses.extended(query, response)):
            return replace(response, opt=opt)
        return response

    def _repeat(
        self, query: Query, inquiry: ClusterQuestion, outcome: ClusterAnswer
    ) -> Reuse | None:
        """Return the leave to say again that something is not there."""
        siblings = None
        if query.like_asked_before and self._tells_none_apart:
            siblings = self.answers.siblings(inquiry, outcome)
        if siblings is None and not query.asked_before:
            return None
        serial = self.answers.lookup(inquiry.zone).serial
        return Reuse(
            self._until(), outcome.keys, covers_label=siblings, soa_serial=serial
        )

    def _until(self) -> float:
        """Return when what is known may be too old to be said again."""
        return self.view.fresh_until if self._withholds else float("inf")

    @cached_property
    def _tells_none_apart(self) -> bool:
        """Whether nothing but our objects tells names below a namespace apart.

        No plugin above that looks at names, no server block and no *cache* of some of
        them, and no reason in words in the reply.
        """
        site, zones = self._site, self.options.zones
        above = takewhile(lambda spec: spec is not PLUGIN, site.chain)
        apart = {zone for each in site.instance.sites for zone in each.zones}
        for cache in site.block.named("cache"):
            lines = (line.args for line in cache.block)
            words = (*cache.args, *chain.from_iterable(lines))
            apart.update(f"{word.lower().rstrip('.')}." for word in words)
        return (
            not self.options.ede
            and not any(Traits.TOUCHES_NAMES in spec.traits for spec in above)
            and not any(covers(zones, zone) for zone in apart.difference(zones))
        )


def _chase(query: Query) -> Chase:
    """Return how many names may be followed: fewer, the more questions led here."""
    return Chase([None] * max(1, MAX_LOOKUPS >> (3 * query.hops)))


PLUGIN = PluginSpec(
    name="kubernetes",
    summary="answer for a cluster's Services and Pods, from its API server",
    syntax="kubernetes [ZONES...]",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ONCE_PER_BLOCK,
    setup=setup,
    defaults=KubernetesOptions(),
    arguments=ARGUMENTS,
    options=OPTIONS,
)
