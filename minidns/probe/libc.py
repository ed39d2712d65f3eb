"""Lookups over real sockets as a C library makes them.

The step machines of `minidns.stub` decide what is sent and when; this module has the
sockets. A source port that a machine draws is only the name of a socket: the kernel
chooses the real one.
"""

import asyncio
import socket
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from random import Random
from typing import NamedTuple

from minidns.dns.model import Address, Rcode
from minidns.probe.exchange import Kind, connected
from minidns.probe.lookup import Answer, LookupResult, records_of
from minidns.stub.glibc import Glibc
from minidns.stub.musl import Musl
from minidns.stub.protocol import (
    Failure,
    Lookup,
    Outcome,
    Resolver,
    Send,
    Status,
    Step,
    Transport,
    Wait,
)

_MAX_REPLY = 65535
LIBRARIES = ("glibc", "musl")


def resolver(library: str, resolv_conf: str, rng: Random) -> Resolver:
    """Return the resolver of a program that uses ``library``, with this resolv.conf."""
    return Musl(resolv_conf, rng) if library == "musl" else Glibc(resolv_conf, rng)


class LibraryResult(NamedTuple):
    """What a program gets, and what was sent for it."""

    outcome: Outcome
    queries: int
    seconds: float
    source_port: int
    """Port of the first query."""
    ident: int
    """ID of the first query."""
    transport: Transport = "udp"
    """Transport of the last query."""


async def resolve(lookup: Lookup, port: int = 53) -> LibraryResult:
    """Run one lookup; its servers listen at ``port``."""
    sockets = _Sockets(port)
    now = asyncio.get_running_loop().time
    began = now()
    try:
        step = lookup.start(began)
        while isinstance(step, Wait):
            sockets.send(step.sends)
            step = await sockets.step(lookup, step.until)
    finally:
        await sockets.close()
    return LibraryResult(
        step.outcome,
        sockets.queries,
        now() - began,
        sockets.first_port,
        sockets.first_ident,
        sockets.transport,
    )


class _Key(NamedTuple):
    """A socket of the machine."""

    server: str
    source: int
    transport: Transport


def _key_of(send: Send) -> _Key:
    return _Key(send.server, send.source, send.transport)


class _Arrival(NamedTuple):
    key: _Key
    wire: bytes
    failure: Failure | None = None


@dataclass(slots=True)
class _Sockets:
    """The open sockets of one lookup, and what arrives at them."""

    port: int
    queries: int = 0
    first_port: int = 0
    first_ident: int = 0
    transport: Transport = "udp"
    """That of the last query."""
    _arrived: asyncio.Queue[_Arrival] = field(default_factory=asyncio.Queue)
    _datagrams: dict[_Key, socket.socket] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def send(self, sends: Iterable[Send]) -> None:
        """Send queries; those of one TCP connection together."""
        for key, batch in groupby(sends, _key_of):
            wires = [send.wire for send in batch]
            self.queries += len(wires)
            self.transport = key.transport
            self.first_ident = self.first_ident or int.from_bytes(wires[0][:2])
            if key.transport == "tcp":
                self._start(self._stream(key, wires))
                continue
            for wire in wires:
                try:
                    self._socket(key).send(wire)
                except OSError as error:
                    self._fail(key, error)

    async def step(self, lookup: Lookup, until: float) -> Step:
        """Wait for an arrival until ``until``; return the lookup's next step."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(until):
                key, wire, failure = await self._arrived.get()
        except TimeoutError:
            return lookup.on_timeout(max(now(), until))
        if failure is not None:
            return lookup.on_failure(now(), key.server, key.source, failure)
        return lookup.on_reply(now(), key.server, key.source, wire)

    async def close(self) -> None:
        """Close all sockets."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sock in self._datagrams.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(work))

    def _address(self, key: _Key) -> Address:
        return key.server, self.port

    def _socket(self, key: _Key) -> socket.socket:
        """Return the socket of ``key``, connected.

        Raises:
            OSError: there is no way to the server.

        """
        if key not in self._datagrams:
            sock = self._datagrams[key] = connected(self._address(key))
            self.first_port = self.first_port or sock.getsockname()[1]
            asyncio.get_running_loop().add_reader(sock, self._read, key, sock)
        return self._datagrams[key]

    def _read(self, key: _Key, sock: socket.socket) -> None:
        try:
            while True:
                self._arrived.put_nowait(_Arrival(key, sock.recv(_MAX_REPLY)))
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(key, error)

    def _fail(self, key: _Key, error: OSError) -> None:
        is_reset = isinstance(error, ConnectionResetError)
        failure = Failure.RESET if is_reset else Failure.REFUSED
        self._arrived.put_nowait(_Arrival(key, b"", failure))

    async def _stream(self, key: _Key, wires: Iterable[bytes]) -> None:
        """Send queries over a connection; their replies arrive one by one."""
        writer: asyncio.StreamWriter | None = None
        try:
            reader, writer = await asyncio.open_connection(*self._address(key))
            writer.write(b"".join(len(wire).to_bytes(2) + wire for wire in wires))
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                wire = await reader.readexactly(size)
                self._arrived.put_nowait(_Arrival(key, wire))
        except asyncio.IncompleteReadError:
            self._arrived.put_nowait(_Arrival(key, b"", Failure.CLOSED))
        except OSError as error:
            self._fail(key, error)
        finally:
            if writer is not None:
                writer.transport.abort()


_KINDS = {
    Status.SILENT: Kind.NO_REPLY,
    Status.REFUSED: Kind.REFUSED,
    Status.CLOSED: Kind.CLOSED,
}
_RCODES = {Status.SERVFAIL: Rcode.SERVFAIL, Status.NXDOMAIN: Rcode.NXDOMAIN}


async def look_up_as(
    library: str, name: str, to: Address, resolv_conf: str, rng: Random
) -> LookupResult:
    """Look the addresses of ``name`` up at ``to`` as a program with ``library`` does.

    Search domains and options are those of ``resolv_conf``; its name servers are not
    used. A name without a dot at its end is a relative one.
    """
    text = with_server(resolv_conf, to[0])
    machine = resolver(library, text, rng)
    got = await resolve(Lookup(machine, machine.look_up(name)), to[1])
    outcome = got.outcome
    kind = _KINDS.get(outcome.status, Kind.REPLY)
    answer = None
    if kind is Kind.REPLY:
        order = tuple(each for reply in outcome.replies for each in records_of(reply))
        rcode = _RCODES.get(outcome.status) or max(
            (reply.rcode for reply in outcome.replies), default=Rcode.NOERROR
        )
        answer = Answer(rcode, frozenset(order), order)
    shown = f"{outcome.error}, {got.queries} queries" if outcome.error else ""
    return LookupResult(
        kind, answer, got.seconds, got.source_port, got.ident, reason=shown
    )


def with_server(resolv_conf: str, server: str) -> str:
    """Return ``resolv_conf`` with ``server`` as the only name server."""
    lines = [
        line for line in resolv_conf.splitlines() if not line.startswith("nameserver")
    ]
    return "\n".join((f"nameserver {server}", *lines, ""))
