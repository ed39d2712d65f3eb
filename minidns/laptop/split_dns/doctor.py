"""What answers what now: minidns asked directly, and by the way programs ask.

One line per finding, each with what to do about it. It asks and reads; it changes
nothing.
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

from minidns.dns import rdata, resolv_conf
from minidns.dns.model import Address, FormatError, Name, Question, Rcode
from minidns.dns.reply import Reply
from minidns.laptop.split_dns import steps
from minidns.laptop.split_dns.machine import LINK, Machine
from minidns.laptop.split_dns.plan import Wanted
from minidns.laptop.split_dns.record import Record
from minidns.upstream.ask import ask

PROBE = "kubernetes.default.svc."
"""Below every cluster's zone: the Service of the API server."""
OUTSIDE = "example.org."
TIMEOUT_S = 3.0
_HTTPS = 443
_CONNECT_S = 1.0
_MDNS_FIRST = re.compile(r"^hosts:.*\bmdns\w*\s+\[NOTFOUND=return\].*\b(dns|resolve)\b")

Addresses: TypeAlias = tuple[str, ...]
Direct: TypeAlias = Callable[[Address, Name, str], Reply]
"""Asks a server, over udp or tcp."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    text: str
    is_wrong: bool = False
    todo: str = ""

    def __str__(self) -> str:
        """Return it as a line."""
        what = f" -> {self.todo}" if self.todo else ""
        return f"{'WRONG' if self.is_wrong else 'ok   '} {self.text}{what}"


def direct(to: Address, name: Name, transport: str) -> Reply:
    """Ask a server for the IPv4 addresses of a name."""
    return ask(to, Question(name, rdata.A), TIMEOUT_S, transport=transport)


def system(name: Name) -> Addresses:
    """Return what programs of this machine get for a name (getaddrinfo).

    Raises:
        OSError: nothing.
        TimeoutError: nothing in time.

    """
    result: list[Addresses | OSError] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
            result.append(tuple(sorted({str(each[4][0]) for each in found})))
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(3 * TIMEOUT_S)  # resolvers try for long, and cannot be told to stop
    if not result:
        raise TimeoutError(f"no answer in {3 * TIMEOUT_S:.0f} s")
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def reaches(to: Address) -> bool:
    """Return whether a connection can be made."""
    try:
        socket.create_connection(to, _CONNECT_S).close()
    except ConnectionRefusedError:
        return True  # somebody said so
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Asks:
    """How questions are asked."""

    direct: Direct = direct
    system: Callable[[Name], Addresses] = system
    reaches: Callable[[Address], bool] = reaches


def findings(
    machine: Machine, made: Record | None, wanted: Wanted, asks: Asks
) -> Iterator[Finding]:
    """Look at everything between a program and minidns."""
    yield _applied(machine, made)
    yield _resolver(machine)
    yield from _mdns(machine, wanted)
    for zone in wanted.zones:
        name = PROBE + zone
        asked = _asked(asks, wanted, name, "udp")
        yield asked.finding
        if asked.addresses:
            yield _asked(asks, wanted, name, "tcp").finding
            yield from _by_system(machine, asks, name, asked.addresses)
            yield _reachable(asks, asked.addresses[0])
    yield _outside(asks, wanted)


def _applied(machine: Machine, made: Record | None) -> Finding:
    if made is None:
        todo = "minidns split-dns plan shows what would"
        return Finding("split-dns is not applied: nothing points here yet", True, todo)
    if steps.is_done(made, machine):
        return Finding(f"applied: {made.title}")
    changed = [
        change.path
        for change in made.changes
        if not machine.state(change.path).is_like(change.after)
    ]
    what = f"{', '.join(changed)} changed since" if changed else "not all is there"
    todo = "apply it again (sudo minidns split-dns apply), or undo it"
    return Finding(f"applied: {made.title}; but {what}", True, todo)


def _resolver(machine: Machine) -> Finding:
    path = resolv_conf.RESOLV_CONF
    servers = resolv_conf.nameservers(machine.text(path))
    state = machine.state(path)
    leads = f" (a link to {state.content.decode()})" if state.kind == LINK else ""
    named = ", ".join(servers) or "nobody: programs ask 127.0.0.1:53"
    who = " (systemd-resolved)" if resolv_conf.STUB in servers else ""
    return Finding(f"{path}{leads} names {named}{who}")


def _mdns(machine: Machine, wanted: Wanted) -> Iterator[Finding]:
    local = [zone for zone in wanted.bare if f".{zone}".endswith(".local")]
    if not local:
        return
    todo = (
        "use an alias: minidns up --alias k8s.internal, split-dns --zone k8s.internal"
    )
    lines = machine.text("/etc/nsswitch.conf").splitlines()
    if any(map(_MDNS_FIRST.search, lines)):
        where = "/etc/nsswitch.conf asks mDNS before DNS, and believes its no"
        yield Finding(f"{' '.join(local)}: {where}", True, todo)
    else:
        text = f"{' '.join(local)}: .local is mDNS's; some programs will not ask DNS"
        yield Finding(text, False, todo)


class _Asked(NamedTuple):
    finding: Finding
    addresses: Addresses = ()


def _asked(asks: Asks, wanted: Wanted, name: Name, transport: str) -> _Asked:
    """Ask minidns itself."""
    where = f"{wanted.shown} over {transport.upper()}"
    zone = name.removeprefix(PROBE).removesuffix(".")
    aliased = "" if zone == "cluster.local" else f" --alias {zone}"
    start = f"minidns up{aliased} --listen {wanted.shown}"
    try:
        reply = asks.direct(wanted.server, name, transport)
    except TimeoutError:
        return _Asked(Finding(f"{where} does not answer", True, "is it minidns?"))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return _Asked(Finding(f"nobody answers at {where}: {why}", True, start))
    except FormatError:
        return _Asked(Finding(f"{where}: no DNS server", True, start))
    if addresses := _addresses(reply):
        text = f"{where} answers {name} with {', '.join(addresses)}"
        return _Asked(Finding(text), addresses)
    said = rdata.rcode_name(reply.rcode) if reply.rcode else "no address"
    todo = f"it does not serve {zone}: {start}"
    if reply.rcode == Rcode.SERVFAIL:
        todo = "minidns does not know the cluster yet, or no more: look at its log"
    return _Asked(Finding(f"{where} answers {name} with {said}", True, todo))


def _by_system(
    machine: Machine, asks: Asks, name: Name, right: Addresses
) -> Iterator[Finding]:
    """Ask as programs do, and as dig does."""
    if machine.run is None:
        yield Finding("programs were not asked for: this is no real machine (--root)")
        return
    began = time.monotonic()
    todo = "minidns split-dns apply, or undo and another --recipe"
    try:
        got = asks.system(name)
    except OSError as error:  # and TimeoutError
        why = error.strerror or str(error)
        yield Finding(f"programs do not find {name}: {why}", True, todo)
    else:
        took = f"{(time.monotonic() - began) * 1000:.0f} ms"
        text = f"programs get {', '.join(got)} for {name} in {took}"
        same = set(got) == set(right)
        yield Finding(text, not same, "" if same else f"not what minidns says: {todo}")
    for server in resolv_conf.nameservers(machine.text(resolv_conf.RESOLV_CONF))[:1]:
        yield _by_dig(asks, server, name, right)


def _by_dig(asks: Asks, server: str, name: Name, right: Addresses) -> Finding:
    where = f"{server}:53, as dig asks it,"
    try:
        got = _addresses(asks.direct((server, 53), name, "udp"))
    except (OSError, FormatError) as error:
        reason = str(error) or "no answer in time"
        return Finding(f"{where} does not answer: {reason}", True, "is it running?")
    same = set(got) == set(right)
    todo = "" if same else "it is not told to ask minidns (macOS: dig never is)"
    said = ", ".join(got) or "no address"
    return Finding(f"{where} answers {name} with {said}", not same, todo)


def _reachable(asks: Asks, address: str) -> Finding:
    if asks.reaches((address, _HTTPS)):
        return Finding(f"{address}:{_HTTPS} can be reached from here")
    return Finding(
        f"{address}:{_HTTPS} cannot be reached from here: names resolve, ClusterIPs"
        " are the cluster's own",
        todo="kind on Linux: sudo ip route add 10.96.0.0/16 via NODE; else kubectl"
        " port-forward",
    )


def _outside(asks: Asks, wanted: Wanted) -> Finding:
    """Ask minidns for a name that is not the cluster's, which it has to forward."""
    try:
        reply = asks.direct(wanted.server, OUTSIDE, "udp")
    except (OSError, FormatError):
        return Finding(f"{wanted.shown} was not asked for {OUTSIDE}: see above")
    said = rdata.rcode_name(reply.rcode)
    text = f"{wanted.shown} answers {OUTSIDE} with {said}"
    if not reply.rcode:
        return Finding(text)
    todo = (
        "it forwards to whom its --resolv-conf names: are they reached? do they ask"
        " it back?"
    )
    return Finding(text, True, todo)


def _addresses(reply: Reply) -> Addresses:
    return tuple(
        sorted(
            str(ip_address(data))
            for rrset in reply.answer
            if rrset.rtype == rdata.A
            for data in rrset.rdata
        )
    )
