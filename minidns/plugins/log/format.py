"""Formats of the query log: text with ``{placeholders}``, and what each stands for."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from minidns.dns.model import CD, RD, Query, Response
from minidns.dns.rdata import class_name, rcode_name, type_name
from minidns.metrics.traffic import query_size

COMMON = (
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}"'
    " {rcode} {>rflags} {rsize} {duration}"
)
COMBINED = COMMON + ' "{>opcode}"'
EMPTY = "-"
"""What stands for a value that there is not."""


class Entry(NamedTuple):
    """What a line is about."""

    query: Query
    response: Response | None
    """None: the client got no reply at all."""
    size: int
    """Bytes of the reply before compression."""
    seconds: float
    """That it took to answer."""


Piece: TypeAlias = Callable[[Entry], str]
Labels: TypeAlias = Callable[[str, Entry], str | None]
"""From a label of *metadata* to what is known under it, None when nothing can be."""


class Format:
    """A format, read once."""

    def __init__(self, text: str, labels: Labels) -> None:
        text = text.replace("{common}", COMMON).replace("{combined}", COMBINED)
        self._pieces = _pieces(text, labels)

    def line(self, entry: Entry) -> str:
        """Return the line that ``entry`` gets."""
        return "".join(
            piece if isinstance(piece, str) else piece(entry) for piece in self._pieces
        )


def _pieces(text: str, labels: Labels) -> list[str | Piece]:
    """Return the plain and the changing pieces of a format.

    A placeholder begins at the last brace before the one that closes it; one that
    nobody knows stays as it is.
    """
    pieces: list[str | Piece] = []
    start = 0
    for end, sign in enumerate(text):
        if sign != "}":
            continue
        brace = text.rfind("{", start, end)
        placeholder = text[brace : end + 1] if brace >= 0 else ""
        piece = _VALUES.get(placeholder)
        if placeholder.startswith("{/"):
            piece = _label(placeholder[2:-1], labels)
        if piece is not None:
            pieces += (text[start:brace], piece)
        else:
            pieces.append(text[start : end + 1])
        start = end + 1
    return [*pieces, text[start:]]


def _label(label: str, labels: Labels) -> Piece:
    def piece(entry: Entry) -> str:
        value = labels(label, entry)
        return EMPTY if value is None else value

    return piece


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _buffer_size(query: Query) -> int:
    """Return the UDP size that the client offers; all there is over TCP."""
    if query.transport == "tcp":
        return 65535
    return max(512, query.opt.size if query.opt else 0)


def _rcode(response: Response | None) -> str:
    return rcode_name(response.rcode).removeprefix("RCODE") if response else EMPTY


def _flags(query: Query, response: Response | None) -> str:
    """Return the flags of the reply, RD and CD as the encoder will copy them."""
    if response is None:
        return EMPTY
    rd = query.flags & RD if response.rd is None else response.rd
    present = (
        ("qr", True),
        ("aa", response.aa),
        ("tc", response.tc),
        ("rd", rd),
        ("ra", response.ra),
        ("ad", response.ad),
        ("cd", query.flags & CD),
    )
    return ",".join(flag for flag, is_set in present if is_set)


def _seconds(seconds: float) -> str:
    """Return ``seconds`` in full, without an exponent (Go strconv 'f', -1)."""
    return (f"{seconds:.9f}".rstrip("0").rstrip(".") or "0") + "s"


_VALUES: dict[str, Piece] = {
    "{type}": lambda each: type_name(each.query.question.qtype),
    "{class}": lambda each: class_name(each.query.question.qclass),
    "{name}": lambda each: each.query.question.qname,
    "{proto}": lambda each: each.query.transport,
    "{size}": lambda each: str(query_size(each.query)),
    "{remote}": lambda each: _host(each.query.peer[0]),
    "{port}": lambda each: str(each.query.peer[1]),
    "{local}": lambda each: _host(each.query.local[0]),
    "{>id}": lambda each: str(each.query.id),
    "{>opcode}": lambda each: str(each.query.flags >> 11 & 15),
    "{>do}": lambda each: "true" if each.query.do else "false",
    "{>bufsize}": lambda each: str(_buffer_size(each.query)),
    "{rcode}": lambda each: _rcode(each.response),
    "{rsize}": lambda each: str(each.size),
    "{duration}": lambda each: _seconds(each.seconds),
    "{>rflags}": lambda each: _flags(each.query, each.response),
}
