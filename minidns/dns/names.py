r"""Domain names as text: absolute, lower-case, with RFC 1035 5.1 escapes.

A Name ends in a dot; the root is ``.``. A byte that is not a letter, digit or
harmless sign stands as ``\.`` (a sign with a meaning in zone files) or ``\DDD``, so
that a Name may be shown anywhere: no control byte, no space, no quote gets through.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from minidns.dns.model import Name

_PLAIN = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    b"-_!#$%&*+,/:<=>?[]^`{|}~"
)
"""Bytes that stand for themselves in text."""
_DELETE_PLAIN = bytes(sorted(_PLAIN)) + b"."
_ESCAPED = frozenset(b".'@;()\"\\")
"""Bytes escaped with a backslash; the rest become backslash and three digits."""
_SHOWN = tuple(
    chr(byte)
    if byte in _PLAIN
    else f"\\{chr(byte)}"
    if byte in _ESCAPED
    else f"\\{byte:03}"
    for byte in range(256)
)
"""How each byte stands in text."""
_MEANT = {b"%03d" % byte: bytes((byte,)) for byte in range(256)}
_LABEL = re.compile(r"(?:\\\d{3}|\\.|[^.\\])+")
_ESCAPE = re.compile(rb"\\([0-9]{3}|.)", re.DOTALL)

MAX_NAME = 255
"""Bytes of a name on the wire (RFC 1035 2.3.4)."""
MAX_LABEL = 63


def text(labels: Iterable[bytes]) -> str:
    r"""Return the absolute name of ``labels``, letters' case kept.

    >>> text([b"a.b", b"c d", b"Org"])
    'a\\.b.c\\032d.Org.'
    """
    parts = tuple(labels)
    joined = b".".join(parts)
    if joined.translate(None, _DELETE_PLAIN) or joined.count(b".") != len(parts) - 1:
        return "".join(escaped(label) + "." for label in parts) or "."
    return joined.decode("ascii") + "."


def escaped(label: bytes) -> str:
    r"""Return one label as text, letters' case kept.

    >>> escaped(b"a.b")
    'a\\.b'
    """
    if label.translate(None, _DELETE_PLAIN) or b"." in label:
        return "".join(map(_SHOWN.__getitem__, label))
    return label.decode("ascii")


def labels(name: str) -> list[str]:
    r"""Return the labels of ``name``, leftmost first, escapes kept.

    >>> labels("a\\.b.example.org.")
    ['a\\.b', 'example', 'org']
    """
    if "\\" in name:
        return _LABEL.findall(name)
    return [label for label in name.split(".") if label]


def _unescape(label: str) -> bytes:
    raw = label.encode("utf-8")
    return _ESCAPE.sub(_meant, raw) if "\\" in label else raw


def _meant(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) < 3:
        return code
    if code not in _MEANT:
        raise ValueError(f"escape \\{code.decode()} is above 255")
    return _MEANT[code]


def to_wire(name: str) -> bytes:
    r"""Return ``name`` as uncompressed labels (RFC 1035 3.1), letters' case kept.

    >>> to_wire("a.org.")
    b'\x01a\x03org\x00'

    Raises:
        ValueError: an empty label, one over 63 bytes, or more than 255 bytes in all.

    """
    # names that no host has are asked by strangers only, and five times as long
    return _escaped_to_wire(name) if "\\" in name else _plain_to_wire(name)


def _to_wire(name: str) -> bytes:
    if name == ".":
        return b"\0"
    raw = _labels_of(name)
    if len(raw) < 2 or raw.pop() or not all(raw):
        raise ValueError(f"{name}: empty label, or no dot at the end")
    try:
        out = b"".join([_LENGTHS[len(label)] + label for label in raw]) + b"\0"
    except IndexError:
        text = f"{name}: a label is longer than {MAX_LABEL} bytes"
        raise ValueError(text) from None
    if len(out) > MAX_NAME:
        raise ValueError(f"{name}: longer than {MAX_NAME} bytes")
    return out


def is_sendable(name: str) -> bool:
    """Return whether a message can hold ``name``; see ``to_wire``."""
    try:
        return bool(to_wire(name))
    except ValueError:
        return False


_LENGTHS = tuple(bytes((length,)) for length in range(MAX_LABEL + 1))


def _labels_of(name: str) -> list[bytes]:
    """Return the labels, escapes undone; last what is after the last dot."""
    if "\\" not in name:
        return name.encode().split(b".")
    parts = labels(name)
    if len(".".join(parts)) + 1 != len(name):
        return []
    return [*map(_unescape, parts), b""]


_plain_to_wire = lru_cache(maxsize=16384)(_to_wire)
_escaped_to_wire = lru_cache(maxsize=128)(_to_wire)


def wire_size(name: str) -> int:
    r"""Return how many bytes ``to_wire`` makes of ``name``.

    >>> wire_size("a.org."), wire_size("."), wire_size("\\046.")
    (7, 1, 3)
    """
    if "\\" in name or name == ".":
        return len(to_wire(name))
    return len(name) + 1  # a length for each dot, and the root


def from_wire(wire: bytes, at: int = 0) -> str:
    """Return the uncompressed name that starts at ``at`` in ``wire``, case kept.

    Raises:
        ValueError: it runs past the end, or is compressed.

    """
    parts: list[bytes] = []
    while True:
        if at >= len(wire):
            raise ValueError("name runs past the end")
        size = wire[at]
        if not size:
            return text(parts)
        if size > MAX_LABEL or at + size >= len(wire):
            raise ValueError("label runs past the end or is of an unknown type")
        parts.append(wire[at + 1 : at + 1 + size])
        at += size + 1


read = lru_cache(maxsize=1024)(from_wire)
"""``from_wire`` for names that come again: of zones, and what many aliases lead to."""


def absolute(name: str) -> Name:
    """Return ``name`` in lower case with its trailing dot.

    >>> absolute("Example.Org")
    'example.org.'
    """
    name = name.lower()
    return name if name.endswith(".") and not name.endswith("\\.") else name + "."


def is_below(name: Name, zone: Name) -> bool:
    """Return whether ``name`` is at or below ``zone``, label by label.

    >>> is_below("xcluster.local.", "cluster.local.")
    False
    """
    if zone == ".":
        return True
    end = f".{zone}"
    if not name.endswith(end):
        return name == zone
    if "\\" in name and name[: -len(end)].endswith("\\"):
        # that dot may be part of a label
        return labels(name)[-len(labels(zone)) :] == labels(zone)
    return True


def parent(name: Name) -> Name:
    """Return ``name`` without its leftmost label; the root is its own parent."""
    return ".".join(labels(name)[1:]) + "." if name != "." else "."


def longest(zones: Iterable[Name], name: Name) -> Name | None:
    """Return the zone with the most labels that ``name`` is at or below, if any."""
    matches = [zone for zone in zones if is_below(name, zone)]
    return max(matches, key=len, default=None)


def reverse(address: str) -> Name:
    """Return the name that PTR records of ``address`` stand at.

    >>> reverse("10.96.0.1")
    '1.0.96.10.in-addr.arpa.'

    Raises:
        ValueError: not an IP address.

    """
    return ipaddress.ip_address(address).reverse_pointer + "."


def respelled(name: str, zone: Name, spelled: str) -> str:
    """Return ``name`` with the part that is ``zone`` in the letters of ``spelled``.

    ``spelled`` is any name at or below the zone, as somebody wrote it.

    >>> respelled("ns.dns.cluster.local.", "cluster.local.", "x.Cluster.LOCAL.")
    'ns.dns.Cluster.LOCAL.'
    """
    if zone == "." or not is_below(name.lower(), zone):
        return name
    return name[: len(name) - len(zone)] + spelled[len(spelled) - len(zone) :]
