"""Clients that go on asking while something is done to a server, and keep count."""

import contextlib
import socket
import threading
import time
from select import select
from types import TracebackType
from typing import Self

from tests.process import DEADLINE_S
from tests.survival.world import HOST, is_good, query

PATIENCE_S = 2.0
"""A query that is not answered for so long is lost; nothing is sent again."""


class _Asking(threading.Thread):
    """Asks until the end of the context it is."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self._over = threading.Event()

    def until(self, sent: int) -> None:
        """Wait until so many have been sent."""
        end = time.monotonic() + DEADLINE_S
        while self.sent < sent:
            assert time.monotonic() < end, f"{self.sent} of {sent} queries sent"
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.join()


class Steadily(_Asking):
    """Asks by UDP, so many times a second, whatever comes back; a context."""

    def __init__(self, port: int, rate: int) -> None:
        super().__init__()
        self.wrong = 0
        self.slowest_s = 0.0
        self._port = port
        self._rate = rate
        self._open: dict[int, float] = {}
        self._good: set[bytes] = set()
        self._wire = query(0)[2:]

    @property
    def lost(self) -> int:
        """Queries without a reply."""
        return len(self._open)

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.connect((HOST, self._port))
            sock.setblocking(False)
            began = time.monotonic()
            while not self._over.is_set():
                due = int((time.monotonic() - began) * self._rate) - self.sent
                for _ in range(min(due, 64)):
                    self._send(sock)
                self._receive(sock, 0.0005)
            until = time.monotonic() + PATIENCE_S
            while self._open and time.monotonic() < until:
                self._receive(sock, 0.05)

    def _send(self, sock: socket.socket) -> None:
        ident = self.sent & 0xFFFF
        while ident in self._open:  # lost, as far as we know: still counted
            ident = (ident + 1) & 0xFFFF
        self._open[ident] = time.monotonic()
        self.sent += 1
        with contextlib.suppress(ConnectionRefusedError):  # then it is lost
            sock.send(ident.to_bytes(2) + self._wire)

    def _receive(self, sock: socket.socket, wait_s: float) -> None:
        if not select([sock], [], [], wait_s)[0]:
            return
        try:
            while True:
                self._take(sock.recv(4096))
        except (BlockingIOError, ConnectionRefusedError):
            return

    def _take(self, reply: bytes) -> None:
        sent = self._open.pop(int.from_bytes(reply[:2]), None)
        if sent is None:
            return
        self.slowest_s = max(self.slowest_s, time.monotonic() - sent)
        if reply[2:] not in self._good:
            if is_good(reply):
                self._good.add(reply[2:])
            else:
                self.wrong += 1
