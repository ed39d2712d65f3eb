"""The options of a ``forward`` line: their defaults, and the table that reads them."""

import logging
import ssl
from dataclasses import dataclass, replace
from typing import Final

from minidns.corefile import values
from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.dns.model import Name, Rcode
from minidns.dns.names import absolute, is_sendable
from minidns.dns.networks import is_address
from minidns.dns.rdata import RCODES
from minidns.plugins.options import Read, choice, flag, setting, text
from minidns.plugins.spec import Apply, Excess, Option, Words
from minidns.text import go_numbers
from minidns.text.files import below
from minidns.text.go_text import nanoseconds
from minidns.upstream.tls import client_context
from minidns.upstream.upstream import Keep, split

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForwardOptions:
    """Options of one ``forward`` line; the defaults are CoreDNS's."""

    zone: Name = "."
    """The names that are forwarded."""
    to: tuple[str, ...] = ()
    """The upstreams as written."""
    excepted: tuple[Name, ...] = ()
    """Zones whose names are not forwarded."""
    policy: str = "random"
    max_fails: int = 2
    """Failed checks after which an upstream is down; 0: it is never checked."""
    check_every_s: float = 0.5
    check_rd: bool = True
    check_name: Name = "."
    force_tcp: bool = False
    prefer_udp: bool = False
    expire_s: float = 10.0
    max_idle_conns: int = 0
    max_age_s: float = 0.0
    read_timeout_s: float = 2.0
    max_concurrent: int = 0
    """The limit; 0 is without one."""
    max_connect_attempts: int | None = None
    """Attempts; 0 for as many as fit in the time, None for twice the upstreams."""
    next_rcodes: frozenset[int] = frozenset()
    next_on_nodata: bool = False
    failover: frozenset[int] = frozenset()
    failfast: bool = False
    tls: ssl.SSLContext | None = None
    tls_servername: str = ""
    resolvers: tuple[str, ...] = ()
    source_address: str = ""
    doh_method: str = "POST"

    @property
    def keep(self) -> Keep:
        """Seconds that idle connections stay open."""
        return Keep(self.expire_s, self.max_idle_conns, self.max_age_s)


def check(line: ForwardOptions, where: Directive) -> None:
    """Raise ConfigError for connections that expire later than their longest age."""
    if 0 < line.max_age_s < line.expire_s:
        age, expire = map(values.format_duration, (line.max_age_s, line.expire_s))
        message = f"max_age ({age}) must not be less than expire ({expire})"
        raise ConfigError.plain(where, message)


def _arguments(line: ForwardOptions, words: Words) -> ForwardOptions:
    zones = values.zones(words.args[:1], ())
    if not zones:
        raise ValueError(f"unable to normalize '{words.first}'")
    if len(zones) > 1:
        note = "'%s' expands to multiple zones. Using only '%s'."
        log.warning(f"Unsupported CIDR notation: {note}", words.first, zones[0])
    if len(words.args) < 2:
        raise words.where.arg_error()
    return replace(line, zone=zones[0], to=words.args[1:])


def _one(
    name: str,
    arguments: str,
    field: str,
    read: Read[object],
    meaning: str,
    example: str,
) -> Option:
    """Return an option of one word; CoreDNS reads the next one as an option."""
    return setting(
        name,
        arguments,
        field,
        read,
        meaning,
        example=f"{name} {example}",
        excess=Excess.NEXT_OPTION,
    )


def _seconds(words: Words) -> float:
    seconds = values.duration(words.first)
    if seconds < 0:
        shown = values.format_duration(seconds)
        raise ValueError(f"{words.where.name} can't be negative: {shown}")
    return seconds


def _number(words: Words) -> int:
    number = values.integer(words.first)
    if number < 0:
        raise ValueError(f"{words.where.name} can't be negative: {number}")
    return number


def _unsigned(words: Words) -> int:
    return go_numbers.parse(words.first, 10, 32)


def _except(line: ForwardOptions, words: Words) -> ForwardOptions:
    return replace(line, excepted=(*line.excepted, *values.zones(words.args, ())))


def _health_check(line: ForwardOptions, words: Words) -> ForwardOptions:
    every, *left = words.args
    if nanoseconds(every) < 0:  # CoreDNS prints this one as a bare number
        raise ValueError(f"health_check can't be negative: {nanoseconds(every)}")
    line = replace(line, check_every_s=values.duration(every), check_name=".")
    while left:
        match left.pop(0):
            case "no_rec":
                line = replace(line, check_rd=False)
            case "domain" if left:
                line = replace(line, check_name=_check_name(left.pop(0)))
            case "domain":
                raise words.where.arg_error()
            case word:
                raise ValueError(f"health_check: unknown option {word}")
    return line


def _check_name(word: str) -> Name:
    if not is_sendable(absolute(word)):
        raise ValueError(f"health_check: invalid domain name {word}")
    return absolute(word)


def _tls(words: Words) -> ssl.SSLContext:
    return client_context(*(below(words.site.root, path) for path in words.args))


def _read_timeout(words: Words) -> float:
    seconds = values.duration(words.first)
    if seconds <= 0:
        shown = values.format_duration(seconds)
        raise ValueError(f"read_timeout must be positive: {shown}")
    return seconds


def _doh_method(words: Words) -> str:
    if words.first not in ("POST", "GET"):
        raise ValueError("doh_method must be either POST or GET")
    return words.first


def _next(line: ForwardOptions, words: Words) -> ForwardOptions:
    return replace(line, next_rcodes=line.next_rcodes | _rcodes(words))


