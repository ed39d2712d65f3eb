"""Checks of a machine: answers of minidns itself, and answers that programs get.

Every finding is one line with what to do about it. The checks query and read; they
change nothing.
"""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

from minidns.dns import rdata, resolv_conf
from minidns.dns.model import Address, Name, Question, Rcode
from minidns.laptop.split_dns import steps
from minidns.laptop.split_dns.machine import LINK, Machine
from minidns.laptop.split_dns.recipes import Wanted
from minidns.laptop.split_dns.steps import Record
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Answer, Form, LookupResult, look_up

PROBE = "kubernetes.default.svc."
"""Below every cluster's zone: the Service of the API server."""
OUTSIDE = "example.org."
TIMEOUT_S = 1.5
"""A lookup waits twice as long for a late reply."""
_PROGRAMS_S = 9.0
"""A resolver may retry for long, and cannot be interrupted."""
_HTTPS = 443
_CONNECT_S = 1.0
_MDNS_FIRST = re.compile(r"^hosts:.*\bmdns\w*\s+\[NOTFOUND=return\].*\b(dns|resolve)\b")

Addresses: TypeAlias = tuple[str, ...]
Direct: TypeAlias = Callable[[Address, Name, str], LookupResult]
"""Asks a server, over udp or tcp."""


class Result(StrEnum):
    """The result of a check."""

    OK = "ok"
    WRONG = "WRONG"
    NOTE = "note"
    """True, and perhaps not expected."""
    SKIPPED = "skip"
    """The check was not made, so it says nothing."""


class Finding(NamedTuple):
    """One check: its subject, its result, and what to do about it."""

    text: str
    result: Result = Result.OK
    todo: str = ""

    def __str__(self) -> str:
        """Return it as a line."""
        what = f" -> {self.todo}" if self.todo else ""
        return f"{self.result:5} {self.text}{what}"


def _wrong_if(is_wrong: bool) -> Result:
    return Result.WRONG if is_wrong else Result.OK


def direct(to: Address, name: Name, transport: str) -> LookupResult:
    """Ask a server for the IPv4 addresses of a name."""
    form = Form(transport, timeout_s=TIMEOUT_S)
    return asyncio.run(look_up(Question(name, rdata.A), to, form))


def system(name: Name) -> Addresses:
    """Return what programs of this machine get for a name (getaddrinfo).

    Raises:
        OSError: nothing.
        TimeoutError: nothing in time.

    """
    result: list[Addresses | OSError] = []

    def look_up() -> None:
        try:
            infos = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
            result.append(tuple(sorted({str(info[4][0]) for info in infos})))
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_PROGRAMS_S)
    if not result:
        raise TimeoutError(f"no answer in {_PROGRAMS_S:.0f} s")
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def reaches(to: Address) -> bool:
    """Return whether a connection can be made."""
    try:
        socket.create_connection(to, _CONNECT_S).close()
    except ConnectionRefusedError:
        return True  # the host has answered
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Asks:
    """The ways to look names up and to connect; tests replace them."""

    direct: Direct = direct
    system: Callable[[Name], Addresses] = system
    reaches: Callable[[Address], bool] = reaches


def findings(
    machine: Machine, applied: Record | None, wanted: Wanted, asks: Asks
) -> Iterator[Finding]:
    """Yield a finding about each step between a program and minidns."""
    yield _applied(machine, applied)
    yield _resolver(machine)
    yield from _mdns(machine, wanted)
    for zone in wanted.zones:
        name = PROBE + zone
        answer = _query(asks, wanted, name, "udp")
        yield answer.finding
        if answer.addresses:
            yield _query(asks, wanted, name, "tcp").finding
            yield from _by_system(machine, asks, name, answer.addresses)
            yield _reachable(asks, answer.addresses[0])
    yield _outside(asks, wanted)


def _applied(machine: Machine, applied: Record | None) -> Finding:
    if applied is None:
        todo = "run minidns split-dns plan, then apply"
        text = "split-dns is not applied: this machine does not ask minidns"
        return Finding(text, Result.WRONG, todo)
    if steps.is_done(applied, machine):
        return Finding(f"applied: {applied.title}")
    changed = [
        change.path
        for change in applied.changes
        if not machine.state(change.path).is_like(change.after)
    ]
    what = f"{', '.join(changed)} changed since" if changed else "not all is there"
    todo = "apply it again (sudo minidns split-dns apply), or undo it"
    return Finding(f"applied: {applied.title}; but {what}", Result.WRONG, todo)


def _resolver(machine: Machine) -> Finding:
    path = resolv_conf.RESOLV_CONF
    servers = resolv_conf.nameservers(machine.text(path))
    state = machine.state(path)
    leads = f" (a link to {state.content.decode()})" if state.kind == LINK else ""
    named = ", ".join(servers) or "no server: programs ask 127.0.0.1:53"
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
        where = (
            "/etc/nsswitch.conf asks mDNS first, and DNS only if mDNS is unavailable"
        )
        yield Finding(f"{' '.join(local)}: {where}", Result.WRONG, todo)
    else:
        text = f"{' '.join(local)}: .local is mDNS's; some programs will not ask DNS"
        yield Finding(text, Result.NOTE, todo)


