import struct

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.edns import encode_opt, read_opt
from minidns.dns.model import FormatError, Opt
from minidns.dns.wire import decode_query, error_reply
from tests.table import table

COOKIE, SUBNET, EXPIRE, KEEPALIVE, PADDING, UNKNOWN = 10, 8, 9, 11, 12, 65001


def query_with_option(code: int, data: bytes) -> bytes:
    option = dns.edns.GenericOption(dns.edns.OptionType.make(code), data)
    return dns.message.make_query("a.org.", "A", use_edns=0, payload=1400, options=[option]).to_wire()


SOUND = {
    "cookie-of-a-client": (COOKIE, bytes(8)),
    "cookie-with-the-servers": (COOKIE, bytes(16)),
    "cookie-longest": (COOKIE, bytes(40)),
    "subnet-ipv4": (SUBNET, b"\0\1\x18\0\x0a\0\0"),
    "subnet-ipv6": (SUBNET, b"\0\2\x38\0" + bytes(7)),
    "subnet-none": (SUBNET, b"\0\0\0\0"),
    "expire-asked": (EXPIRE, b""),
    "expire-given": (EXPIRE, bytes(4)),
    "keepalive-asked": (KEEPALIVE, b""),
    "keepalive-given": (KEEPALIVE, bytes(2)),
    "padding": (PADDING, bytes(100)),
    "unknown": (UNKNOWN, b"anything"),
}


@table(("code", "data"), SOUND.values(), ids=SOUND)
def test_sound_options_are_read(code: int, data: bytes) -> None:
    assert decode_query(query_with_option(code, data)).opt == Opt(1400, False, ((code, data),))


MALFORMED = {
    "cookie-7": (COOKIE, bytes(7)),
    "cookie-9": (COOKIE, bytes(9)),
    "cookie-12": (COOKIE, bytes(12)),
    "cookie-41": (COOKIE, bytes(41)),
    "subnet-too-short": (SUBNET, b"\0\1\x18"),
    "subnet-family-9": (SUBNET, b"\0\x09\x18\0\x0a\0\0"),
    "subnet-prefix-33": (SUBNET, b"\0\1\x21\0" + bytes(5)),
    "subnet-scope-33": (SUBNET, b"\0\1\x18\x21\x0a\0\0"),
    "subnet-prefix-129": (SUBNET, b"\0\2\x81\0" + bytes(17)),
    "subnet-prefix-of-no-family": (SUBNET, b"\0\0\x08\0\x0a"),
    "expire-3": (EXPIRE, bytes(3)),
    "keepalive-1": (KEEPALIVE, bytes(1)),
}


@table(("code", "data"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_options_are_format_errors_with_an_opt(code: int, data: bytes) -> None:
    wire = query_with_option(code, data)
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    reply = error_reply(wire, caught.value.rcode, caught.value.record)
    assert len(reply) == 23 < len(wire)
    parsed = dns.message.from_wire(reply)
    assert parsed.rcode() == dns.rcode.FORMERR
    assert (parsed.edns, parsed.payload, parsed.options) == (0, 1400, ())


OPTS = st.builds(
    Opt,
    st.integers(0, 65535),
    st.booleans(),
    st.lists(st.tuples(st.integers(13, 65535), st.binary(max_size=40)), max_size=8).map(tuple),
    st.just(0),
)


@given(OPTS)
def test_encoded_opt_is_decoded_again(opt: Opt) -> None:
    wire = encode_opt(opt)
    assert read_opt(wire, 0) == (opt, len(wire))


@given(st.binary(max_size=60), st.integers(0, 70))
def test_any_bytes_at_all(data: bytes, length: int) -> None:
    wire = struct.pack("!BHHIH", 0, 41, 1232, 0, length) + data
    try:
        opt, end = read_opt(wire, 0)
    except (FormatError, struct.error):
        return
    assert end == 11 + length <= len(wire)
    assert sum(4 + len(data) for _, data in opt.options) == length


def test_the_upper_part_of_an_rcode() -> None:
    record = encode_opt(Opt(1232, True), 1)
    assert record == b"\0\0\x29\x04\xd0\x01\0\x80\0\0\0"


def test_options_are_not_cached() -> None:
    before = encode_opt(Opt(1, False, ((12, bytes(60000)),)))
    assert before is not encode_opt(Opt(1, False, ((12, bytes(60000)),)))
