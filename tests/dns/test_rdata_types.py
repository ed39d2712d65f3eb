"""Every type of dnspython's registry in presentation format, read from a zone file."""

import base64
import struct

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns import rdata, zonefile
from minidns.dns.zonefile import ZoneFileError
from tests.table import table

ORIGIN = "example.org."


def no_files(path: str) -> str:
    raise FileNotFoundError(path)


def has_form(number: int) -> bool:
    rdata_class = dns.rdata.get_rdata_class(dns.rdataclass.IN, number)  # type: ignore[no-untyped-call]
    return rdata_class is not dns.rdata.GenericRdata


ORG = "07" + b"example".hex() + "03" + b"org".hex() + "00"
META = {"OPT", "TKEY", "TSIG", "NONE", "TYPE0", "IXFR", "AXFR", "MAILB", "MAILA", "ANY"}
SHA384 = "AB" * 48
SHA256 = "AB" * 32
HASHED = "2vptu5timamqttgl4luu9kg21e0aor3s"
TIMES = struct.pack("!2I", 1893456000, 1577836800).hex()  # 2030-01-01, 2020-01-01

TYPED = [  # type, text, RDATA in hexadecimal, written by hand from the RFC of the type
    ("HTTPS", '1 . alpn="h3,h2"', "0001 00 0001 0006 02 6833 02 6832"),
    ("HTTPS", "1 . alpn=h3,h2", "0001 00 0001 0006 02 6833 02 6832"),
    ("HTTPS", "0 tgt", "0000 03 746774" + ORG),
    ("HTTPS", "0 @", "0000" + ORG),
    ("SVCB", "1 svc port=853 ipv4hint=192.0.2.1", "0001 03 737663" + ORG + "0003 0002 0355 0004 0004 c0000201"),
    ("URI", '10 1 "ftp://a"', "000a 0001" + b"ftp://a".hex()),
    ("CERT", "PGP 0 0 AQID", "0003 0000 00 010203"),
    ("OPENPGPKEY", "AQ ID", "010203"),
    ("SMIMEA", "3 0 0 0102 0304", "03 00 00 01020304"),
    ("TLSA", "3 1 1 " + SHA256, "03 01 01" + SHA256),
    ("EUI48", "00-00-5e-00-53-2a", "00005e00532a"),
    ("EUI64", "00-00-5e-ef-10-00-00-2a", "00005eef1000002a"),
    ("CDNSKEY", "257 3 8 AQID", "0101 03 08 010203"),
    ("DNSKEY", "256 3 13 AQID", "0100 03 0d 010203"),
    ("CDS", "1 8 2 " + SHA256, "0001 08 02" + SHA256),
    ("DS", "1 8 2 " + SHA256[:30] + " " + SHA256[30:], "0001 08 02" + SHA256),
    ("CSYNC", "66 3 A NS AAAA", "00000042 0003 00 04 60000008"),
    ("NSEC", "host A MX RRSIG NSEC", "04" + b"host".hex() + ORG + "00 06 400100000003"),
    ("NSEC3", f"1 1 12 aabbccdd {HASHED} A RRSIG", "01 01 000c 04 aabbccdd 14" + base64.b32hexdecode(HASHED.upper()).hex() + "00 06 400000000002"),
    ("NSEC3PARAM", "1 0 10 ab", "01 00 000a 01 ab"),
    ("NSEC3PARAM", "1 0 0 -", "01 00 0000 00"),
    ("RRSIG", "A 8 2 3600 20300101000000 20200101000000 2642 @ AQID", "0001 08 02 00000e10" + TIMES + "0a52" + ORG + "010203"),
    ("RRSIG", "TYPE65280 8 2 3600 1893456000 1577836800 2642 sub AQID", "ff00 08 02 00000e10" + TIMES + "0a52 03 737562" + ORG + "010203"),
    ("ZONEMD", f"2018031900 1 1 {SHA384}", struct.pack("!I", 2018031900).hex() + "01 01" + SHA384),
    ("APL", "1:192.0.2.0/24 !2:2001:db8::/32", "0001 18 03 c00002 0002 20 84 20010db8"),
    ("IPSECKEY", "10 1 2 192.0.2.38 AQID", "0a 01 02 c0000226 010203"),
    ("IPSECKEY", "10 3 2 gw AQID", "0a 03 02 02 6777" + ORG + "010203"),
    ("AMTRELAY", "10 0 3 relay", "0a 03 05" + b"relay".hex() + ORG),
    ("HIP", "2 200100107B1A74DF365639CC39F1D578 AQID rvs", "10 02 0003 200100107b1a74df365639cc39f1d578 010203 03 727673" + ORG),
    ("DHCID", "AQID", "010203"),
    ("NID", "10 0014:4fff:ff20:ee64", "000a 00144fffff20ee64"),
    ("L32", "10 10.1.2.0", "000a 0a010200"),
    ("L64", "10 2001:0DB8:1140:1000", "000a 20010db811401000"),
    ("LP", "10 l64", "000a 03 6c3634" + ORG),
    ("X25", "311061700956", "0c" + b"311061700956".hex()),
    ("ISDN", '"150862028003217" "004"', "0f" + b"150862028003217".hex() + "03 303034"),
    ("GPOS", "-32.6882 116.8652 10.0", "08" + b"-32.6882".hex() + "08" + b"116.8652".hex() + "04" + b"10.0".hex()),
    ("MINFO", "a b.", "0161" + ORG + "0162 00"),
    ("MB", "host", "04" + b"host".hex() + ORG),
    ("MG", "host", "04" + b"host".hex() + ORG),
    ("MR", "host", "04" + b"host".hex() + ORG),
    ("MD", "host", "04" + b"host".hex() + ORG),
    ("MF", "host", "04" + b"host".hex() + ORG),
    ("TALINK", "a b", "0161" + ORG + "0162" + ORG),
    ("TA", "1 8 2 " + SHA256, "0001 08 02" + SHA256),
    ("DLV", "1 8 2 " + SHA256, "0001 08 02" + SHA256),
    ("TYPE123", "\\# 4 01020304", "01020304"),
    ("TYPE123", "\\# 4 0102 0304", "01020304"),
    ("TYPE123", "\\# 0", ""),
    ("TYPE1", "192.0.2.1", "c0000201"),
    ("A", "\\# 4 c0000201", "c0000201"),
    ("MX", "\\# 5 000a 016100", "000a 016100"),
    ("NULL", "\\# 1 00", "00"),
    ("A", "192.0.2.1", "c0000201"),
    ("AAAA", "2001:db8::1", "20010db8 00000000 00000000 00000001"),
    ("NS", "ns", "02 6e73" + ORG),
    ("CNAME", "Web", "03 576562" + ORG),
    ("CNAME", "a\\.b\\032c", "05 612e622063" + ORG),
    ("PTR", "@", ORG),
    ("DNAME", "example.net.", "07" + b"example".hex() + "03" + b"net".hex() + "00"),
    ("MX", "10 mail", "000a 04" + b"mail".hex() + ORG),
    ("AFSDB", "1 a", "0001 0161" + ORG),
    ("RT", "1 a", "0001 0161" + ORG),
    ("KX", "1 a", "0001 0161" + ORG),
    ("PX", "1 a b", "0001 0161" + ORG + "0162" + ORG),
    ("RP", "a b", "0161" + ORG + "0162" + ORG),
    ("SRV", "1 2 53 tgt", "0001 0002 0035 03 746774" + ORG),
    ("SOA", "ns admin 5 1h 30m 1w 60", "02 6e73" + ORG + "05" + b"admin".hex() + ORG + "00000005 00000e10 00000708 00093a80 0000003c"),
    ("NAPTR", '1 2 "s" "SIP+D2U" "" rep', "0001 0002 0173 07" + b"SIP+D2U".hex() + "00 03 726570" + ORG),
    ("TXT", '"two words" "" "say \\"x\\"" "\\200;" plain', "09" + b"two words".hex() + "00 07" + b'say "x"'.hex() + "02 c83b 05" + b"plain".hex()),
    ("TXT", "é", "02 c3a9"),
    ("SPF", '"v=spf1 -all"', "0b" + b"v=spf1 -all".hex()),
    ("HINFO", "cpu os", "03 637075 02 6f73"),
    ("CAA", '0 issue "ca.example.net"', "00 05" + b"issue".hex() + b"ca.example.net".hex()),
    ("CAA", '0 issue "é"', "00 05" + b"issue".hex() + "c3a9"),
    ("CNAME", "é", "02 c3a9" + ORG),
    ("SSHFP", "1 1 " + "AB" * 20, "01 01" + "AB" * 20),
    ("LOC", "51 0 0 N 0 0 0 W 0m 1m 10000m 10m", "00 12 16 13 8af18380 80000000 00989680"),
    ("AVC", '"a" "b"', "0161 0162"),
    ("NINFO", '"a" "b"', "0161 0162"),
    ("RESINFO", '"qnamemin"', "08" + b"qnamemin".hex()),
    ("WALLET", '"BTC" "x"', "03" + b"BTC".hex() + "0178"),
    ("NSAP", "0x47.0005.80", "47000580"),
    ("NSAP-PTR", "host", "04" + b"host".hex() + ORG),
    ("KEY", "0 3 8 AQID", "0000 03 08 010203"),
    ("SIG", "A 8 2 3600 20300101000000 20200101000000 2642 @ AQID", "0001 08 02 00000e10" + TIMES + "0a52" + ORG + "010203"),
    ("WKS", "192.0.2.1 6 25", "c0000201 06 00000040"),
    ("DSYNC", "CDS NOTIFY 5353 target", "003b 01 14e9 06" + b"target".hex() + ORG),
    ("HHIT", "AQID", "010203"),
    ("BRID", "AQID", "010203"),
]  # fmt: skip


