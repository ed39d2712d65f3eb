"""*k8s_external* - answer for Services with their external addresses."""

from functools import cache

from minidns.corefile.blocks import ConfigError
from minidns.corefile.values import covers, longest
from minidns.dns.model import (
    Handler,
    Name,
    Plugin,
    Query,
    Response,
    Reuse,
    RRset,
    also_depends_on,
    replace,
)
from minidns.kubernetes.external import ExternalZones
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion, ExternalTarget
from minidns.kubernetes.options import ExternalOptions
from minidns.kubernetes.rules import Rule
from minidns.plugins import cluster_responses as responses
from minidns.plugins.cluster_responses import window_of, with_external_records
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin


def setup(options: ExternalOptions, site: Site) -> Plugin:
    """Return the plugin that answers from the *kubernetes* of the same block.

    Raises:
        ConfigError: the server block has no *kubernetes*.

    """
    if not site.block.named("kubernetes"):
        raise ConfigError("kubernetes plugin not loaded")
    return as_plugin(_K8sExternal(options, site).handle)


class _K8sExternal:
    """Makes Responses from the *kubernetes* of the same server block."""

    def __init__(self, rules: ExternalOptions, site: Site) -> None:
        self._rules = rules
        self._site = site
        # created at the first query: *kubernetes* is set up after this plugin
        self._zones = cache(self._make_zones)
        site.offers.transfers.append(lambda zone: self._zones().transfer(zone))

    def _make_zones(self) -> ExternalZones:
        assert self._site.offers.cluster is not None
        return ExternalZones(self._rules, self._site.offers.cluster)

    async def handle(self, next_: Handler, query: Query) -> Response:
        """Answer names of the zones, and pass on those that fall through."""
        name, qtype, _ = query.question
        zone = longest(self._rules.zones, name)
        if zone is None:
            return await next_(query)
        window = window_of(self._site, query)
        question = ClusterQuestion(name, qtype, zone, zone, name, window)
        answer = self._zones().answer(question)
        # CoreDNS never passes on names below its name server's
        own = answer.exists or answer.rule is Rule.NOT_A_NAME_SERVER
        if not own and covers(self._rules.fallthrough, name):
            return also_depends_on(await next_(query), *answer.keys)
        return await self._respond(query, zone, answer)

    async def _respond(
        self, query: Query, zone: Name, answer: ClusterAnswer
    ) -> Response:
        zones, synced = self._zones(), self._is_synced()
        # a reused SOA may show an older serial for no longer than its TTL
        until = self._site.edges.now() + self._rules.ttl
        reuse = Reuse(until, answer.keys) if synced else None
        if not answer.answer:
            # unlike CoreDNS: before the first sync NXDOMAIN may be untrue
            soa = zones.soa(zone)
            response = responses.negative(answer, soa, reuse, synced=synced)
            return replace(response, lower_case=True)
        if any(isinstance(record, ExternalTarget) for record in answer.answer):
            return await with_external_records(self._site, query, answer)
        records = [record for record in answer.answer if isinstance(record, RRset)]
        response = responses.positive(answer, records, reuse)
        # SOA and NS have the zone's letters as owner, the rest the query's (CoreDNS)
        apex = answer.rule in (Rule.EXTERNAL_SOA, Rule.EXTERNAL_NS)
        return replace(response, lower_case=True) if apex else response

    def _is_synced(self) -> bool:
        return (
            self._site.offers.cluster is not None and self._site.offers.cluster.synced()
        )


PLUGIN = PluginSpec(
    name="k8s_external",
    summary="answer for Services with their external addresses",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=ExternalOptions(),
    repeated=Repeated.MERGED,
)
