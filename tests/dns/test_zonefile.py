import dns.rdata
import dns.rdatatype
import dns.zone
import pytest

from minidns.dns import rdata, zonefile
from minidns.dns.rdata import to_text, type_name
from minidns.dns.zonefile import Record, ZoneFileError
from tests.table import table

HEAD = "@ 300 IN SOA ns.example.org. admin.example.org. 1 7200 3600 1209600 60\n"


def read(text: str, **files: str) -> list[Record]:
    return list(zonefile.read(text, "example.org.", "/zones/db", lambda path: files[path]))


def shown(records: list[Record]) -> list[str]:
    return [
        f"{record.owner} {record.ttl} {type_name(record.rtype)} {to_text(record.rtype, record.rdata)}"
        for record in records
    ]


LINES = [
    pytest.param("a 60 IN A 192.0.2.1", ["a.example.org. 60 A 192.0.2.1"], id="plain"),
    pytest.param("a IN 60 A 192.0.2.1", ["a.example.org. 60 A 192.0.2.1"], id="class-before-ttl"),
    pytest.param("a 60 A 192.0.2.1", ["a.example.org. 60 A 192.0.2.1"], id="no-class"),
    pytest.param("a 1h30m A 192.0.2.1", ["a.example.org. 5400 A 192.0.2.1"], id="units"),
    pytest.param("a 60 a 192.0.2.1", ["a.example.org. 60 A 192.0.2.1"], id="case"),
    pytest.param("a.net. 60 A 192.0.2.1", ["a.net. 60 A 192.0.2.1"], id="absolute"),
    pytest.param("@ 60 A 192.0.2.1", ["example.org. 60 A 192.0.2.1"], id="at-sign"),
    pytest.param("*.w 60 A 192.0.2.1", ["*.w.example.org. 60 A 192.0.2.1"], id="star"),
    pytest.param(
        "a 60 A 192.0.2.1\n  AAAA 2001:db8::1",
        ["a.example.org. 60 A 192.0.2.1", "a.example.org. 60 AAAA 2001:db8::1"],
        id="owner-and-ttl-of-the-line-before",
    ),
    pytest.param(
        "$TTL 5m\na A 192.0.2.1\nb 60 A 192.0.2.2\nc A 192.0.2.3",
        ["a.example.org. 300 A 192.0.2.1", "b.example.org. 60 A 192.0.2.2", "c.example.org. 300 A 192.0.2.3"],
        id="rfc2308-4-ttl-directive-stays",
    ),
    pytest.param(
        "$ORIGIN sub\na 60 CNAME b\n$ORIGIN net.\na 60 CNAME b",
        ["a.sub.example.org. 60 CNAME b.sub.example.org.", "a.net. 60 CNAME b.net."],
        id="origin-relative-and-absolute",
    ),
    pytest.param("a 60 TXT ( one ; why\n two\n)\n", ['a.example.org. 60 TXT "one" "two"'], id="parentheses-over-lines"),
    pytest.param(
        'a 60 TXT "semi;colon (no comment)" plain\\;too',
        ['a.example.org. 60 TXT "semi;colon (no comment)" "plain;too"'],
        id="quotes-and-escapes",
    ),
    pytest.param(
        "a\\.b 60 A 192.0.2.1\nc\\046d 60 A 192.0.2.2",
        ["a\\.b.example.org. 60 A 192.0.2.1", "c\\.d.example.org. 60 A 192.0.2.2"],
        id="rfc1035-5.1-one-spelling-of-escapes",
    ),
    pytest.param("a 60 TYPE65280 \\# 2 abcd", ["a.example.org. 60 TYPE65280 \\# 2 abcd"], id="rfc3597-unknown-type"),
    pytest.param("; nothing\n\n   ; here\n", [], id="comments-and-blank-lines"),
    pytest.param(
        "a 60 A 192.0.2.1\r\nb 60 A 192.0.2.2\r\n",
        ["a.example.org. 60 A 192.0.2.1", "b.example.org. 60 A 192.0.2.2"],
        id="carriage-returns",
    ),
    pytest.param(
        "@ IN SOA ns admin 1 2 3 4 60\n",
        ["example.org. 60 SOA ns.example.org. admin.example.org. 1 2 3 4 60"],
        id="soa-without-ttl-has-its-minimum",
    ),
]


