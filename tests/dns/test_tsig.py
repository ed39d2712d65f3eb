import struct

import dns.message
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest

from minidns.dns.model import FormatError, Rcode
from minidns.dns.wire import decode_query, error_reply
from tests.table import table

KEYRING = dns.tsigkeyring.from_text({"transfer.example.org.": "c2VjcmV0c2VjcmV0"})


def signed(**edns: int) -> bytes:
    message = dns.message.make_query("a.example.org.", "A", **edns)  # type: ignore[arg-type]
    message.use_tsig(KEYRING)
    return message.to_wire()


def record(
    owner: bytes = b"\3key\0",
    algorithm: bytes = b"\3md5\0",
    mac: bytes = b"mac",
    *,
    rclass: int = 255,
    ttl: int = 0,
    size: int | None = None,
    more: bytes = b"",
) -> bytes:
    data = (
        algorithm
        + struct.pack("!6sHH", bytes(6), 300, len(mac) if size is None else size)
        + mac
        + struct.pack("!3H", 7, 0, 0)
        + more
    )
    return owner + struct.pack("!HHIH", 250, rclass, ttl, len(data)) + data


def query_with(*records: bytes) -> bytes:
    plain = dns.message.make_query("a.example.org.", "A").to_wire()
    return plain[:11] + bytes((len(records),)) + plain[12:] + b"".join(records)


@pytest.mark.parametrize("wire", [signed(), signed(use_edns=0)], ids=["plain", "edns"])
def test_an_unknown_key_is_not_authorized(wire: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    assert caught.value.rcode == Rcode.NOTAUTH
    reply = error_reply(wire, caught.value.rcode, caught.value.record)
    assert len(reply) < len(wire)
    parsed = dns.message.from_wire(reply, keyring=False)
    assert parsed.rcode() == dns.rcode.NOTAUTH
    assert parsed.id == int.from_bytes(wire[:2])
    assert parsed.tsig is not None
    (tsig,) = parsed.tsig
    assert parsed.tsig.name.to_text() == "transfer.example.org."
    assert (tsig.error, tsig.mac, tsig.original_id) == (17, b"", parsed.id)


def test_the_least_signed_query_is_longer_than_its_refusal() -> None:
    wire = query_with(record(mac=b""))
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    assert caught.value.rcode == Rcode.NOTAUTH
    assert len(error_reply(wire, 9, caught.value.record)) <= len(wire)


def test_a_compressed_owner_does_not_make_the_refusal_longer() -> None:
    name = b"\x3f" + b"x" * 63 + b"\0"
    head = struct.pack("!6H", 1, 0, 1, 0, 0, 1)
    wire = head + name + b"\0\1\0\1" + record(owner=b"\1a" * 90 + b"\xc0\x0c", mac=b"")
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    assert len(error_reply(wire, 9, caught.value.record)) <= len(wire)


OPT = struct.pack("!BHHIH", 0, 41, 1232, 0, 0)
MALFORMED = {
    "not-last": query_with(record(), OPT),
    "two": query_with(record(), record()),
    "garbage": query_with(b"\3key\0" + struct.pack("!HHIH", 250, 255, 0, 4) + b"junk"),
    "class-IN": query_with(record(rclass=1)),
    "ttl": query_with(record(ttl=1)),
    "owner-points-to-itself": query_with(record(owner=b"\xc0\x21")),
    "algorithm-compressed": query_with(record(algorithm=b"\xc0\x0c")),
    "signature-past-the-end": query_with(record(size=600)),
    "bytes-left-over": query_with(record(more=b"x")),
    "nothing-behind-the-owner": query_with(b"\3key\0\0\xfa"),
}


@table("wire", MALFORMED.values(), ids=MALFORMED)
def test_malformed(wire: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    assert (caught.value.rcode, caught.value.record) == (Rcode.FORMERR, b"")
