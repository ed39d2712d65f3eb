"""Messages and their parts, put together by hand: nothing here minds being wrong."""

import struct

from minidns.dns import names
from tests.survival.world import GOOD

ID = b"\x42\x42"


def header(qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0, *, flags: int = 0x0100, ident: bytes = ID) -> bytes:
    return ident + struct.pack("!5H", flags, qd, an, ns, ar)


def labels(*parts: bytes) -> bytes:
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def question(name: bytes | str = GOOD, qtype: int = 1, qclass: int = 1) -> bytes:
    wire = names.to_wire(name) if isinstance(name, str) else name
    return wire + struct.pack("!HH", qtype, qclass)


def asked(name: bytes | str = GOOD, qtype: int = 1, qclass: int = 1, flags: int = 0x0100) -> bytes:
    return header(flags=flags) + question(name, qtype, qclass)


def record(
    name: bytes = labels(b"poison", b"example"),
    rtype: int = 1,
    data: bytes = b"\x06\x06\x06\x06",
    *,
    rclass: int = 1,
    ttl: int = 300,
    length: int | None = None,
) -> bytes:
    size = len(data) if length is None else length
    return name + struct.pack("!HHIH", rtype, rclass, ttl, size) + data


def opt(
    options: bytes = b"", *, size: int = 1232, ttl: int = 0, name: bytes = b"\0", length: int | None = None
) -> bytes:
    return record(name, 41, options, rclass=size, ttl=ttl, length=length)


def option(code: int, data: bytes = b"") -> bytes:
    return struct.pack("!HH", code, len(data)) + data


def with_opt(options: bytes = b"", **more: int) -> bytes:
    return header(ar=1) + question() + opt(options, **more)  # type: ignore[arg-type]


def tsig(mac: bytes = bytes(32), *, ttl: int = 0, rclass: int = 255) -> bytes:
    data = labels(b"hmac-sha256") + struct.pack("!6sHH", bytes(6), 300, len(mac)) + mac
    data += ID + struct.pack("!HH", 0, 0)
    return record(labels(b"key"), 250, data, rclass=rclass, ttl=ttl)


def more(*records: bytes, an: int = 0, ns: int = 0) -> bytes:
    return header(an=an, ns=ns, ar=len(records) - an - ns) + question() + b"".join(records)
