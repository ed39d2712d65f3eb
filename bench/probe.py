"""A probe: one query after the other, with receive times of the kernel.

So a delay of the probe itself is not counted as a delay of the server.
"""

import socket
import struct
import threading
import time
from typing import NamedTuple

SO_TIMESTAMPNS = 35  # Linux; not in Python's socket module
_TIMESPEC = struct.Struct("@qq")
PATIENCE_S = 2.0


class Answered(NamedTuple):
    """A reply, with the Unix times of the query and of the reply."""

    reply: bytes
    sent: float
    arrived: float


class Probe:
    """A socket that sends queries to a server."""

    def __init__(self, port: int) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock.settimeout(PATIENCE_S)
        self._sock.connect(("127.0.0.1", port))
        self._id = 0

    def ask(self, query: bytes) -> Answered | None:
        """Send ``query`` with a new ID; return None without a reply."""
        self._id = (self._id + 1) & 0xFFFF
        ident = self._id.to_bytes(2)
        sent = time.time()
        self._sock.send(ident + query)
        try:
            while True:
                reply, extra, _, _ = self._sock.recvmsg(4096, 64)
                if reply[:2] == ident:
                    return Answered(reply, sent, _arrival(extra))
        except OSError:
            return None

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


def _arrival(extra: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


class Steady:
    """A context with a thread that sends one query a thousand times a second."""

    def __init__(self, port: int, query: bytes) -> None:
        self.took_ms: list[float] = []
        self.wrong = self.lost = 0
        self._probe = Probe(port)
        self._query = query
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Steady":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._probe.close()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            answered = self._probe.ask(self._query)
            if answered is None:
                self.lost += 1
                continue
            self.wrong += answered.reply[3] & 15 != 0 or answered.reply[6:8] == b"\0\0"
            self.took_ms.append((answered.arrived - answered.sent) * 1e3)
