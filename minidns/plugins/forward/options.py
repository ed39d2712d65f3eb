"""The options of *forward*: their syntax, defaults, meaning and CoreDNS's errors."""

import logging
import ssl
from dataclasses import dataclass, replace
from operator import add, or_

from minidns.corefile import values
from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import (
    Excess,
    Words,
    choice,
    line,
    option,
    set_by,
    switch,
    text,
)
from minidns.dns.model import Name, Rcode
from minidns.dns.names import absolute, is_sendable
from minidns.dns.networks import is_address
from minidns.dns.rdata import RCODES
from minidns.text.files import below
from minidns.text.go_text import nanoseconds, parse_uint
from minidns.upstream.tls import client_context
from minidns.upstream.upstream import Keep, split

log = logging.getLogger(__name__)


def _set_targets(forward: "ForwardOptions", words: Words) -> "ForwardOptions":
    zones = values.zones(words.args[:1], ())
    if not zones:
        raise ValueError(f"unable to normalize '{words.first}'")
    if len(zones) > 1:
        note = "'%s' expands to multiple zones. Using only '%s'."
        log.warning(f"Unsupported CIDR notation: {note}", words.first, zones[0])
    if len(words.args) < 2:
        raise words.where.arg_error()
    return replace(forward, zone=zones[0], to=words.args[1:])


def _read_seconds(words: Words) -> float:
    seconds = values.duration(words.first)
    if seconds < 0:
        shown = values.format_duration(seconds)
        raise ValueError(f"{words.where.name} can't be negative: {shown}")
    return seconds


def _read_number(words: Words) -> int:
    number = values.integer(words.first)
    if number < 0:
        raise ValueError(f"{words.where.name} can't be negative: {number}")
    return number


def _read_unsigned(words: Words) -> int:
    return parse_uint(words.first, 10, 32)


def _set_health_check(forward: "ForwardOptions", words: Words) -> "ForwardOptions":
    every, *left = words.args
    if nanoseconds(every) < 0:  # CoreDNS prints this one as a bare number
        raise ValueError(f"health_check can't be negative: {nanoseconds(every)}")
    forward = replace(forward, check_every_s=values.duration(every), check_name=".")
    while left:
        match left.pop(0):
            case "no_rec":
                forward = replace(forward, check_rd=False)
            case "domain" if left:
                forward = replace(forward, check_name=_check_name(left.pop(0)))
            case "domain":
                raise words.where.arg_error()
            case word:
                raise ValueError(f"health_check: unknown option {word}")
    return forward


def _check_name(word: str) -> Name:
    if not is_sendable(absolute(word)):
        raise ValueError(f"health_check: invalid domain name {word}")
    return absolute(word)


def _read_tls(words: Words) -> ssl.SSLContext:
    return client_context(*(below(words.root, path) for path in words.args))


def _read_positive(words: Words) -> float:
    seconds = values.duration(words.first)
    if seconds <= 0:
        shown = values.format_duration(seconds)
        raise ValueError(f"read_timeout must be positive: {shown}")
    return seconds


def _read_doh_method(words: Words) -> str:
    if words.first not in ("POST", "GET"):
        raise ValueError("doh_method must be either POST or GET")
    return words.first


def _read_rcodes(words: Words) -> frozenset[int]:
    for word in words.args:
        if word.upper() not in RCODES:
            raise ValueError(f"{word} is not a valid rcode")
    return frozenset(RCODES[word.upper()] for word in words.args)


def _read_resolvers(words: Words) -> tuple[str, ...]:
    for word in words.args:
        host, _ = split(word) or (word, "")
        if not _is_unscoped(host):
            quoted = values.quote(word)
            raise ValueError(f"resolver must be an IP address or IP:port: {quoted}")
    return words.args


def _read_source_address(words: Words) -> str:
    if not _is_unscoped(words.first):
        raise words.error(f"invalid IP address: {words.first}")
    return words.first


def _is_unscoped(word: str) -> bool:
    return is_address(word) and "%" not in word


def _read_failover(words: Words) -> frozenset[int]:
    rcodes = _read_rcodes(words)
    if Rcode.NOERROR in rcodes:
        raise ValueError("NoError cannot be used in failover")
    return rcodes


