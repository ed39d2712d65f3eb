"""Go's own resolver (package net without cgo, or GODEBUG=netdns=go).

Theory of operation: the names are those of a search list, but the search goes on after
every error, and each name ends with the first server that gives NXDOMAIN, NODATA or an
answer; other errors lead to the next server. A and AAAA are queried at the same time,
each on sockets of its own, one per exchange, and with an OPT record for 1232 bytes. A
truncated reply is followed by TCP to the same server. With ``rotate`` each of the two
counts as a lookup, so they go to different servers. The file is checked for a change
when a lookup begins more than five seconds after the last check.

Source: Go 1.27 src/net/dnsclient_unix.go (goLookupIPCNAMEOrder, tryOneName, exchange,
checkHeader, nameList, tryUpdate), src/net/dnsconfig_unix.go (dnsReadConfig). The file
/etc/hosts is not read, and the host name has no dot.
"""

import ipaddress
import re
from collections.abc import Generator
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.dns.model import AA, AD, RA, RD, TC, Opt, Rcode
from minidns.dns.reply import Reply
from minidns.stub.protocol import (
    BOTH,
    Event,
    Failure,
    Outcome,
    Resolver,
    Send,
    Status,
    Steps,
    StubQuery,
    Transport,
    Wait,
)

from .concurrent import together

_EDNS_SIZE = 1232
_CHECK_S = 5.0
"""Seconds between two checks of resolv.conf."""
_NO_SUCH_HOST = "no such host"
_FLAGS = {
    "rotate": "rotate",
    "single-request": "single-request",
    "single-request-reopen": "single-request",
    "use-vc": "use-vc",
    "usevc": "use-vc",
    "tcp": "use-vc",
    "trust-ad": "trust-ad",
    "no-reload": "no-reload",
}


@dataclass(frozen=True, slots=True)
class _Conf:
    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout_s: int = 5
    attempts: int = 2
    flags: frozenset[str] = frozenset()


class _Answer(NamedTuple):
    """The result of the queries of one type for one name."""

    reply: Reply | None = None
    error: str = ""
    status: Status = Status.ANSWERED


_AnswerSteps: TypeAlias = Generator[Wait, Event, _Answer]