@table(("text", "expected"), LINES)
def test_records(text: str, expected: list[str]) -> None:
    assert shown(read(text)) == expected


def test_include_does_not_change_the_origin_of_its_parent() -> None:
    files = {"/zones/more": "a 60 A 192.0.2.1\n$ORIGIN else.\nb 60 A 192.0.2.2"}
    records = read("$INCLUDE more sub\nc 60 A 192.0.2.3", **files)
    assert shown(records) == [
        "a.sub.example.org. 60 A 192.0.2.1",
        "b.else. 60 A 192.0.2.2",
        "c.example.org. 60 A 192.0.2.3",
    ]
    assert [(record.file, record.line) for record in records] == [
        ("/zones/more", 1),
        ("/zones/more", 3),
        ("/zones/db", 2),
    ]


BAD = [
    ("a 60 A x", 1),
    ("\n\na 60 A", 3),
    ("a 60 NOTYPE x", 1),
    ("a 60 IN", 1),
    ("a A 192.0.2.1", 1),
    ("  60 A 192.0.2.1", 1),
    ("a 99999999999 A 192.0.2.1", 1),
    ("a 1x A 192.0.2.1", 1),
    ("a CLASS70000 60 A 192.0.2.1", 1),
    ("a CLASS\u0661 60 A 192.0.2.1", 1),
    ('a 60 TXT "x', 1),
    ("a 60 TXT ( x", 1),
    ("a 60 TXT x )", 1),
    (f"{'a' * 64} 60 A 192.0.2.1", 1),
    ("a..b 60 A 192.0.2.1", 1),
    ("$TTL", 1),
    ("$ORIGIN a b", 1),
    ("$INCLUDE", 1),
    ("$GENERATE 1-2 a$ A 192.0.2.$", 1),
]


@table(("text", "line"), BAD)
def test_errors_have_the_line(text: str, line: int) -> None:
    with pytest.raises(ZoneFileError) as error:
        read(text)
    assert str(error.value).startswith(f"line {line}: ")


SECRETS = [  # what a mistyped path may name; each line is one that must not be shown
    pytest.param("SECRETHEADER.SECRETBODY.SECRETSIG", id="service-account-token"),
    pytest.param("root:$6$SECRET:19000:0:99999:7:::\n", id="etc-shadow"),
    pytest.param("SECRET ALL=(ALL) NOPASSWD: SECRET", id="sudoers"),
    pytest.param("-----BEGIN RSA SECRET KEY-----\nSECRET\n", id="private-key"),
    pytest.param("$SECRET x", id="directive"),
    pytest.param("$TTL SECRET", id="ttl"),
    pytest.param("$ORIGIN SECRET..", id="origin"),
    pytest.param("SECRET..x 60 A 192.0.2.1", id="owner"),
    pytest.param("a 6SECRET A 192.0.2.1", id="ttl-of-a-record"),
    pytest.param("a 60 SECRET x", id="type"),
    pytest.param("a 60 CLASS99999SECRET x", id="class"),
    *(pytest.param(f"a 60 {rtype} SECRET SECRET=1 (SECRET) SECRET.. \\999", id=rtype) for rtype in sorted(rdata.TYPES)),
    pytest.param('a 60 TXT "SECRET', id="quote"),
    pytest.param("a 60 TXT SECRET )", id="parenthesis"),
    pytest.param("a 60 TXT SECRET\\", id="backslash"),
]