class _Checked(NamedTuple):
    finding: Finding
    addresses: Addresses = ()


def _query(asks: Asks, wanted: Wanted, name: Name, transport: str) -> _Checked:
    """Query minidns itself."""
    where = f"{wanted.shown} over {transport.upper()}"
    zone = name.removeprefix(PROBE).removesuffix(".")
    aliased = "" if zone == "cluster.local" else f" --alias {zone}"
    todo = f"minidns up{aliased} --listen {wanted.shown}"
    result = asks.direct(wanted.server, name, transport)
    answer = result.answer
    if answer is None and result.kind is Kind.NO_REPLY:
        text, todo = f"{where} does not answer", "check that minidns listens there"
    elif answer is None and result.kind in (Kind.REPLY, Kind.LATE):
        text = f"{where} does not answer in DNS messages"
    elif answer is None:
        text = f"nothing answers at {where}: {result.reason or result.kind}"
    elif addresses := _addresses(answer):
        text = f"{where} answers {name} with {', '.join(addresses)}"
        return _Checked(Finding(text), addresses)
    else:
        shown = rdata.rcode_name(answer.rcode) if answer.rcode else "no address"
        text = f"{where} answers {name} with {shown}"
        todo = f"it does not serve {zone}: {todo}"
        if answer.rcode == Rcode.SERVFAIL:
            todo = "minidns is not in sync with the cluster: see its log"
    return _Checked(Finding(text, Result.WRONG, todo))


def _by_system(
    machine: Machine, asks: Asks, name: Name, right: Addresses
) -> Iterator[Finding]:
    """Look the name up as programs do, and as dig does."""
    if machine.run is None:
        text = "lookups of programs were not checked: --root names another machine"
        yield Finding(text, Result.SKIPPED)
        return
    began = time.monotonic()
    todo = "minidns split-dns apply, or undo and another --recipe"
    try:
        got = asks.system(name)
    except OSError as error:  # and TimeoutError
        why = error.strerror or str(error)
        yield Finding(f"programs do not find {name}: {why}", Result.WRONG, todo)
    else:
        took = f"{(time.monotonic() - began) * 1000:.0f} ms"
        text = f"programs get {', '.join(got)} for {name} in {took}"
        same = set(got) == set(right)
        yield Finding(
            text,
            _wrong_if(not same),
            "" if same else f"minidns answers differently: {todo}",
        )
    for server in resolv_conf.nameservers(machine.text(resolv_conf.RESOLV_CONF))[:1]:
        yield _by_dig(asks, server, name, right)


def _by_dig(asks: Asks, server: str, name: Name, right: Addresses) -> Finding:
    where = f"{server}:53, as dig asks it,"
    result = asks.direct((server, 53), name, "udp")
    if result.answer is None:
        reason = result.reason or result.kind
        return Finding(
            f"{where} does not answer: {reason}", Result.WRONG, "check that it runs"
        )
    got = _addresses(result.answer)
    same = set(got) == set(right)
    todo = (
        ""
        if same
        else "it does not forward to minidns (on macOS, dig never asks minidns)"
    )
    shown = ", ".join(got) or "no address"
    return Finding(f"{where} answers {name} with {shown}", _wrong_if(not same), todo)


def _reachable(asks: Asks, address: str) -> Finding:
    if asks.reaches((address, _HTTPS)):
        return Finding(f"{address}:{_HTTPS} can be reached from here")
    return Finding(
        f"{address}:{_HTTPS} cannot be reached from here: names resolve, ClusterIPs"
        " are the cluster's own",
        Result.NOTE,
        "kind on Linux: sudo ip route add 10.96.0.0/16 via NODE; else kubectl"
        " port-forward",
    )


def _outside(asks: Asks, wanted: Wanted) -> Finding:
    """Ask minidns for a name that is not the cluster's, which it has to forward."""
    answer = asks.direct(wanted.server, OUTSIDE, "udp").answer
    if answer is None:
        return Finding(
            f"{wanted.shown} did not answer for {OUTSIDE}: see above", Result.SKIPPED
        )
    text = f"{wanted.shown} answers {OUTSIDE} with {rdata.rcode_name(answer.rcode)}"
    if not answer.rcode:
        return Finding(text)
    todo = (
        "it forwards to the servers in the file of --resolv-conf: check that they can"
        " be reached, and that they do not forward to minidns"
    )
    return Finding(text, Result.WRONG, todo)


def _addresses(answer: Answer) -> Addresses:
    data = (data for _, rtype, data in answer.records if rtype == rdata.A)
    return tuple(sorted(str(ip_address(each)) for each in data))