@table("rtype", ["TXT", "SPF", "AVC", "NINFO", "RESINFO", "WALLET"])
def test_strings_over_255_bytes_are_split_as_coredns_does(rtype: str) -> None:
    data = b"\xff" + b"x" * 255 + b"\1x\1y"
    assert read(rtype, f'"{"x" * 256}" y') == data


def read(rtype: str, text: str) -> bytes:
    (record,) = zonefile.read(f"x 60 IN {rtype} {text}\n", ORIGIN, "db", no_files)
    assert record.rtype == rdata.type_number(rtype)
    return record.rdata


@table(("rtype", "text", "data"), TYPED)
def test_text_in_a_zone_file_becomes_this_data(rtype: str, text: str, data: str) -> None:
    assert read(rtype, text) == bytes.fromhex(data)


@table(("rtype", "text", "data"), TYPED)
def test_text_form_is_parsed_again(rtype: str, text: str, data: str) -> None:
    raw = bytes.fromhex(data)
    shown = rdata.to_text(rdata.type_number(rtype), raw)
    assert shown.isascii()
    assert shown.isprintable()
    assert read(rtype, shown) == raw


@table(("rtype", "text", "data"), TYPED)
def test_dnspython_reads_the_same(rtype: str, text: str, data: str) -> None:
    number = dns.rdatatype.RdataType.make(rdata.type_number(rtype))
    if not has_form(number) and not text.startswith("\\#"):
        pytest.skip("dnspython does not know the form of this type")
    if not text.isascii() and rtype == "CNAME":
        pytest.skip("dnspython would encode it by IDNA")
    origin = dns.name.from_text(ORIGIN)
    oracle = dns.rdata.from_text("IN", number, text, origin, relativize=False)
    assert oracle.to_wire() == read(rtype, text)


