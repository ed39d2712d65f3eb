"""*acl* - decide by address and type whose queries are answered."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minidns.corefile.blocks import Directive, Line
from minidns.corefile.values import longest, quote, zones
from minidns.dns.model import (
    Dropped,
    Handler,
    Name,
    Opt,
    Plugin,
    Query,
    Rcode,
    Response,
    replace,
)
from minidns.dns.networks import Network, Networks, cidr
from minidns.dns.rdata import TYPES
from minidns.metrics.traffic import tallied
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

_EDE = 15
"""Code of the EDNS option Extended DNS Error (RFC 8914 2)."""
_REPLIES = {"block": (Rcode.REFUSED, 15), "filter": (Rcode.NOERROR, 17)}
"""Rcode, and info code of the Extended DNS Error (RFC 8914 4.16, 4.18)."""

_DONE = {"block": "blocked", "filter": "filtered", "drop": "dropped"}
_ACTIONS = ("allow", *_DONE)
_SECTIONS = ("type", "net")


class Policy(NamedTuple):
    """One line: what to do with whose queries."""

    action: str
    qtypes: frozenset[int] | None
    """None: all."""
    networks: Networks | None
    """None: everybody."""

    def covers(self, query: Query) -> bool:
        """Return whether this policy is about ``query``."""
        if self.qtypes is not None and query.question.qtype not in self.qtypes:
            return False
        return self.concerns(query)

    def concerns(self, query: Query) -> bool:
        """Return whether this policy is about the client of ``query``."""
        return self.networks is None or query.peer[0] in self.networks


class Rule(NamedTuple):
    """The policies for some zones; the first that covers a query decides."""

    zones: tuple[Name, ...]
    policies: tuple[Policy, ...]

    @property
    def is_personal(self) -> bool:
        """Whether it depends on who asks."""
        return any(each.networks is not None for each in self.policies)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``acl [ZONES...] { ACTION [type T...] [net CIDR...] }``.

    Raises:
        ConfigError: an unknown action, type or network.

    """
    rules = tuple(
        Rule(
            zones(each.args, site.zones),
            tuple(_policy(line) for line in each.block),
        )
        for each in directives
    )
    acl = _Acl(site, rules)
    site.guards.append(acl)
    return acl


def _policy(line: Line) -> Policy:
    action = line.name.lower()
    if action not in _ACTIONS:
        expected = "expect 'allow', 'block', 'filter' or 'drop'"
        raise line.error(f"unexpected token {quote(line.name)}; {expected}")
    words: dict[str, list[str]] = {section: [] for section in _SECTIONS}
    for section, named in _sections(line):
        # what follows a star is not looked at (CoreDNS)
        words[section] += named[: named.index("*") + 1] if "*" in named else named
    qtypes = frozenset(_type(word, line) for word in words["type"] if word != "*")
    networks = Networks(_network(word, line) for word in words["net"] if word != "*")
    return Policy(
        action,
        None if _is_open(words["type"]) else qtypes,
        None if _is_open(words["net"]) else networks,
    )


def _is_open(words: list[str]) -> bool:
    return not words or "*" in words


def _sections(line: Line) -> Iterator[tuple[str, list[str]]]:
    """Yield each section's name and words."""
    section, named = "", list[str]()
    for word in (*line.args, ""):
        if word and word.lower() not in _SECTIONS and section:
            named.append(word)
            continue
        if section and not named:
            raise line.error(f"no token specified in {quote(section)} section")
        if section:
            yield section, named
        if word and word.lower() not in _SECTIONS:
            raise line.error(f"unexpected token {quote(word)}; expect 'type | net'")
        section, named = word.lower(), []


def _type(word: str, line: Line) -> int:
    if word not in TYPES:
        raise line.error(f"unexpected token {quote(word)}; expect legal QTYPE")
    return TYPES[word]


def _network(word: str, line: Line) -> Network:
    length = "" if "/" in word else "/128" if ":" in word else "/32"
    try:
        return cidr(word + length)
    except ValueError:
        problem = f"illegal CIDR notation {quote(word + length)}"
        raise line.error(problem) from None


class _Acl:
    def __init__(self, site: Site, rules: Sequence[Rule]) -> None:
        self._rules = rules
        metrics = site.metrics
        self._counters = {
            action: metrics.counter(
                f"coredns_acl_{done}_requests_total",
                f"Queries that were {done}.",
                ("server", "zone", "view"),
            )
            for action, done in _DONE.items()
        }
        self._allowed = metrics.counter(
            "coredns_acl_allowed_requests_total",
            "Queries that were allowed.",
            ("server", "view"),
        )

    def __call__(self, next_: Handler) -> Handler:
        async def acl(query: Query) -> Response:
            if (denial := self.denial(query)) is not None:
                return denial
            labels = (query.server, query.view)
            self._allowed.inc(labels)
            response = await next_(query)
            covering = self._covering(query.question.qname)
            if any(rule.is_personal for rule, _ in covering):
                return replace(response, reuse=None)  # not to everybody else
            return tallied(response, lambda times, _: self._allowed.inc(labels, times))

        return acl

    def denial(self, query: Query) -> Response | None:
        """Return the reply to a query that is denied; see ``setup.Guard``."""
        for rule, zone in self._covering(query.question.qname):
            action = _action(rule, query)
            if action == "allow":
                break
            if action:
                self._counters[action].inc((query.server, zone, query.view))
                return _denied(query, action)
        return None

    def restricts(self, query: Query) -> bool:
        """Return whether some name or type is denied to the client of ``query``."""
        return any(
            policy.action != "allow" and policy.concerns(query)
            for rule in self._rules
            for policy in rule.policies
        )

    def _covering(self, qname: Name) -> Iterator[tuple[Rule, Name]]:
        for rule in self._rules:
            zone = longest(rule.zones, qname)
            if zone is not None:
                yield rule, zone


def _action(rule: Rule, query: Query) -> str:
    """Return what the first policy for ``query`` says; nothing if there is none."""
    return next((each.action for each in rule.policies if each.covers(query)), "")


def _denied(query: Query, action: str) -> Response:
    """Return the reply to a query that is blocked or filtered.

    Raises:
        Dropped: it gets none.

    """
    if action == "drop":
        raise Dropped("acl")
    rcode, code = _REPLIES[action]
    # unlike CoreDNS: no OPT for who sent none (RFC 6891 6.1.1)
    opt = query.opt and Opt(query.opt.size, query.opt.do, ((_EDE, code.to_bytes(2)),))
    return Response(rcode, opt=opt, rule=f"acl/{action}")


PLUGIN = PluginSpec(
    name="acl",
    summary="decide by address and type whose queries are answered",
    syntax="acl [ZONES...]",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=None,
)