@dataclass(frozen=True, slots=True)
class ForwardOptions:
    """The options of one *forward* directive; the defaults are CoreDNS's."""

    zone: Name = "."
    """The names that are forwarded."""
    to: tuple[str, ...] = set_by(
        (),
        line(
            " FROM TO...",
            "FROM is the zone whose names are forwarded, TO are up to 15 upstreams, see"
            " below.",
            _set_targets,
            example=". 192.0.2.1",
            least=1,
        ),
    )
    excepted: tuple[Name, ...] = option(
        "except ZONES...",
        "Names at or below these are not forwarded; FROM itself always is.",
        (),
        lambda words: values.zones(words.args, ()),
        example="cluster.local",
        adding=add,
    )
    policy: str = option(
        "policy random|round_robin|sequential",
        "The order in which upstreams are tried: at random; moving on by one with each"
        " query; or as written.",
        "random",
        choice(
            "random", "round_robin", "sequential", unknown="unknown policy '{value}'"
        ),
        example="sequential",
        excess=Excess.NEXT_OPTION,
    )
    max_fails: int = option(
        "max_fails NUMBER",
        "An upstream is down after more consecutive failed checks than this; 0: never"
        " down, never checked.",
        2,
        _read_unsigned,
        example="3",
        excess=Excess.NEXT_OPTION,
    )
    max_connect_attempts: int | None = option(
        "max_connect_attempts NUMBER",
        "The most failed attempts for one query, by default twice the upstreams; 0: as"
        " many as the time allows, at most 100.",
        None,
        _read_unsigned,
        example="4",
        excess=Excess.NEXT_OPTION,
    )
    check_every_s: float = set_by(
        0.5,
        line(
            "health_check DURATION [no_rec] [domain NAME]",
            "The interval of the checks; `no_rec` clears RD; `domain` sets the name"
            " whose NS is requested (`.`).",
            _set_health_check,
            example="5s no_rec",
            excess=Excess.IGNORED,
        ),
    )
    check_rd: bool = True
    check_name: Name = "."
    force_tcp: bool = switch("force_tcp", "Always uses TCP.")
    prefer_udp: bool = switch(
        "prefer_udp",
        "Uses UDP first, TCP if the reply has TC; `force_tcp` takes precedence.",
    )
    tls: ssl.SSLContext | None = option(
        "tls [CERT KEY] [CA]",
        "For `tls://` and `https://`: the client's certificate and key, and trusted"
        " CAs, by default those of the system.",
        None,
        _read_tls,
        example="",
    )
    tls_servername: str = option(
        "tls_servername NAME",
        "The name that every certificate must have, by default the address.",
        "",
        text,
        example="dns.example.org",
        excess=Excess.NEXT_OPTION,
    )
    expire_s: float = option(
        "expire DURATION",
        "An idle connection is closed after this time; 0: connections are not reused.",
        10.0,
        _read_seconds,
        example="1m",
        excess=Excess.NEXT_OPTION,
    )
    max_age_s: float = option(
        "max_age DURATION",
        "The longest age of a connection; 0: no limit; not below `expire`.",
        0.0,
        _read_seconds,
        example="30s",
        excess=Excess.NEXT_OPTION,
    )
    max_idle_conns: int = option(
        "max_idle_conns NUMBER",
        "The most idle connections to one upstream; 0: no limit.",
        0,
        _read_number,
        example="3",
        excess=Excess.NEXT_OPTION,
    )
    read_timeout_s: float = option(
        "read_timeout DURATION",
        "The time-out of one attempt, including the connection.",
        2.0,
        _read_positive,
        example="1s",
        excess=Excess.NEXT_OPTION,
    )
    doh_method: str = option(
        "doh_method POST|GET",
        "The HTTP method for `https://` upstreams; GET puts the query in the URL.",
        "POST",
        _read_doh_method,
        example="GET",
        excess=Excess.NEXT_OPTION,
    )
    max_concurrent: int = option(
        "max_concurrent NUMBER",
        "The most concurrent queries; further ones are REFUSED; 0: no limit.",
        0,
        _read_number,
        example="1000",
        excess=Excess.NEXT_OPTION,
    )
    next_rcodes: frozenset[int] = option(
        "next RCODES...",
        "With one of these rcodes the next `forward` line is tried.",
        frozenset(),
        _read_rcodes,
        example="NXDOMAIN",
        adding=or_,
    )
    next_on_nodata: bool = switch(
        "next_on_nodata",
        "The next `forward` line is tried if the reply is NOERROR without an answer.",
    )
    failover: frozenset[int] = option(
        "failover RCODES...",
        "With one of these rcodes the next upstream is tried; the last upstream's reply"
        " is final.",
        frozenset(),
        _read_failover,
        example="SERVFAIL REFUSED",
        adding=or_,
    )
    failfast: bool = switch(
        "failfast_all_unhealthy_upstreams",
        "SERVFAIL at once if all upstreams are down.",
    )
    resolvers: tuple[str, ...] = option(
        "resolver ADDRESS[:PORT]...",
        "The resolvers that look up host names among TO, by default those of"
        " `/etc/resolv.conf`.",
        (),
        _read_resolvers,
        example="192.0.2.7",
    )
    source_address: str = option(
        "source_address ADDRESS",
        "The local address that queries are sent from, by default the route's.",
        "",
        _read_source_address,
        example="127.0.0.1",
        excess=Excess.NEXT_OPTION,
    )

    @property
    def keep(self) -> Keep:
        """Seconds that idle connections stay open."""
        return Keep(self.expire_s, self.max_idle_conns, self.max_age_s)


def check(options: ForwardOptions, where: Directive) -> None:
    """Raise ConfigError for connections that expire later than their longest age."""
    if 0 < options.max_age_s < options.expire_s:
        age, expire = map(values.format_duration, (options.max_age_s, options.expire_s))
        message = f"max_age ({age}) must not be less than expire ({expire})"
        raise ConfigError.plain(where, message)