WITH_NAMES = [row for row in TYPED if rdata.type_number(row[0]) in rdata.LAYOUT]


@table(("rtype", "text", "data"), WITH_NAMES)
def test_names_stand_where_dnspython_finds_them(rtype: str, text: str, data: str) -> None:
    number, raw = rdata.type_number(rtype), bytes.fromhex(data)
    if not has_form(number):
        pytest.skip("dnspython does not know the form of this type")
    oracle = dns.rdata.from_wire("IN", dns.rdatatype.RdataType.make(number), raw, 0, len(raw))
    other = dns.name.from_text("other.example.")
    slots = {slot for each in type(oracle).__mro__ for slot in getattr(each, "__slots__", ())}
    found = {slot for slot in slots if isinstance(getattr(oracle, slot, None), dns.name.Name)}
    expected = oracle.replace(**dict.fromkeys(found, other)).to_wire()
    assert rdata.map_names(number, raw, lambda name: "other.example.") == expected


def test_every_type_that_dnspython_reads_has_a_row() -> None:
    known = {name.replace("_", "-") for name, number in dns.rdatatype.RdataType.__members__.items() if has_form(number)}
    assert known - META <= {rtype for rtype, *_ in TYPED}


def test_mnemonics_and_numbers_are_those_of_dnspython() -> None:
    for name, number in dns.rdatatype.RdataType.__members__.items():
        name = name.replace("_", "-")
        if name in {"NONE", "TYPE0"}:
            continue
        assert rdata.type_number(name) == number
        assert rdata.type_number(name.lower()) == number
        assert rdata.type_name(number) == name
        assert rdata.type_number(f"TYPE{int(number)}") == number


