"""*k8s_external* - answer for Services by the addresses they have outside."""

from functools import cache

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import covers, fallthrough, longest, zones
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
from minidns.plugins.outside import resolve_external, window_of
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits
from minidns.text.go_text import integer

MAX_TTL = 3600


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``k8s_external [ZONES...] { apex; ttl; headless; fallthrough }``.

    Raises:
        ConfigError: an unknown option, a bad value, or no *kubernetes* in the block.

    """
    rules = ExternalOptions(site.zones)
    for directive in directives:
        rules = rules._replace(zones=zones(directive.args, site.zones))
        for line in directive.block:
            rules = _with_option(rules, line)
    if not site.block.named("kubernetes"):
        raise ConfigError("kubernetes plugin not loaded")
    return _K8sExternal(rules, site).plugin


def _with_option(rules: ExternalOptions, line: Line) -> ExternalOptions:
    match line.name:
        case "apex":
            return rules._replace(apex=_apex(line))
        case "ttl":
            return rules._replace(ttl=_ttl(line))
        case "headless":
            if line.args:  # CoreDNS reads word by word: an option of its own
                raise line.error(f"unknown property '{line.args[0]}'")
            return rules._replace(headless=True)
        case "fallthrough":
            return rules._replace(fallthrough=fallthrough(line.args))
        case name:
            raise line.error(f"unknown property '{name}'")


def _apex(line: Line) -> Name:
    if not line.args:
        raise line.arg_error()
    apex = names.absolute(line.args[0])
    try:
        names.to_wire(apex)
    except ValueError as error:  # unlike CoreDNS: it would fail at each query
        raise line.error(f"apex: {error}") from error
    return apex


def _ttl(line: Line) -> int:
    if not line.args:
        raise line.arg_error()
    try:
        ttl = integer(line.args[0])
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not 0 <= ttl <= MAX_TTL:
        raise line.error(f"ttl must be in range [0, {MAX_TTL}]: {ttl}")
    return ttl


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
    defaults=None,
)
