"""An upstream whose every reply is preceded by forged ones that come from its address.

Who can write datagrams with the upstream's address still has to guess the id and the
question; here nine of ten guesses of each query are wrong in one thing only.
"""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.survival.world import HOST, minidns, query, udp

TRUE, FORGED = bytes((192, 0, 2, 80)), bytes((203, 0, 113, 66))
PER_QUERY = 9
"""One less than makes an exchange go on by TCP."""
_WINDOW = 64
COREFILE = """\
.:{port} {{
    bind 127.0.0.1
    forward . 127.0.0.1:{upstream}
}}
"""


def reply(wire: bytes, address: bytes) -> bytes:
    """Return a reply to ``wire`` with one A record."""
    end = 12
    while wire[end]:
        end += wire[end] + 1
    header = wire[:2] + b"\x85\x80\0\1\0\1\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4" + address
    return header + wire[12 : end + 5] + record


def forgeries(wire: bytes, rng: Random) -> Iterator[bytes]:
    """Yield replies to ``wire`` that are wrong in one thing each."""
    right = reply(wire, FORGED)
    ident = int.from_bytes(wire[:2])
    for _ in range(PER_QUERY - 5):
        yield (ident ^ rng.randrange(1, 65536)).to_bytes(2) + right[2:]
    letter = bytes((right[13] ^ 1,))  # another name
    yield right[:13] + letter + right[14:]
    end = len(right) - 16  # the record's
    yield right[: end - 4] + b"\0\x1c" + right[end - 2 :]  # another type
    yield right[: end - 2] + b"\0\3" + right[end:]  # another class
    yield right[:2] + bytes((right[2] & 0x7F,)) + right[3:]  # a query
    yield right[:4] + b"\0\0" + right[6:12] + right[end:]  # no question at all


class _Upstream(threading.Thread):
    def __init__(self, rng: Random) -> None:
        super().__init__()
        self.sent = 0
        self._rng = rng
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((HOST, 0))
        self.port = int(self._sock.getsockname()[1])

    def run(self) -> None:
        while True:
            wire, peer = self._sock.recvfrom(4096)
            if not wire:
                self._sock.close()
                return
            for forged in forgeries(wire, self._rng):
                self._sock.sendto(forged, peer)
                self.sent += 1
            self._sock.sendto(reply(wire, TRUE), peer)

    def stop(self) -> None:
        """End it, by an empty datagram."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (HOST, self.port))
        self.join()


@contextmanager
def _forging(rng: Random) -> Iterator[_Upstream]:
    thread = _Upstream(rng)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def forged(count: int) -> tuple[int, int, int, int]:
    """Send ``count`` forged replies; return how many were sent and believed.

    And how many queries had the true reply, and how many another or none.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        _forging(Random(5)) as upstream,
        minidns(Path(folder), COREFILE, upstream_port=upstream.port) as server,
        udp(server.port) as sock,
    ):
        seen = {"forged": 0, "true": 0, "other": 0}
        asked = answered = 0
        while upstream.sent < count or answered < asked:
            while asked - answered < _WINDOW and upstream.sent < count:
                sock.send(query(asked & 0xFFFF, f"n{asked}.forged.test."))
                asked += 1
            got = sock.recv(4096)
            kinds = {FORGED: "forged", TRUE: "true"}
            seen[kinds.get(_address(got), "other")] += 1
            answered += 1
        return upstream.sent, seen["forged"], seen["true"], seen["other"]


def _address(wire: bytes) -> bytes:
    """Return the address in a reply with one A record."""
    at = wire.find(b"\0\4")
    while at >= 0:
        if wire[at + 2 : at + 6] in (TRUE, FORGED):
            return wire[at + 2 : at + 6]
        at = wire.find(b"\0\4", at + 1)
    return b""