BAD = [  # the rule that is broken in the id
    pytest.param("A", "300.1.1.1", id="rfc1035-3.4.1-octet"),
    pytest.param("A", "1.2.3.4 5", id="rfc1035-5.1-word-too-many"),
    pytest.param("A", "\\# 3 010203", id="rfc3597-5-known-type-has-its-form"),
    pytest.param("MX", "70000 a", id="rfc1035-3.3.9-16-bits"),
    pytest.param("MX", "-1 a", id="rfc1035-3.3.9-unsigned"),
    pytest.param("SRV", "0 0 80", id="rfc2782-word-missing"),
    pytest.param("NAPTR", f'1 2 "{"x" * 256}" "" "" .', id="rfc1035-3.3-255-bytes"),
    pytest.param("SOA", "a b 4294967296 1 1 1 1", id="rfc1035-3.3.13-32-bits"),
    pytest.param("HTTPS", "1 . alpn", id="rfc9460-7.1-alpn-needs-a-value"),
    pytest.param("HTTPS", "1 . port=99999", id="rfc9460-7.2-port"),
    pytest.param("HTTPS", "0 . port=1", id="rfc9460-2.4.2-alias-mode"),
    pytest.param("CSYNC", "66 3 NOTYPE", id="rfc7477-2.1.1-type"),
    pytest.param("CDS", "1 8 2 AB", id="rfc4034-5.1.3-length-of-the-digest"),
    pytest.param("EUI48", "00-00-5e", id="rfc7043-3.2-six-bytes"),
    pytest.param("APL", "3:1/2", id="rfc3123-4-family"),
    pytest.param("MAILB", "a", id="no-form-but-rfc3597"),
    pytest.param("TYPE123", "x", id="rfc3597-5-unknown-type-needs-it"),
    pytest.param("TYPE123", "\\# 4 010203", id="rfc3597-5-length"),
    pytest.param("TYPE123", "\\# 2 01020", id="rfc3597-5-whole-bytes"),
    pytest.param("TYPE123", "\\# -1", id="rfc3597-5-no-negative-length"),
    pytest.param("NULL", "x", id="rfc1035-3.3.10-no-master-file-format"),
    pytest.param("CNAME", "a..b.", id="rfc1035-2.3.1-empty-label"),
    pytest.param("CNAME", "x" * 64, id="rfc1035-2.3.4-label"),
    pytest.param("CNAME", ".".join(["x" * 60] * 5), id="rfc1035-2.3.4-name"),
    pytest.param("TXT", "", id="rfc1035-3.3.14-one-string"),
    pytest.param("TXT", '"\\999"', id="rfc1035-5.1-escape"),
]  # fmt: skip


@table(("rtype", "text"), BAD)
def test_invalid_data_is_refused_with_its_line(rtype: str, text: str) -> None:
    with pytest.raises(ZoneFileError, match="line 3"):
        list(zonefile.read(f"\n\nx 60 {rtype} {text}\n", ORIGIN, "db", no_files))


WORDS = ["1", "0", "256", "a", "b.", "@", "AQID", "ab", "-", '"q"', "\\#", "A", "é", "192.0.2.1", "::1", "k=v", "\\", "2:1/1", "20300101000000", "."]  # fmt: skip
ALL_TYPES = sorted(set(rdata.TYPES.values()) | {123, 65280})


@given(st.sampled_from(ALL_TYPES), st.lists(st.sampled_from(WORDS), max_size=9))
def test_any_words_are_data_or_an_error_with_a_line(rtype: int, words: list[str]) -> None:
    line = f"x 60 TYPE{rtype} {' '.join(words)}"
    try:
        (record,) = zonefile.read(line, ORIGIN, "db", no_files)
    except ZoneFileError as error:
        assert "line 1" in str(error)  # noqa: PT017 - either outcome is right
        return
    shown = rdata.to_text(rtype, record.rdata)
    assert rdata.from_text(rtype, shown, ORIGIN) == record.rdata
