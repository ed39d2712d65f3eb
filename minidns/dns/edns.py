"""Strict parsing of the OPT in a query, and encoding of OPTs (RFC 6891).

The data of an option is checked if its RFC defines the format and CoreDNS checks it: a
server that echoes options must not echo arbitrary bytes.
"""

import struct
from functools import lru_cache

from minidns.dns.model import FormatError, Opt
from minidns.dns.rdata import OPT

_HEAD = struct.Struct("!BHHBBHH")
"""Root name, type, size, extended rcode, version, flags, length (RFC 6891 6.1.2)."""
_OPTION = struct.Struct("!HH")
_DO = 0x8000
_MAX_OPTIONS = 32  # clients send two or three; more would only cost time

NSID, SUBNET, EXPIRE, COOKIE, KEEPALIVE, EDE = 3, 8, 9, 10, 11, 15
"""Codes of options; EDE is the Extended DNS Error (RFC 8914 2)."""
_CHECKED = frozenset((SUBNET, EXPIRE, COOKIE, KEEPALIVE))
_PREFIXES = {1: 32, 2: 128}
"""Address length in bits by family (RFC 7871 6); family 0 has no address."""


def read_opt(wire: bytes, at: int) -> tuple[Opt, int]:
    """Return the OPT whose root name is at ``at``, and the offset of its end.

    Raises:
        FormatError: a length is wrong, there are too many options, or one of them is
            malformed; in the last case the reply carries an OPT.
        struct.error: the OPT runs past the end of the message.

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


@lru_cache(maxsize=256)  # no options in the cache: a client may send 64 KB of them
def bare_opt(size: int, do: bool, extended: int) -> bytes:
    """Return an OPT without options as a record."""
    return _HEAD.pack(0, OPT, size, extended, 0, _DO if do else 0, 0)
