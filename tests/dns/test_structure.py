"""Record data of an upstream's reply that does not have the structure of its type."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.model import TC, FormatError, Question
from minidns.dns.reply import CutShort, decode_reply
from minidns.dns.structure import STRUCTURES
from minidns.dns.wire import encode_query
from minidns.upstream.acceptance import Doubtful, SentQuery
from tests.table import table

QUESTION = Question("a.example.", 1)
HEADER = struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
SENT = b"\1a\7example\0\0\1\0\1"


def reply(rtype: int, data: bytes) -> bytes:
    record = struct.pack("!2sHHIH", b"\xc0\x0c", rtype, 1, 60, len(data))
    return HEADER + SENT + record + data


# Type, data in hexadecimal, and what CoreDNS 1.14.7 does with it: the answers of a real
# one were "ok" as they came, "cut" TC by UDP and SERVFAIL by TCP, "bad" SERVFAIL
ROWS = [
    pytest.param(16, "01 61 02 6263", "ok", id="TXT"),
    pytest.param(16, "", "ok", id="TXT without a string"),
    pytest.param(16, "09 6263", "cut", id="TXT longer than its data"),
    pytest.param(16, "01 61 05 62", "cut", id="TXT second string longer"),
    pytest.param(99, "09 6263", "cut", id="SPF longer than its data"),
    pytest.param(13, "01 61 00", "ok", id="HINFO"),
    pytest.param(13, "05 61 00", "cut", id="HINFO first string longer"),
    pytest.param(13, "01 61 09 62", "cut", id="HINFO second string longer"),
    pytest.param(13, "01 61 01 62 01 63", "bad", id="HINFO with a third string"),
    pytest.param(19, "09 31", "cut", id="X25 longer"),
    pytest.param(19, "01 31 00", "bad", id="X25 with more behind"),
    pytest.param(20, "01 31 01 32", "ok", id="ISDN"),
    pytest.param(20, "01 31", "ok", id="ISDN without the subaddress"),
    pytest.param(20, "01 31 05 32", "cut", id="ISDN subaddress longer"),
    pytest.param(27, "01 31 01 32 01 33", "ok", id="GPOS"),
    pytest.param(27, "01 31 01 32 09 33", "cut", id="GPOS third longer"),
    pytest.param(100, "04 31", "cut", id="UINFO longer"),
    pytest.param(35, "0001 0002 ff 73", "cut", id="NAPTR string longer than the data"),
    pytest.param(257, "00 05 6973737565 61", "ok", id="CAA"),
    pytest.param(257, "00 09 6973", "cut", id="CAA tag longer"),
    pytest.param(29, "00 12 16 13 8af18380 80000000 00989680", "ok", id="LOC"),
    pytest.param(29, "00 12 16 13 8af18380 80000000 009896", "cut", id="LOC of 15 bytes"),
    pytest.param(29, "00 12 16 13 8af18380 80000000 00989680 00", "bad", id="LOC of 17 bytes"),
    pytest.param(43, "0001 08 02 abcd", "ok", id="DS"),
    pytest.param(43, "00", "cut", id="DS of one byte"),
    pytest.param(48, "01", "cut", id="DNSKEY of one byte"),
    pytest.param(37, "000300", "cut", id="CERT of three bytes"),
    pytest.param(44, "01 01 ab", "ok", id="SSHFP"),
    pytest.param(256, "000100", "cut", id="URI of three bytes"),
    pytest.param(63, "000100", "cut", id="ZONEMD of three bytes"),
    pytest.param(101, "000100", "cut", id="UID of 3"),
    pytest.param(101, "0001000000", "bad", id="UID of 5"),
    pytest.param(108, "0001000000", "cut", id="EUI48 of 5"),
    pytest.param(108, "00010000000000", "bad", id="EUI48 of 7"),
    pytest.param(109, "00010000000000", "cut", id="EUI64 of 7"),
    pytest.param(109, "000100000000000000", "bad", id="EUI64 of 9"),
    pytest.param(104, "000100000000000000", "cut", id="NID of 9"),
    pytest.param(105, "0001000000", "cut", id="L32 of 5"),
    pytest.param(105, "00010000000000", "bad", id="L32 of 7"),
    pytest.param(106, "0001000000000000000000", "bad", id="L64 of 11"),
    pytest.param(107, "000a 0161 00", "ok", id="LP"),
    pytest.param(107, "000a 0961", "bad", id="LP name longer"),
    pytest.param(107, "000a 0161 00 00", "bad", id="LP more behind"),
    pytest.param(58, "0161 00 0162 00", "ok", id="TALINK"),
    pytest.param(58, "0161 00 0162 00 00", "bad", id="TALINK more behind"),
    pytest.param(47, "0161 00 00 06 400100000003", "ok", id="NSEC"),
    pytest.param(47, "0161 00", "ok", id="NSEC without types"),
    pytest.param(47, "0161 00 00", "cut", id="NSEC window alone"),
    pytest.param(47, "0161 00 00 06 4001", "cut", id="NSEC window longer"),
    pytest.param(47, "0161 00 00 00", "bad", id="NSEC empty window"),
    pytest.param(47, "0161 00 00 21" + "40" * 33, "bad", id="NSEC window of 33"),
    pytest.param(47, "0161 00 01 01 40 00 01 40", "bad", id="NSEC windows out of order"),
    pytest.param(47, "0161 00 00 01 40 00 01 40", "bad", id="NSEC window twice"),
    pytest.param(30, "0161 00 00 06 4001", "cut", id="NXT window longer"),
    pytest.param(50, "01 01 000c 01 aa 02 abcd 00 01 40", "ok", id="NSEC3"),
    pytest.param(50, "01 01 000c 09 aa", "cut", id="NSEC3 salt longer"),
    pytest.param(50, "01 01 000c 01 aa 09 ab", "cut", id="NSEC3 hash longer"),
    pytest.param(50, "01 01 000c 01 aa 01 ab 00 09 40", "cut", id="NSEC3 bitmap longer"),
    pytest.param(51, "01 00 000a 01 ab", "ok", id="NSEC3PARAM"),
    pytest.param(51, "01 00 000a 05 ab", "cut", id="NSEC3PARAM salt longer"),
    pytest.param(51, "01 00 000a 01 ab 00", "bad", id="NSEC3PARAM more behind"),
    pytest.param(62, "00000042 0003 00 04 60000008", "ok", id="CSYNC"),
    pytest.param(62, "00000042 0003 00 04 60", "cut", id="CSYNC bitmap longer"),
    pytest.param(62, "00000042 0003 00 00", "bad", id="CSYNC empty window"),
    pytest.param(42, "0001 18 03 c00002 0002 20 84 20010db8", "ok", id="APL"),
    pytest.param(42, "", "ok", id="APL without an item"),
    pytest.param(42, "0001 63", "cut", id="APL of three bytes"),
    pytest.param(42, "0001 18 03 c000", "cut", id="APL address longer than the data"),
    pytest.param(42, "0001 18 05 c000020101", "bad", id="APL address longer than the family's"),
    pytest.param(42, "0001 21 01 c0", "bad", id="APL prefix too long"),
    pytest.param(42, "0003 08 01 c0", "bad", id="APL unknown family"),
    pytest.param(42, "0001 18 03 c00000", "bad", id="APL final zero"),
    pytest.param(45, "0a 00 02 abcd", "ok", id="IPSECKEY without a gateway"),
    pytest.param(45, "0a 01 02 c0000226 010203", "ok", id="IPSECKEY IPv4"),
    pytest.param(45, "0a 01 02 c00002", "cut", id="IPSECKEY IPv4 cut"),
    pytest.param(45, "0a 02 02 c00002", "cut", id="IPSECKEY IPv6 cut"),
    pytest.param(45, "0a 03 02 0161 00 ab", "ok", id="IPSECKEY name"),
    pytest.param(45, "0a 03 02 0961", "bad", id="IPSECKEY name cut"),
    pytest.param(260, "0a 03 0161 00", "ok", id="AMTRELAY"),
    pytest.param(260, "0a 01 c00002", "cut", id="AMTRELAY IPv4 cut"),
    pytest.param(260, "0a 01 c000020101", "bad", id="AMTRELAY IPv4 longer"),
    pytest.param(55, "02 02 0003 abcd 010203 0161 00", "ok", id="HIP"),
    pytest.param(55, "09 02 0003 abcd 0102", "cut", id="HIP identity longer"),
    pytest.param(55, "02 02 0009 abcd 0102", "cut", id="HIP key longer"),
    pytest.param(55, "02 02 0003 abcd 010203 0961", "bad", id="HIP server cut"),
    pytest.param(65, "0001 00 0001 0006 02 6833 02 6832", "ok", id="HTTPS"),
    pytest.param(65, "0001 00", "ok", id="HTTPS without parameters"),
    pytest.param(65, "0001 00 0001", "cut", id="HTTPS key alone"),
    pytest.param(65, "0001 00 0001 0006 02", "cut", id="HTTPS value longer"),
    pytest.param(65, "0001 00 0003 0002 0050 0001 0003 02 6833", "bad", id="HTTPS keys out of order"),
    pytest.param(65, "0001 00 0003 0002 0050 0003 0002 0050", "bad", id="HTTPS key twice"),
    pytest.param(65, "0001 00 ffff 0000", "bad", id="HTTPS key 65535"),
    pytest.param(65, "0001 00 0000 0003 000100", "bad", id="HTTPS mandatory of 3"),
    pytest.param(65, "0001 00 0001 0003 09 6833", "cut", id="HTTPS alpn longer than its value"),
    pytest.param(65, "0001 00 0002 0001 00", "bad", id="HTTPS no-default-alpn with a value"),
    pytest.param(65, "0001 00 0003 0001 00", "bad", id="HTTPS port of 1"),
    pytest.param(65, "0001 00 0003 0003 000000", "bad", id="HTTPS port of 3"),
    pytest.param(65, "0001 00 0004 0000", "bad", id="HTTPS no ipv4hint"),
    pytest.param(65, "0001 00 0004 0005 c000020100", "bad", id="HTTPS ipv4hint of 5"),
    pytest.param(65, "0001 00 0006 0000", "bad", id="HTTPS no ipv6hint"),
    pytest.param(65, "0001 00 0006 000f" + "20" * 15, "bad", id="HTTPS ipv6hint of 15"),
    pytest.param(65, "0001 00 0006 0010" + "00" * 10 + "ffffc0000201", "bad", id="HTTPS ipv6hint that is IPv4"),
    pytest.param(65, "0001 00 0007 0001 ff", "ok", id="HTTPS any dohpath"),
    pytest.param(65, "0001 00 0008 0001 00", "bad", id="HTTPS ohttp with a value"),
    pytest.param(65, "0001 00 0400 0001 00", "ok", id="HTTPS unknown key"),
    pytest.param(64, "0001 00 0001 0006 02", "cut", id="SVCB value longer"),
    pytest.param(128, "00", "bad", id="NXNAME with data"),
    pytest.param(249, "0161 00" + "00" * 12 + "0001 ab 0000", "ok", id="TKEY"),
    pytest.param(249, "0161 00" + "00" * 12 + "0009 ab", "cut", id="TKEY key longer"),
    pytest.param(33, "000100", "cut", id="SRV of three bytes"),
    pytest.param(15, "0001 0161 00 00", "bad", id="MX with more behind"),
    pytest.param(5, "0961", "bad", id="CNAME longer"),
    pytest.param(5, "ffff", "bad", id="CNAME pointer behind the end"),
    pytest.param(15, "000a 0961", "bad", id="MX name longer"),
    pytest.param(33, "0001 0001 0035 0961", "bad", id="SRV name longer"),
    pytest.param(6, "0161 00 0961", "bad", id="SOA name longer"),
    pytest.param(6, "0161 00 0162 00" + "00000001" * 3 + "0000", "cut", id="SOA of three numbers and a half"),
    pytest.param(47, "0961", "bad", id="NSEC name longer"),
    pytest.param(46, "00" * 18 + "0961", "bad", id="RRSIG name longer"),
    pytest.param(65, "0001 0961", "bad", id="HTTPS name longer"),
    pytest.param(1, "c00002", "cut", id="A of 3 bytes"),
    pytest.param(1, "c000020101", "bad", id="A of 5 bytes"),
    pytest.param(28, "20" * 15, "cut", id="AAAA of 15 bytes"),
    pytest.param(65280, "ff", "ok", id="a type without a structure"),
    pytest.param(61, "ff", "ok", id="OPENPGPKEY"),
]  # fmt: skip


def outcome(wire: bytes, *, is_stream: bool) -> str:
    """Return the outcome of a reply for a client of *forward*."""
    result = SentQuery(QUESTION, encode_query(QUESTION, 7), is_stream=is_stream).accept(wire)
    assert result is not None
    try:
        accepted = result.settled() if isinstance(result, Doubtful) else result
    except OSError:
        return "SERVFAIL"
    return "TC" if accepted.flags & TC else "data"


OUTCOMES = {"ok": ("data", "data"), "cut": ("TC", "SERVFAIL"), "bad": ("SERVFAIL", "SERVFAIL")}
"""The expected outcomes over UDP and over TCP."""


@table(("rtype", "data", "expected"), ROWS)
def test_malformed_data_has_the_outcome_of_coredns(rtype: int, data: str, expected: str) -> None:
    wire = reply(rtype, bytes.fromhex(data))
    outcomes = tuple(outcome(wire, is_stream=stream) for stream in (False, True))
    assert outcomes == OUTCOMES[expected]


@table(("rtype", "data"), [row.values[:2] for row in ROWS if row.values[2] == "ok"])
def test_well_formed_data_is_relayed_unchanged(rtype: int, data: str) -> None:
    raw = bytes.fromhex(data)
    (rrset,) = decode_reply(reply(rtype, raw)).answer
    assert rrset.rdata == (raw,)


@given(st.sampled_from(sorted(STRUCTURES)), st.binary(max_size=40))
def test_any_data_is_read_or_malformed_regardless_of_what_follows(rtype: int, data: bytes) -> None:
    """No check reads past the end of the data."""
    results: list[object] = []
    for rest in (b"", bytes(300)):
        try:
            results.append(decode_reply(reply(rtype, data) + rest).answer)
        except CutShort:
            results.append("cut")
        except FormatError:
            results.append("bad")
    assert results[0] == results[1]
