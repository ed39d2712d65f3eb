"""The targets of a ``forward`` line: addresses, files like resolv.conf, host names.

Addresses and files are read with the Corefile; host names are looked up once, before
the server opens its sockets.
"""

import errno
from collections.abc import Iterable, Iterator, Sequence
from secrets import randbits
from typing import NamedTuple, TypeAlias

from minidns.corefile.blocks import ConfigError, Files
from minidns.corefile.keys import PORTS, split_scheme
from minidns.dns import rdata, resolv_conf
from minidns.dns.model import DnsError, Question
from minidns.dns.names import absolute, is_sendable
from minidns.dns.networks import is_address
from minidns.dns.reply import Reply
from minidns.dns.wire import encode_query
from minidns.text import files as paths
from minidns.text.go_text import quote
from minidns.upstream.acceptance import SentQuery
from minidns.upstream.upstream import Exchange, Upstream, failure, joined, split

MAX_UPSTREAMS = 15
"""limit: upstreams of one line (CoreDNS)."""
_LOOKUP_S = 2.0
_TRANSPORTS = {"dns": "udp", "tls": "tls", "https": "https"}
"""The transport of an upstream by its scheme; other schemes are not supported."""


class Host(NamedTuple):
    """An upstream named by host name; its addresses are looked up at start."""

    name: str
    port: int
    transport: str
    servername: str


Target: TypeAlias = Upstream | Host


def read_targets(words: Sequence[str], files: Files) -> tuple[Target, ...]:
    """Return the upstreams that ``words`` name, in order, without duplicates.

    Raises:
        ConfigError: not an address, file or name; another protocol; none, or too many.

    """
    for word in words:
        scheme, rest = split_scheme(word)
        if scheme == "https" and "/" in rest:
            raise ConfigError(
                "paths are not allowed in HTTPS upstream addresses"
                f" (the /dns-query path is used by default): {word}"
            )
    targets = tuple(dict.fromkeys(to for word in words for to in _read(word, files)))
    if len(targets) > MAX_UPSTREAMS:
        text = f"more than {MAX_UPSTREAMS} TOs configured: {len(targets)}"
        raise ConfigError(text)
    if not targets:
        raise ConfigError("no nameservers found")
    return distinct(targets)


def distinct(targets: Iterable[Target]) -> tuple[Target, ...]:
    """Return ``targets`` without repetitions of a host and port (CoreDNS)."""
    first: dict[tuple[str, int], Target] = {}
    for to in targets:
        host = to.host if isinstance(to, Upstream) else to.name
        first.setdefault((host, to.port), to)
    return tuple(first.values())


def _read(word: str, files: Files) -> Iterator[Target]:
    scheme, rest = split_scheme(word)
    if not rest:
        raise ConfigError(f"invalid address: {quote(word)}")
    host, port = split(rest) or (rest.strip("[]"), "")
    address, servername = _split_servername(host, scheme)
    if not is_address(address):
        yield from _file_or_host(word, scheme, rest, host, port, files)
        return
    if scheme not in _TRANSPORTS:
        shown = word if port else f"{scheme}://{joined(host, PORTS[scheme])}"
        raise _unsupported(scheme, shown)
    transport = _TRANSPORTS[scheme]
    yield Upstream(address, _port(port, scheme, word), transport, servername)


def _split_servername(host: str, scheme: str) -> tuple[str, str]:
    """Return address and server name of ``ADDRESS%NAME``.

    Without TLS the part after the sign is the scope of an IPv6 address.
    """
    address, percent, name = host.rpartition("%")
    if not percent:
        return host, ""
    if scheme == "tls":
        return address, name
    if scheme == "https":
        return address, ""  # it is ignored (CoreDNS)
    return (host, "") if ":" in address else (address, "")


def _port(port: str, scheme: str, word: str) -> int:
    if not port:
        return PORTS[scheme]
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        raise ConfigError(f"invalid port in upstream address: {quote(word)}")
    return int(port)


def _unsupported(scheme: str, shown: str) -> ConfigError:
    text = f"'{scheme}' is not supported as a destination protocol in forward: {shown}"
    return ConfigError(text)


def _file_or_host(
    word: str, scheme: str, rest: str, host: str, port: str, files: Files
) -> Iterator[Target]:
    if scheme == "unix":
        raise _unsupported(scheme, word)
    try:
        text = files.read(rest)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):  # a file that cannot be read
            raise ConfigError(paths.reason(error, rest)) from error
        yield _host(word, scheme, rest, host, port)
        return
    for address in nameservers(text):
        yield Upstream(address)


def nameservers(text: str) -> Iterator[str]:
    """Yield the addresses of ``nameserver`` lines in a resolv.conf.

    Words that are no address are skipped.
    """
    return filter(is_address, resolv_conf.nameservers(text))


def _host(word: str, scheme: str, rest: str, host: str, port: str) -> Host:
    if "/" in rest:
        raise ConfigError(f"not an IP address or file: {quote(rest)}")
    name, servername = _split_servername(host, scheme)
    if not is_sendable(absolute(name)) or scheme not in _TRANSPORTS:
        text = f"not an IP address, file, or valid domain: {quote(word)}"
        raise ConfigError(text)
    return Host(name, _port(port, scheme, word), _TRANSPORTS[scheme], servername)


async def addresses(
    host: Host, resolvers: Sequence[Upstream], ask: Exchange
) -> list[str]:
    """Return the addresses of ``host``, IPv4 first, from the first resolver with any.

    Raises:
        ConfigError: no resolver has one.

    """
    name = absolute(host.name)
    why = ""
    for resolver in resolvers:
        texts: list[str] = []
        try:
            for rtype in (rdata.A, rdata.AAAA):
                texts += await _lookup(Question(name, rtype), resolver, ask)
        except OSError as exc:
            why = f": {failure(exc)}"
        except DnsError:
            why = ": malformed reply"
        if texts:
            return texts
    quoted = quote(host.name)
    text = f"failed to resolve {quoted}: no addresses found for {quoted}{why}"
    raise ConfigError(text)


async def _lookup(question: Question, resolver: Upstream, ask: Exchange) -> list[str]:
    wire = encode_query(question, randbits(16))
    accept = SentQuery(question, wire).accept
    reply: Reply = await ask(resolver, wire, _LOOKUP_S, accept)
    return [
        rdata.address(data)
        for rrset in reply.answer
        if rrset.rtype == question.qtype
        for data in rrset.rdata
    ]


def resolvers(words: Sequence[str], files: Files) -> list[Upstream]:
    """Return the resolvers for host names: those named, else those of resolv.conf."""
    if not words:
        try:
            return [
                Upstream(address)
                for address in nameservers(files.read(resolv_conf.RESOLV_CONF))
            ]
        except OSError:
            return []
    ends = [split(word) or (word, "53") for word in words]
    return [Upstream(host, int(port)) for host, port in ends]
