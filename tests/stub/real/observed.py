"""A real C library in one case: servers on 127/8 in a network namespace.

One loop serves all cases that run at the same time. Each case has addresses of its own,
and its program a mount namespace with its own /etc/resolv.conf.
"""

import ctypes
import fcntl
import heapq
import os
import selectors
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from .cases import Case, question_of, replies
from .record import Packet, Record, make_record

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_SO_TIMESTAMPNS = 35
_PORT = 53
_WAIT_S = 0.02
"""A program that ends is noticed within this time."""


def enter_network_namespace() -> None:
    """Move this process to a network of its own, with loopback up.

    Raises:
        PermissionError: this process may not make namespaces.

    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS):
        number = ctypes.get_errno()
        raise PermissionError(number, f"unshare: {os.strerror(number)}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", _IFF_UP)
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)


@dataclass
class _Run:
    """The program of a case, and what its servers have seen."""

    case: Case
    folder: "tempfile.TemporaryDirectory[str]"
    started: float = 0.0
    program: "subprocess.Popen[str] | None" = None
    packets: list[Packet] = field(default_factory=list)
    seen: dict[object, int] = field(default_factory=dict)
    sockets: list[socket.socket] = field(default_factory=list)


@dataclass
class _Query:
    """A query that has arrived, and the way back."""

    run: _Run
    packet: Packet
    send: Callable[[bytes], None]


@dataclass
class Observer:
    """Runs cases against a program, many at a time.

    The program is called with a folder (its /etc files), a name and a family.
    """

    program: Path
    at_a_time: int = 24
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _runs: list[_Run] = field(default_factory=list)
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)

    def observe(self, cases: Iterable[Case]) -> Iterator[tuple[Case, Record]]:
        """Yield each case with what the program did."""
        waiting = list(cases)
        while self._runs or waiting:
            while waiting and len(self._runs) < self.at_a_time:
                self._start(waiting.pop(0))
            self._serve()
            for run in [r for r in self._runs if r.program and r.program.poll() == 0]:
                self._runs.remove(run)
                yield run.case, self._finish(run)
            for run in self._runs:
                if run.program and run.program.poll():
                    raise RuntimeError(f"{self.program} failed in case {run.case}")

    def _start(self, case: Case) -> None:
        run = _Run(case, tempfile.TemporaryDirectory())
        folder = Path(run.folder.name)
        (folder / "resolv.conf").write_text(case.resolv_conf)
        (folder / "hosts").write_text("")
        (folder / "nsswitch.conf").write_text("hosts: dns\n")
        for server in case.servers:
            if server not in case.deaf_udp:
                self._listen(run, server, socket.SOCK_DGRAM)
            if server not in case.deaf_tcp:
                self._listen(run, server, socket.SOCK_STREAM)
        run.started = time.monotonic()
        run.program = subprocess.Popen(
            [self.program, folder, case.name, case.family],
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin"},
        )
        self._runs.append(run)

    def _listen(self, run: _Run, server: str, kind: int) -> None:
        listener = socket.socket(socket.AF_INET, kind)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((server, _PORT))
        if kind == socket.SOCK_STREAM:
            listener.listen()
            self._watch(run, listener, lambda: self._accept(run, server, listener))
        else:
            listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._watch(run, listener, lambda: self._datagrams(run, server, listener))

    def _watch(self, run: _Run, sock: socket.socket, receive: Callable[[], list[_Query]]) -> None:
        run.sockets.append(sock)
        self._selector.register(sock, selectors.EVENT_READ, receive)

    def _serve(self) -> None:
        """Wait for queries or for replies that are due, and handle them."""
        wait_s = self._due[0][0] - time.monotonic() if self._due else _WAIT_S
        arrived: list[_Query] = []
        for key, _ in self._selector.select(max(0.0, min(wait_s, _WAIT_S))):
            arrived += key.data()
        # replies go out in the order in which the queries were sent
        for query in sorted(arrived, key=lambda query: query.packet.at):
            self._plan_replies(query)
        while self._due and self._due[0][0] <= time.monotonic():
            heapq.heappop(self._due)[2]()

    def _datagrams(self, run: _Run, server: str, sock: socket.socket) -> list[_Query]:
        """Return the datagrams that have arrived, with the kernel's time stamps."""
        queries: list[_Query] = []
        while True:
            try:
                message, ((_, _, stamp),), _, peer = sock.recvmsg(4096, 64)
            except BlockingIOError:
                return queries
            seconds, nanoseconds = struct.unpack("qq", stamp)
            at = seconds + nanoseconds / 1e9
            packet = Packet(at, server, "udp", peer[1], message)

            def send(reply: bytes, peer: tuple[str, int] = peer) -> None:
                sock.sendto(reply, peer)

            queries.append(_Query(run, packet, send))

    def _accept(self, run: _Run, server: str, listener: socket.socket) -> list[_Query]:
        with suppress(BlockingIOError):
            connection, peer = listener.accept()
            connection.setblocking(False)
            stream = _Stream(self._selector, run, server, connection, peer[1])
            self._watch(run, connection, stream.receive)
        return []

    def _plan_replies(self, query: _Query) -> None:
        run, packet = query.run, query.packet
        run.packets.append(packet)
        question = question_of(packet.message)
        key = packet.server, packet.transport, question
        nth = run.seen[key] = run.seen.get(key, -1) + 1
        action = run.case.action(packet.server, packet.transport, question, nth)
        messages = replies(action.kind, packet.message, packet.transport)

        def act() -> None:
            with suppress(OSError):  # the program has closed its socket
                for message in messages or [b""] * (action.kind == "close"):
                    query.send(message)

        due = time.monotonic() + action.delay_s
        heapq.heappush(self._due, (due, next(self._order), act))

    def _finish(self, run: _Run) -> Record:
        seconds = time.monotonic() - run.started
        assert run.program is not None
        output, _ = run.program.communicate()
        for sock in run.sockets:
            with suppress(KeyError):
                self._selector.unregister(sock)
            sock.close()
        run.folder.cleanup()
        packets = sorted(run.packets, key=lambda packet: packet.at)
        return make_record(packets, run.case.servers, output.strip(), seconds)


@dataclass
class _Stream:
    """A connection to a server."""

    selector: selectors.BaseSelector
    run: _Run
    server: str
    connection: socket.socket
    port: int
    buffer: bytes = b""

    def receive(self) -> list[_Query]:
        """Return the queries that are complete."""
        data = b""
        with suppress(BlockingIOError, ConnectionResetError):
            data = self.connection.recv(4096)
        if not data:
            self.selector.unregister(self.connection)
        self.buffer += data
        at, queries = time.time(), []
        while self.buffer[2:] and len(self.buffer) >= (end := 2 + int.from_bytes(self.buffer[:2])):
            message, self.buffer = self.buffer[2:end], self.buffer[end:]
            packet = Packet(at, self.server, "tcp", self.port, message)
            queries.append(_Query(self.run, packet, self.send))
        return queries

    def send(self, reply: bytes) -> None:
        """Send a reply; an empty one closes the connection."""
        if reply:
            self.connection.sendall(len(reply).to_bytes(2) + reply)
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