@table("text", SECRETS)
@table("included", [False, True])
def test_errors_never_quote_the_file(text: str, included: bool) -> None:
    files = {"/zones/other": text}
    with pytest.raises(ZoneFileError, match="line ") as error:
        read("$INCLUDE other" if included else text, **files)
    assert "SECRET" not in str(error.value)
    with pytest.raises(ZoneFileError) as error:
        zonefile.record(text)
    assert "SECRET" not in str(error.value)


def test_names_of_included_files_are_escaped() -> None:
    with pytest.raises(ZoneFileError) as error:
        read("$INCLUDE \x1b[31m", **{"/zones/\x1b[31m": "x"})
    assert str(error.value).isprintable()


@table("word", ["CLASS3", "class3", "CH"])
def test_classes_have_numbers_too(word: str) -> None:
    (record,) = read(f"a {word} 60 TXT x")
    assert record.rclass == 3


def test_depth_of_includes_is_limited() -> None:
    with pytest.raises(ZoneFileError, match="more than 7 files include one another"):
        read("$INCLUDE db", **{"/zones/db": "$INCLUDE db"})


@table(
    ("error", "is_named"),
    [
        pytest.param(FileNotFoundError(2, "No such file"), False, id="missing"),
        pytest.param(NotADirectoryError(20, "Not a directory"), False, id="below-file"),
        pytest.param(OSError(36, "File name too long"), False, id="too-long"),
        pytest.param(IsADirectoryError(21, "Is a directory"), True, id="folder"),
        pytest.param(PermissionError(13, "Permission denied"), True, id="no-rights"),
    ],
)
def test_an_include_is_named_only_if_it_exists(error: OSError, is_named: bool) -> None:
    """The line of a file that is no zone file may be a password."""

    def read(path: str) -> str:
        raise error

    with pytest.raises(ZoneFileError, match="line 1: ") as caught:
        list(zonefile.read("$INCLUDE sub/x", "example.org.", "db", read))
    assert ("sub/x" in str(caught.value)) == is_named


ORACLE = (
    HEAD
    + r"""
        3600 NS ns
        MX 10 mail
ns      A 192.0.2.1
mail    60 IN A 192.0.2.2
        IN 60 AAAA 2001:db8::2
_sip._udp SRV 1 2 5060 mail
txt     TXT "a b" c "d\"e" "\255"
info    HINFO "cpu" "os"
auth    CAA 0 issue "ca.example.net"
ptr     ( PTR
  mail ) ; and so on
naptr   NAPTR 100 10 "u" "sip+E2U" "!^.*$!sip:info@example.org!" .
"""
)


def test_dnspython_reads_the_same() -> None:
    zone = dns.zone.from_text(ORACLE, "example.org.", relativize=False)
    expected = {(str(name), ttl, int(data.rdtype), data.to_wire()) for name, ttl, data in zone.iterate_rdatas()}
    ours = {(record.owner, record.ttl, record.rtype, record.rdata) for record in read(ORACLE)}
    assert ours == expected


def test_single_record_has_defaults() -> None:
    assert zonefile.record("Foo.Example A 192.0.2.1") == Record(
        "Foo.Example.", rdata.A, 3600, rdata.a("192.0.2.1"), line=1
    )


@table("text", ["", " ", "; x", "$INCLUDE /etc/passwd", "x"])
def test_single_record_is_needed(text: str) -> None:
    with pytest.raises(ZoneFileError):
        zonefile.record(text)


def test_records_become_sets_in_order() -> None:
    records = read("a 60 A 192.0.2.2\nb 60 A 192.0.2.9\na 60 A 192.0.2.1\na 5 TXT x")
    assert [(record.owner, record.rtype, len(record.rdata)) for record in zonefile.rrsets(records)] == [
        ("a.example.org.", rdata.A, 2),
        ("b.example.org.", rdata.A, 1),
        ("a.example.org.", rdata.TXT, 1),
    ]
