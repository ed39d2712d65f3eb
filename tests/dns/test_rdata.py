import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from minidns.dns import names, rdata
from minidns.dns.model import RRset
from tests.table import table

TEXTS = [
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("NS", "ns.example.org."),
    ("CNAME", "a.example.org."),
    ("PTR", "web.prod.svc.cluster.local."),
    ("DNAME", "example.net."),
    ("MX", "10 mail.example.org."),
    ("SRV", "0 33 53 kube-dns.kube-system.svc.cluster.local."),
    ("SOA", "ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30"),
    ("TXT", '"1.1.0"'),
    ("TXT", '"two words" "" "say \\"x\\"" "\\200"'),
    ("NAPTR", '10 20 "s" "SIP+D2U" "!^.*$!sip:a@b!" .'),
    ("RP", "a.example.org. b.example.org."),
    ("HINFO", '"ANY obsoleted" "See RFC 8482"'),
    ("CAA", '0 issue "ca.example.net"'),
    ("DS", "1 8 1 " + "AB" * 20),
    ("SSHFP", "1 1 " + "AB" * 20),
]


@table(("rtype", "text"), TEXTS)
def test_text_to_wire_equals_the_oracle(rtype: str, text: str) -> None:
    oracle = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(rtype), text).to_wire()
    data = rdata.from_text(rdata.type_number(rtype), text)
    assert data == oracle
    again = rdata.from_text(rdata.type_number(rtype), rdata.to_text(_n(rtype), data))
    assert again == data


def _n(rtype: str) -> int:
    return rdata.type_number(rtype)


@table(
    ("rtype", "text"),
    [
        ("A", "300.1.1.1"),
        ("A", ""),
        ("AAAA", "10.0.0.1"),
        ("SRV", "0 0 80"),
        ("SRV", "0 0 80 a. b."),
        ("MX", "x mail."),
        ("TXT", ""),
        ("CNAME", "a..b."),
        ("TYPE999", "\\# 3 abcd"),
        ("TYPE999", "nonsense"),
        ("DS", "nonsense"),
    ],
)
def test_text_that_is_not_valid_data(rtype: str, text: str) -> None:
    with pytest.raises((ValueError, OverflowError)) as caught:
        rdata.from_text(rdata.type_number(rtype), text)
    assert str(caught.value)


def test_names_are_relative_to_the_origin() -> None:
    data = rdata.from_text(rdata.MX, "10 mail", "example.org.")
    assert rdata.target(rdata.MX, data) == "mail.example.org."
    assert rdata.from_text(rdata.NS, "@", "a.org.") == names.to_wire("a.org.")


def test_unknown_types_have_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert rdata.to_text(65280, b"\xab\xcd") == "\\# 2 abcd"
    assert rdata.from_text(65280, "\\# 2 abcd") == b"\xab\xcd"
    assert rdata.to_text(rdata.SRV, b"\1") == "\\# 1 01"


@table(("text", "number"), [("A", 1), ("https", 65), ("TYPE65280", 65280), ("ANY", 255)])
def test_type_names(text: str, number: int) -> None:
    assert rdata.type_number(text) == number
    assert rdata.type_number(rdata.type_name(number)) == number


def test_every_type_name_is_the_registrys() -> None:
    for name, number in rdata.TYPES.items():
        if name in {"HIP", "NSAPPTR"}:  # one name for two numbers; a dash in the oracle
            continue
        try:
            assert dns.rdatatype.from_text(name) == number
        except dns.rdatatype.UnknownRdatatype:
            continue


CONSTANTS = (
    "A", "NS", "CNAME", "SOA", "PTR", "HINFO", "MX", "TXT", "AAAA", "SRV", "NAPTR",
    "DNAME", "OPT", "DS", "RRSIG", "SVCB", "HTTPS", "TSIG", "IXFR", "AXFR", "ANY",
)  # fmt: skip


@table("name", CONSTANTS)
def test_constants_are_the_numbers_of_the_registry(name: str) -> None:
    number = int(dns.rdatatype.from_text(name))
    assert getattr(rdata, name) == rdata.TYPES[name] == number
    assert rdata.type_name(number) == name


@table("text", ["TYPE70000", "nosuch", ""])
def test_unknown_type_names(text: str) -> None:
    with pytest.raises(ValueError, match="unknown type"):
        rdata.type_number(text)


def test_map_names() -> None:
    data = rdata.srv(1, 2, 3, "a.cluster.local.")
    changed = rdata.map_names(rdata.SRV, data, lambda name: "x." + name)
    assert rdata.to_text(rdata.SRV, changed) == "1 2 3 x.a.cluster.local."
    assert rdata.map_names(rdata.A, b"\1\2\3\4", lambda name: "x.") == b"\1\2\3\4"


def test_rcode_and_class_names() -> None:
    assert [rdata.rcode_name(n) for n in (0, 3, 16, 42)] == ["NOERROR", "NXDOMAIN", "BADVERS", "RCODE42"]
    assert rdata.class_name(3) == "CH"
    assert rdata.class_number("CLASS42") == 42


def test_long_txt_is_split() -> None:
    assert rdata.txt("x" * 300) == b"\xff" + b"x" * 255 + b"\x2d" + b"x" * 45


def test_lines() -> None:
    rrset = RRset("a.org.", rdata.A, 30, (rdata.a("192.0.2.1"), rdata.a("192.0.2.2")))
    assert rdata.to_lines(rrset) == ["a.org. 30 A 192.0.2.1", "a.org. 30 A 192.0.2.2"]
