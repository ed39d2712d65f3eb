"""What a resolver sent in one case, and what its program got, in a comparable form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from minidns.dns import wire
from minidns.dns.model import FormatError

from .cases import question_of

TOLERANCE_S = 0.3
"""Largest difference of two times that are the same: a busy machine is late."""


class Packet(NamedTuple):
    """A query as a server sees it."""

    at: float
    """Seconds since the first query."""
    server: str
    transport: str
    socket: int
    """Source port."""
    message: bytes


class Line(NamedTuple):
    """A query in comparable form."""

    server: int
    transport: str
    socket: int
    """Sockets are numbered in the order of their first use."""
    name: str
    qtype: int
    flags: int
    edns: int
    """UDP payload size, 0 without OPT."""
    length: int


@dataclass(frozen=True)
class Record:
    """One lookup as it went."""

    lines: tuple[Line, ...]
    times: tuple[float, ...]
    result: str
    """Sorted addresses, or the name of the error."""
    seconds: float

    def differs(self, other: "Record", *, times: bool = True) -> str:
        """Return what differs from ``other``, empty if nothing does."""
        if self.lines != other.lines:
            return "queries"
        if self.result != other.result:
            return "result"
        pairs = zip((*self.times, self.seconds), (*other.times, other.seconds), strict=True)
        late = any(abs(a - b) > TOLERANCE_S for a, b in pairs)
        return "times" if times and late else ""

    def __str__(self) -> str:
        """Show the queries and the result, a line each."""
        rows = [
            f"  {at:5.2f} s{line.server} {line.transport}#{line.socket} {line.name}"
            f" {line.qtype} flags={line.flags:04x} edns={line.edns} len={line.length}"
            for at, line in zip(self.times, self.lines, strict=True)
        ]
        return "\n".join([*rows, f"  {self.seconds:5.2f} {self.result}"])


def make_record(packets: Sequence[Packet], servers: Sequence[str], result: str, seconds: float) -> Record:
    """Return the comparable form of ``packets``, which are in the order of sending."""
    sockets: dict[tuple[str, int], int] = {}
    lines = []
    for packet in packets:
        socket = sockets.setdefault((packet.transport, packet.socket), len(sockets))
        question = question_of(packet.message)
        try:
            opt = wire.decode_query(packet.message).opt
        except FormatError:
            opt = None
        lines.append(
            Line(
                servers.index(packet.server),
                packet.transport,
                socket,
                question.qname,
                question.qtype,
                int.from_bytes(packet.message[2:4]),
                opt.size if opt else 0,
                len(packet.message),
            )
        )
    first = packets[0].at if packets else 0.0
    times = tuple(packet.at - first for packet in packets)
    return Record(tuple(lines), times, result, seconds)
