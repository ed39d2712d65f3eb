"""*acl* - allow or deny queries by client address and type.

A server block may have several *acl* directives, and those whose zones contain the name
are asked in file order. The first policy of a directive for the type and the client
decides: it denies the query, or allows it whatever later directives say. Without one,
the next directive is asked. *autopath* applies the same decision to the names that it
tries, where it runs below this plugin (`Guard`).
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from minidns.corefile.directives import Line
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Option, Words, line, set_by, zones_argument
from minidns.corefile.values import longest, quote
from minidns.dns.edns import EDE
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
from minidns.dns.rules import AnswerRule
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin


class AclRule(AnswerRule):
    """The rules of *acl* that deny a query."""

    BLOCK = "acl/block", "the client is not allowed to ask for the name", True
    FILTER = "acl/filter", "the client gets no records of the name", True
    DROP = "acl/drop", "the client gets no reply for the name", True


_REPLIES = {
    AclRule.BLOCK: (Rcode.REFUSED, 15),
    AclRule.FILTER: (Rcode.NOERROR, 17),
}
"""Rcode, and info code of the Extended DNS Error (RFC 8914 4.16, 4.18)."""
_COUNTED = {
    AclRule.BLOCK: "blocked",
    AclRule.FILTER: "filtered",
    AclRule.DROP: "dropped",
}
_SECTIONS = ("type", "net")


class Policy(NamedTuple):
    """One line: an action, and the queries it applies to."""

    denial: AclRule | None
    """The rule that denies the query; None if it is allowed."""
    qtypes: frozenset[int] | None
    """The types it applies to; None for all."""
    networks: Networks | None
    """The clients it applies to; None for all."""

    def covers(self, query: Query) -> bool:
        """Return whether this policy applies to ``query``."""
        if self.qtypes is not None and query.question.qtype not in self.qtypes:
            return False
        return self.concerns(query)

    def concerns(self, query: Query) -> bool:
        """Return whether this policy applies to the client of ``query``."""
        return self.networks is None or query.peer[0] in self.networks


_ACTIONS: dict[str, tuple[AclRule | None, str]] = {
    "allow": (None, "Queries that match are answered."),
    "block": (AclRule.BLOCK, "Queries that match get REFUSED."),
    "filter": (AclRule.FILTER, "Queries that match get an empty answer."),
    "drop": (AclRule.DROP, "Queries that match get no reply."),
}


def _action_option(action: str) -> Option:
    syntax = f"{action} [type TYPES...] [net NETWORKS...]"
    example = "type A net 192.0.2.0/24"
    return line(syntax, _ACTIONS[action][1], _append_policy, example=example)


def _append_policy(rule: "AclOptions", words: Words) -> "AclOptions":
    assert isinstance(words.where, Line)
    return dataclasses.replace(rule, policies=(*rule.policies, _policy(words.where)))


def _policy(line: Line) -> Policy:
    words: dict[str, list[str]] = {section: [] for section in _SECTIONS}
    for section, named in _sections(line):
        # words after a star are ignored (CoreDNS)
        words[section] += named[: named.index("*") + 1] if "*" in named else named
    qtypes = frozenset(_type(word, line) for word in words["type"] if word != "*")
    networks = Networks(_network(word, line) for word in words["net"] if word != "*")
    return Policy(
        _ACTIONS[line.name.lower()][0],
        None if _is_open(words["type"]) else qtypes,
        None if _is_open(words["net"]) else networks,
    )


def _is_open(words: list[str]) -> bool:
    return not words or "*" in words


def _sections(line: Line) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each section's name and words."""
    args = line.args
    starts = [at for at, word in enumerate(args) if word.lower() in _SECTIONS]
    if args and starts[:1] != [0]:
        unexpected = quote(args[0])
        raise line.error(f"unexpected token {unexpected}; expect 'type | net'")
    for start, end in pairwise((*starts, len(args))):
        section, words = args[start].lower(), args[start + 1 : end]
        if not words:
            raise line.error(f"no token specified in {quote(section)} section")
        yield section, words


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


