"""*k8s_external* - answer for Services by the addresses they have outside."""

from functools import cache

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import covers, longest
from minidns.dns import names
from minidns.dns.model import (
    Handler,
    Name,
    Plugin,
    Query,
    Response,
    Reuse,
    RRset,
    replace,
)
from minidns.dns.reuse import also_depends_on
from minidns.kubernetes import responses
from minidns.kubernetes.external import ExternalOptions, ExternalZones
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion, ExternalTarget
from minidns.plugins.options import fallthrough, flag, integer, setting, zones_argument
from minidns.plugins.outside import resolve_external, window_of
from minidns.plugins.site import Site
from minidns.plugins.spec import Excess, PluginSpec, Traits, Words

MAX_TTL = 3600


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``k8s_external [ZONES...] { apex; ttl; headless; fallthrough }``.

    Raises:
        ConfigError: an unknown option, a bad value, or no *kubernetes* in the block.

    """
    rules = PLUGIN.read(directives, site)
    if not site.block.named("kubernetes"):
        raise ConfigError("kubernetes plugin not loaded")
    return _K8sExternal(rules, site).plugin


def _read_apex(words: Words) -> Name:
    apex = names.absolute(words.first)
    try:
        names.to_wire(apex)
    except ValueError as error:  # unlike CoreDNS: it would fail at each query
        raise words.error(f"apex: {error}") from error
    return apex


class _K8sExternal:
    """Makes Responses of what *kubernetes* of the block knows."""

    def __init__(self, rules: ExternalOptions, site: Site) -> None:
        self._rules = rules
        self._site = site
        # *kubernetes* is set up after us
        self._external = cache(self._found)
        site.transfers.append(lambda zone: self._external().transfer(zone))

    def _found(self) -> ExternalZones:
        assert self._site.cluster is not None
        return ExternalZones(self._rules, self._site.cluster)

    def plugin(self, next_: Handler) -> Handler:
        """Answer names of the zones, and pass on what falls through."""
        rules = self._rules

        async def k8s_external(query: Query) -> Response:
            name, qtype, _ = query.question
            zone = longest(rules.zones, name)
            if zone is None:
                return await next_(query)
            inquiry = ClusterQuestion(
                name, qtype, zone, zone, name, window_of(self._site, query)
            )
            outcome = self._external().answer(inquiry)
            passes = not (outcome.exists or outcome.final)
            if passes and covers(rules.fallthrough, name):
                return also_depends_on(await next_(query), *outcome.keys)
            return await self._respond(query, zone, outcome)

        return k8s_external

    async def _respond(
        self, query: Query, zone: Name, outcome: ClusterAnswer
    ) -> Response:
        external, pieces = self._external(), outcome.answer
        synced = self._synced()
        # the SOA's serial is that of now
        until = self._site.edges.now() + self._rules.ttl
        reuse = Reuse(until, outcome.keys) if synced else None
        if not pieces:
            # unlike CoreDNS: NXDOMAIN before the first sync would be taken for true
            soa = external.soa(zone)
            return responses.negative(outcome, soa, reuse, synced=synced)
        if any(isinstance(piece, ExternalTarget) for piece in pieces):
            answer, truncated = await resolve_external(self._site, query, pieces)
            response = responses.positive(outcome, answer, None)
            return replace(response, tc=response.tc or truncated)
        answer = [piece for piece in pieces if isinstance(piece, RRset)]
        return responses.positive(outcome, answer, reuse)

    def _synced(self) -> bool:
        return self._site.cluster is not None and self._site.cluster.synced()


PLUGIN = PluginSpec(
    name="k8s_external",
    summary="answer for Services by the addresses they have outside",
    syntax="k8s_external [ZONES...]",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=ExternalOptions(),
    arguments=zones_argument(),
    options=(
        setting(
            "apex",
            "NAME",
            "apex",
            _read_apex,
            "The name below the zones that has the SOA, NS and their addresses.",
            example="apex names",
            most=None,
        ),
        setting(
            "ttl",
            "SECONDS",
            "ttl",
            integer(
                0, MAX_TTL, outside=f"ttl must be in range [0, {MAX_TTL}]: {{value}}"
            ),
            "The TTL of answers.",
            example="ttl 60",
            most=None,
        ),
        flag(
            "headless",
            "headless",
            "Headless Services are answered with the addresses of their endpoints.",
            excess=Excess.NEXT_OPTION,
        ),
        setting(
            "fallthrough",
            "[ZONES...]",
            "fallthrough",
            fallthrough,
            "Names in these zones that do not exist go to the next plugin.",
            example="fallthrough example.org",
            least=0,
            most=None,
        ),
    ),
)
