"""The OPT of a query read strictly, and OPTs written (RFC 6891).

What is in an option is looked at where its RFC says what it has to be, and where
CoreDNS refuses it: a server that echoes options must not echo any bytes at all.
"""

import struct
from functools import lru_cache

from minidns.dns.model import FormatError, Opt
from minidns.dns.rdata import OPT

_HEAD = struct.Struct("!BHHBBHH")
"""Root name, type, size, extended rcode, version, flags, length (RFC 6891 6.1.2)."""
_OPTION = struct.Struct("!HH")
_DO = 0x8000
_MAX_OPTIONS = 32  # a client sends two or three; more is work for nothing

SUBNET, EXPIRE, COOKIE, KEEPALIVE = 8, 9, 10, 11
_CHECKED = frozenset((SUBNET, EXPIRE, COOKIE, KEEPALIVE))
_PREFIXES = {1: 32, 2: 128}
"""Bits of an address by its family (RFC 7871 6); family 0 has none."""


def read_opt(wire: bytes, at: int) -> tuple[Opt, int]:
    """Return the OPT whose root name is at ``at``, and where it ends.

    Raises:
        FormatError: it or an option in it is not as long as it says, there are too
            many, or one is malformed; then the reply carries an OPT.
        struct.error: past the end.

    """
    _, _, size, _, version, flags, length = _HEAD.unpack_from(wire, at)
    at += _HEAD.size
    end = at + length
    if end > len(wire):
        raise FormatError("OPT runs past the end")
    if not length:
        return Opt(size, bool(flags & _DO), (), version), end
    options: list[tuple[int, bytes]] = []
    while at < end:
        code, length = _OPTION.unpack_from(wire, at)
        at += 4 + length
        if at > end or len(options) == _MAX_OPTIONS:
            raise FormatError("EDNS option runs past the OPT, or too many of them")
        data = wire[at - length : at]
        if code in _CHECKED and not _is_sound(code, data):
            raise FormatError("malformed EDNS option", record=encode_opt(Opt(size)))
        options.append((code, data))
    return Opt(size, bool(flags & _DO), tuple(options), version), end


def _is_sound(code: int, data: bytes) -> bool:
    size = len(data)
    if code == COOKIE:
        return size == 8 or 16 <= size <= 40  # RFC 7873 4; unlike CoreDNS: any size
    if code == SUBNET:
        return size >= 4 and _is_sound_subnet(data)
    if code == EXPIRE:
        return size in (0, 4)  # RFC 7314 2
    return size in (0, 2)  # KEEPALIVE (RFC 7828 3.1)


def _is_sound_subnet(data: bytes) -> bool:
    most = _PREFIXES.get(int.from_bytes(data[:2]), 0)
    return data[2] <= most and data[3] <= most and (most > 0 or data[:2] == b"\0\0")


def encode_opt(opt: Opt, extended: int = 0) -> bytes:
    """Return ``opt`` as a record; ``extended`` is the upper part of the rcode."""
    size, do, options, _ = opt
    if not options:
        return bare_opt(size, do, extended)
    packed = b"".join(_OPTION.pack(code, len(data)) + data for code, data in options)
    flags = _DO if do else 0
    return _HEAD.pack(0, OPT, size, extended, 0, flags, len(packed)) + packed


@lru_cache(maxsize=256)  # never of options: a client may make 64 KB of them
def bare_opt(size: int, do: bool, extended: int) -> bytes:
    """Return an OPT without options as a record."""
    return _HEAD.pack(0, OPT, size, extended, 0, _DO if do else 0, 0)