@dataclass(frozen=True, slots=True)
class AclOptions:
    """The policies for some zones; the first that covers a query decides."""

    zones: tuple[Name, ...] = zones_argument()
    policies: tuple[Policy, ...] = set_by((), *map(_action_option, _ACTIONS))

    @property
    def is_personal(self) -> bool:
        """True if the decision depends on the address of the client."""
        return any(policy.networks is not None for policy in self.policies)

    def policy_for(self, query: Query) -> Policy | None:
        """Return the first policy that covers ``query``, if any."""
        return next((policy for policy in self.policies if policy.covers(query)), None)


def setup(rules: tuple[AclOptions, ...], site: Site) -> Plugin:
    """Return the plugin that denies queries by ``rules``, and offer it as a guard."""
    acl = _Acl(site, rules)
    site.offers.guards.append(acl)
    return as_plugin(acl.handle)


def _unknown(line: Line) -> ConfigError:
    expected = "expect 'allow', 'block', 'filter' or 'drop'"
    return line.error(f"unexpected token {quote(line.name)}; {expected}")


class _Acl:
    def __init__(self, site: Site, rules: Sequence[AclOptions]) -> None:
        self._rules = rules
        metrics = site.metrics
        self._counters = {
            denial: metrics.counter(
                f"coredns_acl_{done}_requests_total",
                f"Queries that were {done}.",
                ("server", "zone", "view"),
            )
            for denial, done in _COUNTED.items()
        }
        self._allowed = metrics.counter(
            "coredns_acl_allowed_requests_total",
            "Queries that were allowed.",
            ("server", "view"),
        )

    async def handle(self, next_: Handler, query: Query) -> Response:
        covering = [rule for rule, _ in self._covering(query.question.qname)]
        personal = any(rule.is_personal for rule in covering)
        if (denial := self.denial(query)) is not None:
            return replace(denial, client_specific=personal and query.hops > 0)
        self._allowed.inc((query.server, query.view))
        response = await next_(query)
        # no client may get what another client was allowed
        is_specific = (personal and query.hops > 0) or response.client_specific
        return replace(response, client_specific=is_specific)

    def denial(self, query: Query) -> Response | None:
        """Return the reply to a query that is denied; see `Guard`."""
        for rule, zone in self._covering(query.question.qname):
            policy = rule.policy_for(query)
            if policy is not None and policy.denial is None:
                break
            if policy is not None and policy.denial is not None:
                self._counters[policy.denial].inc((query.server, zone, query.view))
                return _denied(query, policy.denial)
        return None

    def restricts(self, query: Query) -> bool:
        """Return whether some name or type is denied to the client of ``query``."""
        return any(
            policy.denial is not None and policy.concerns(query)
            for rule in self._rules
            for policy in rule.policies
        )

    def _covering(self, qname: Name) -> Iterator[tuple[AclOptions, Name]]:
        for rule in self._rules:
            zone = longest(rule.zones, qname)
            if zone is not None:
                yield rule, zone


def _denied(query: Query, denial: AclRule) -> Response:
    """Return the reply to a query that is denied by ``denial``.

    Raises:
        Dropped: the query gets no reply.

    """
    if denial is AclRule.DROP:
        if query.hops:  # an internal query; it goes on without the answer
            return Response(Rcode.REFUSED, rule=denial)
        raise Dropped(denial)
    rcode, code = _REPLIES[denial]
    # unlike CoreDNS: no OPT for a client that sent none (RFC 6891 6.1.1)
    opt = query.opt and Opt(query.opt.size, query.opt.do, ((EDE, code.to_bytes(2)),))
    return Response(rcode, opt=opt, rule=denial)


PLUGIN = PluginSpec(
    name="acl",
    summary="allow or deny queries by client address and type",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=AclOptions(),
    repeated=Repeated.SEPARATE,
    unknown=_unknown,
    ignores_case=True,
)