class Go(Resolver):
    """The resolver of one Go program."""

    def __init__(self, resolv_conf: str, rng: Random) -> None:
        """Read ``resolv_conf``."""
        super().__init__(resolv_conf, rng)
        self._conf = _read(resolv_conf)
        self._text = resolv_conf
        self._checked = 0.0
        self._lookups = 0
        """The number of server lists that were begun, for ``rotate``."""

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of ``net.LookupHost``."""
        if (literal := _literal(name)) is not None:
            return Outcome(Status.ANSWERED, name, literal=literal)
        self._reload()
        last = _Answer(None, _NO_SUCH_HOST, Status.NXDOMAIN)
        chosen, own = None, f"{name}."
        for candidate in _names(self._conf, name):
            answers = yield from self._query(candidate, types)
            replies = tuple(answer.reply for answer in answers if answer.reply)
            if any(not answer.error for answer in answers):
                return Outcome(Status.ANSWERED, candidate.lower(), replies)
            for answer in answers:  # the error for the name as given is preferred
                if chosen is None or candidate == own:
                    chosen, last = candidate, answer
        replies = (last.reply,) if last.reply else ()
        return Outcome(last.status, (chosen or name).lower(), replies, last.error)

    def _reload(self) -> None:
        if "no-reload" in self._conf.flags or self.now <= self._checked + _CHECK_S:
            return
        self._checked = self.now
        if self.resolv_conf != self._text:
            self._text, self._conf = self.resolv_conf, _read(self.resolv_conf)

    def _query(
        self, name: str, types: tuple[int, ...]
    ) -> Generator[Wait, Event, list[_Answer]]:
        """Return the answers of all types in the order in which they come."""
        answers: list[_Answer] = []

        def query(kind: int) -> Generator[Wait, Event, None]:
            answers.append((yield from self._try(name, kind)))

        if "single-request" in self._conf.flags:
            for kind in types:
                yield from query(kind)
        else:
            # the goroutine that is started last runs first
            yield from together([query(kind) for kind in reversed(types)])
        return answers

    def _try(self, name: str, kind: int) -> _AnswerSteps:
        """Query one name and type until a server gives a result that counts."""
        conf, offset = self._conf, 0
        if "rotate" in conf.flags:
            offset, self._lookups = self._lookups, self._lookups + 1
        last = _Answer(None, _NO_SUCH_HOST, Status.FAILED)
        flags = RD | AD if "trust-ad" in conf.flags else RD
        for _ in range(conf.attempts):
            for shift in range(len(conf.servers)):
                server = conf.servers[(offset + shift) % len(conf.servers)]
                try:
                    (query,) = self.queries(name, (kind,), flags, Opt(_EDNS_SIZE))
                except ValueError:
                    return _Answer(None, "cannot marshal DNS message", Status.FAILED)
                last = yield from self._exchange(query, server)
                if not last.error or last.error == _NO_SUCH_HOST:
                    return last
        return last

    def _exchange(self, query: StubQuery, server: str) -> _AnswerSteps:
        """Query one server, over TCP if the reply over UDP is truncated."""
        transports: tuple[Transport, ...] = ("udp", "tcp")
        if "use-vc" in self._conf.flags:
            transports = ("tcp",)
        for transport in transports:
            answer = yield from self._round_trip(query, server, transport)
            reply = answer.reply
            if reply is None or not reply.flags & TC or transport == "tcp":
                break
        return _check(reply, query.question.qtype) if reply else answer

    def _round_trip(
        self, query: StubQuery, server: str, transport: Transport
    ) -> _AnswerSteps:
        source, until = self.port(), self.now + self._conf.timeout_s
        sends: tuple[Send, ...] = (query.to(server, source, transport),)
        while True:
            event = yield Wait(sends, until)
            sends = ()
            if event.failure is Failure.REFUSED:
                return _Answer(None, "connection refused", Status.REFUSED)
            if event.failure:
                return _Answer(None, "EOF", Status.FAILED)
            if event.reply and query.matches(event.reply):
                return _Answer(event.reply)
            if event.reply and transport == "tcp":
                return _Answer(None, "invalid DNS response", Status.FAILED)
            if self.now >= until:
                return _Answer(None, "i/o timeout", Status.SILENT)


def _check(reply: Reply, kind: int) -> _Answer:
    """Return what a reply means: an answer, or an error."""
    if reply.rcode == Rcode.NXDOMAIN:
        return _Answer(reply, _NO_SUCH_HOST, Status.NXDOMAIN)
    if reply.rcode == Rcode.SERVFAIL:
        return _Answer(reply, "server misbehaving", Status.SERVFAIL)
    if reply.rcode:
        return _Answer(reply, "server misbehaving", Status.FAILED)
    extra = reply.additional or reply.opt
    if not (reply.answer or extra or reply.flags & (AA | RA)):
        return _Answer(reply, "lame referral", Status.FAILED)
    if all(rrset.rtype != kind for rrset in reply.answer):
        return _Answer(reply, _NO_SUCH_HOST, Status.NODATA)
    return _Answer(reply)


def _names(conf: _Conf, name: str) -> list[str]:
    """Return the names to query, absolute (nameList, isDomainName, avoidDNS)."""
    rooted, own = name.endswith("."), f"{name.removesuffix('.')}."
    labels = own[:-1].split(".")
    if len(own) > 254 or not all(0 < len(label) < 64 for label in labels):
        return []
    if rooted:
        names = [own]
    else:
        searched = [own + domain for domain in conf.search if len(own + domain) <= 254]
        first = own.count(".") - 1 >= conf.ndots
        names = [own, *searched] if first else [*searched, own]
    return [each for each in names if not each.lower().endswith(".onion.")]


def _read(text: str) -> _Conf:
    """Return the configuration that Go reads (dnsReadConfig)."""
    conf = _Conf()
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_] if len(conf.servers) < 3:
                if _literal(server) is not None:
                    conf = replace(conf, servers=(*conf.servers, server))
            case ["domain", domain, *_]:
                conf = replace(conf, search=(_rooted(domain),))
            case ["search", *domains]:
                rooted = tuple(map(_rooted, domains))
                conf = replace(conf, search=tuple(d for d in rooted if d != "."))
            case ["options", *words]:
                for word in words:
                    conf = _option(conf, word)
    return replace(conf, servers=conf.servers or ("127.0.0.1", "::1"))


def _option(conf: _Conf, word: str) -> _Conf:
    name, _, value = word.partition(":")
    digits = re.match(r"\d*", value)
    number = int((digits and digits[0]) or 0)
    match name:
        case "ndots" if ":" in word:
            return replace(conf, ndots=min(number, 15))
        case "timeout" if ":" in word:
            return replace(conf, timeout_s=max(number, 1))
        case "attempts" if ":" in word:
            return replace(conf, attempts=max(number, 1))
    flag = _FLAGS.get(word)
    return replace(conf, flags=conf.flags | {flag}) if flag else conf


def _rooted(domain: str) -> str:
    return domain if domain.endswith(".") else f"{domain}."


def _literal(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