def _failover(line: ForwardOptions, words: Words) -> ForwardOptions:
    rcodes = _rcodes(words)
    if Rcode.NOERROR in rcodes:
        raise ValueError("NoError cannot be used in failover")
    return replace(line, failover=line.failover | rcodes)


def _rcodes(words: Words) -> frozenset[int]:
    for word in words.args:
        if word.upper() not in RCODES:
            raise ValueError(f"{word} is not a valid rcode")
    return frozenset(RCODES[word.upper()] for word in words.args)


def _resolvers(words: Words) -> tuple[str, ...]:
    for word in words.args:
        host, _ = split(word) or (word, "")
        if not _is_unscoped(host):
            quoted = values.quote(word)
            raise ValueError(f"resolver must be an IP address or IP:port: {quoted}")
    return words.args


def _source_address(words: Words) -> str:
    if not _is_unscoped(words.first):
        raise words.error(f"invalid IP address: {words.first}")
    return words.first


def _is_unscoped(word: str) -> bool:
    return is_address(word) and "%" not in word


def _repeated(
    name: str, arguments: str, field: str, apply: Apply, meaning: str, example: str
) -> Option:
    """Return an option with one or more words; its lines accumulate."""
    return Option(
        name=name,
        arguments=arguments,
        meaning=meaning,
        example=f"{name} {example}",
        field=field,
        apply=apply,
        least=1,
    )


_UNKNOWN_POLICY = "unknown policy '{value}'"

ARGUMENTS: Final = Option(
    name="",
    arguments="FROM TO...",
    meaning="The zone that is forwarded, and up to 15 upstreams: addresses, files like"
    " resolv.conf, or host names.",
    example=". 192.0.2.1",
    field="to",
    apply=_arguments,
    least=1,
)
OPTIONS: Final = (
    _repeated(
        "except",
        "ZONES...",
        "excepted",
        _except,
        "Does not forward names in these zones.",
        example="cluster.local",
    ),
    _one(
        "policy",
        "random|round_robin|sequential",
        "policy",
        choice("random", "round_robin", "sequential", unknown=_UNKNOWN_POLICY),
        "The order in which upstreams are tried.",
        example="sequential",
    ),
    _one(
        "max_fails",
        "NUMBER",
        "max_fails",
        _unsigned,
        "The failed checks in a row after which an upstream is down; 0: never.",
        example="3",
    ),
    _one(
        "max_connect_attempts",
        "NUMBER",
        "max_connect_attempts",
        _unsigned,
        "The number of upstreams tried for a query; 0: as many as the time allows.",
        example="4",
    ),
    _repeated(
        "health_check",
        "DURATION [no_rec] [domain NAME]",
        "check_every_s",
        _health_check,
        "The time between two checks of an upstream that failed, and their question.",
        example="5s no_rec",
    ),
    flag("force_tcp", "force_tcp", "Asks upstreams over TCP only."),
    flag("prefer_udp", "prefer_udp", "Asks over UDP first, whatever the client used."),
    setting(
        "tls",
        "[CERT KEY] [CA]",
        "tls",
        _tls,
        "The client's certificate and key, and the CA of the upstreams.",
        example="tls",
        least=0,
        most=3,
    ),
    _one(
        "tls_servername",
        "NAME",
        "tls_servername",
        text,
        "The name in the certificates of the upstreams.",
        example="dns.example.org",
    ),
    _one(
        "expire",
        "DURATION",
        "expire_s",
        _seconds,
        "The time after which an idle connection is closed.",
        example="1m",
    ),
    _one(
        "max_age",
        "DURATION",
        "max_age_s",
        _seconds,
        "The time after which a connection is not used any more; 0: no limit.",
        example="30s",
    ),
    _one(
        "max_idle_conns",
        "NUMBER",
        "max_idle_conns",
        _number,
        "The number of idle connections kept open to an upstream; 0: no limit.",
        example="3",
    ),
    _one(
        "read_timeout",
        "DURATION",
        "read_timeout_s",
        _read_timeout,
        "The time that an upstream has to reply.",
        example="1s",
    ),
    _one(
        "doh_method",
        "POST|GET",
        "doh_method",
        _doh_method,
        "The HTTP method for upstreams with https://.",
        example="GET",
    ),
    _one(
        "max_concurrent",
        "NUMBER",
        "max_concurrent",
        _number,
        "The number of queries in flight beyond which others are refused; 0: no limit.",
        example="1000",
    ),
    _repeated(
        "next",
        "RCODES...",
        "next_rcodes",
        _next,
        "Passes a query on to the next forward line after a reply with these rcodes.",
        example="NXDOMAIN",
    ),
    flag(
        "next_on_nodata",
        "next_on_nodata",
        "Passes a query on to the next forward line after a reply without records.",
    ),
    _repeated(
        "failover",
        "RCODES...",
        "failover",
        _failover,
        "Tries the next upstream after a reply with these rcodes.",
        example="SERVFAIL REFUSED",
    ),
    flag(
        "failfast_all_unhealthy_upstreams",
        "failfast",
        "Answers SERVFAIL at once while all upstreams are down.",
    ),
    setting(
        "resolver",
        "ADDRESS[:PORT]...",
        "resolvers",
        _resolvers,
        "The resolvers for upstreams that are host names.",
        example="resolver 192.0.2.7",
        most=None,
    ),
    _one(
        "source_address",
        "ADDRESS",
        "source_address",
        _source_address,
        "The local address that queries are sent from.",
        example="127.0.0.1",
    ),
)
