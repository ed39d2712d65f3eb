r"""Domain names as text: absolute, lower-case, with RFC 1035 5.1 escapes.

A Name ends in a dot; the root is ``.``. A byte other than a letter, a digit or a
harmless sign is written as ``\.`` (signs with a meaning in zone files) or ``\DDD``, so
that a Name is safe to show anywhere: it has no control bytes, spaces or quotes.
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
"""Bytes that are not escaped in text."""
_DELETE_PLAIN = bytes(sorted(_PLAIN)) + b"."
_ESCAPED = frozenset(b".'@;()\"\\")
"""Bytes escaped by a backslash; others become a backslash and three digits."""
_TEXT = tuple(
    chr(byte)
    if byte in _PLAIN
    else f"\\{chr(byte)}"
    if byte in _ESCAPED
    else f"\\{byte:03}"
    for byte in range(256)
)
"""The text form of each byte."""
_UNESCAPED = {b"%03d" % byte: bytes((byte,)) for byte in range(256)}
_LABEL = re.compile(r"(?:\\\d{3}|\\.|[^.\\])+")
_ESCAPE = re.compile(rb"\\([0-9]{3}|.)", re.DOTALL)

MAX_NAME = 255
"""Maximum size of a name in wire form in bytes (RFC 1035 2.3.4)."""
MAX_LABEL = 63


def text(labels: Iterable[bytes]) -> str:
    r"""Return the absolute name of ``labels`` with unchanged case.

    >>> text([b"a.b", b"c d", b"Org"])
    'a\\.b.c\\032d.Org.'
    """
    parts = tuple(labels)
    joined = b".".join(parts)
    if joined.translate(None, _DELETE_PLAIN) or joined.count(b".") != len(parts) - 1:
        return "".join(escaped(label) + "." for label in parts) or "."
    return joined.decode("ascii") + "."


def escaped(label: bytes) -> str:
    r"""Return one label as text with unchanged case.

    >>> escaped(b"a.b")
    'a\\.b'
    """
    if label.translate(None, _DELETE_PLAIN) or b"." in label:
        return "".join(map(_TEXT.__getitem__, label))
    return label.decode("ascii")


def labels(name: str) -> list[str]:
    r"""Return the labels of ``name``, leftmost first, with their escapes.

    >>> labels("a\\.b.example.org.")
    ['a\\.b', 'example', 'org']
    """
    if "\\" in name:
        return _LABEL.findall(name)
    return [label for label in name.split(".") if label]


def _unescape(label: str) -> bytes:
    raw = label.encode("utf-8")
    return _ESCAPE.sub(_unescaped, raw) if "\\" in label else raw


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) < 3:
        return code
    if code not in _UNESCAPED:
        raise ValueError(f"escape \\{code.decode()} is above 255")
    return _UNESCAPED[code]


def to_wire(name: str) -> bytes:
    r"""Return ``name`` as uncompressed labels (RFC 1035 3.1), with unchanged case.

    >>> to_wire("a.org.")
    b'\x01a\x03org\x00'

    Raises:
        ValueError: an empty label, one over 63 bytes, or more than 255 bytes in all.

    """
    # separate caches: names with escapes are rare, and up to five times as long
    return _escaped_to_wire(name) if "\\" in name else _plain_to_wire(name)


def _to_wire(name: str) -> bytes:
    if name == ".":
        return b"\0"
    raw = _labels_of(name)
    if len(raw) < 2 or raw.pop():
        raise ValueError(f"{name}: no dot at the end")
    if not all(raw):
        raise ValueError(f"{name}: empty label")
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
    """Return the unescaped labels, and the text after the last dot."""
    if "\\" not in name:
        return name.encode().split(b".")
    parts = labels(name)
    if len(".".join(parts)) + 1 != len(name):
        return []
    return [*map(_unescape, parts), b""]


_plain_to_wire = lru_cache(maxsize=16384)(_to_wire)
_escaped_to_wire = lru_cache(maxsize=128)(_to_wire)


def wire_size(name: str) -> int:
    r"""Return the size of ``name`` in wire form in bytes.

    >>> wire_size("a.org."), wire_size("."), wire_size("\\046.")
    (7, 1, 3)
    """
    if "\\" in name or name == ".":
        return len(to_wire(name))
    return len(name) + 1  # one length byte per dot, and the root label


def from_wire(wire: bytes, at: int = 0) -> str:
    """Return the uncompressed name at ``at`` in ``wire``, with unchanged case.

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
"""``from_wire`` with a cache, for names that recur: zones and targets of aliases."""


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
        # an escaped dot is part of a label
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
    """Return the owner name of PTR records for ``address``.

    >>> reverse("10.96.0.1")
    '1.0.96.10.in-addr.arpa.'

    Raises:
        ValueError: not an IP address.

    """
    return ipaddress.ip_address(address).reverse_pointer + "."
