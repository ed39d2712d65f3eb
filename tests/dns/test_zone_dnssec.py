"""Answers to clients that request DNSSEC, from a signed zone (RFC 4035 3.1).

The signatures are not valid; a zone returns them as they are in its file.
"""

import pytest

from minidns.dns.model import Question, RRset
from minidns.dns.rdata import DS, NSEC, RRSIG, type_name, type_number
from minidns.dns.zone import Zone, ZoneAnswer
from tests.dns.test_zone import zone
from tests.table import table

DIGEST = f"1 8 2 {'ab' * 32}"
CHAIN = {
    "@": ("SOA a. b. 1 2 3 4 5", "NS ns"),
    "al": ("CNAME web",),
    "b.c": ("TXT x",),
    "dn": ("DNAME c",),
    "mx": ("MX 1 web",),
    "out": ("CNAME www.example.net.",),
    "sec": ("NS ns.sec", f"DS {DIGEST}"),
    "unsec": ("NS ns.example.net.",),
    "*.w": ("A 192.0.2.9",),
    "web": ("A 192.0.2.1", "A 192.0.2.2"),
}
"""The names of the zone in canonical order (RFC 4034 6.1), with their records."""


def signed_zone() -> Zone:
    lines = ["ns.sec 60 A 192.0.2.53"]
    for owner, next_owner in zip(CHAIN, [*list(CHAIN)[1:], "@"], strict=True):
        types = list(dict.fromkeys(record.split()[0] for record in CHAIN[owner]))
        lines += [f"{owner} 60 {record}" for record in CHAIN[owner]]
        lines.append(f"{owner} 60 NSEC {next_owner} {' '.join(types)} RRSIG NSEC")
        lines += [
            f"{owner} 60 RRSIG {covered} 8 2 60 20300101000000 20200101000000 1 @ aaaa"
            for covered in [*types, "NSEC"]
            if covered != "NS" or owner == "@"  # delegations are not signed
        ]
    return zone("\n".join(lines))


SIGNED = signed_zone()


def ask(name: str, qtype: str, dnssec: bool = True) -> ZoneAnswer:
    full = "example.org." if name == "@" else f"{name}.example.org."
    return SIGNED.lookup(Question(full, type_number(qtype)), dnssec)


def security(rrsets: tuple[RRset, ...]) -> list[str]:
    """Return owner and type of the DNSSEC records, signatures with what they cover."""
    lines = []
    for rrset in rrsets:
        rtype = rrset.rtype
        name = rrset.owner.removesuffix("example.org.").removesuffix(".") or "@"
        if rtype == RRSIG:
            types = [type_name(int.from_bytes(one[:2])) for one in rrset.rdata]
            lines += [f"{name} RRSIG {covered}" for covered in types]
        elif rtype in (NSEC, DS):
            lines.append(f"{name} {type_name(rtype)}")
    return lines


def proof(*owners: str) -> list[str]:
    return [f"{owner} {of}" for owner in owners for of in ("NSEC", "RRSIG NSEC")]


DENIED = ["@ RRSIG SOA"]
NS = ["@ RRSIG NS"]
ROWS = [
    pytest.param("web", "A", ["web RRSIG A"], NS, [], id="3.1.1-answer"),
    pytest.param("@", "SOA", ["@ RRSIG SOA"], NS, [], id="3.1.1-apex"),
    pytest.param("mx", "MX", ["mx RRSIG MX"], NS, ["web RRSIG A"], id="3.1.1-more"),
    pytest.param("al", "A", ["al RRSIG CNAME", "web RRSIG A"], NS, [], id="alias"),
    pytest.param("out", "A", ["out RRSIG CNAME"], NS, [], id="alias-of-other-zone"),
    pytest.param("b.dn", "TXT", ["dn RRSIG DNAME", "b.c RRSIG TXT"], NS, [], id="dname"),
    pytest.param("web", "TXT", [], DENIED + proof("web"), [], id="3.1.3.1-no-data"),
    pytest.param("gone", "A", [], DENIED + proof("dn", "@"), [], id="3.1.3.2-no-name"),
    pytest.param("a.c", "A", [], DENIED + proof("al"), [], id="one-proof-for-both"),
    pytest.param("c", "A", [], DENIED + proof("al"), [], id="empty-non-terminal"),
    pytest.param("x.w", "A", ["x.w RRSIG A"], NS + proof("*.w"), [], id="3.1.3.3-wildcard"),
    pytest.param("x.w", "TXT", [], DENIED + proof("*.w"), [], id="3.1.3.4-wildcard-no-data"),
    pytest.param("sec", "A", [], ["sec DS", "sec RRSIG DS"], [], id="3.1.4-signed"),
    pytest.param("a.sec", "A", [], ["sec DS", "sec RRSIG DS"], [], id="3.1.4-signed-below"),
    pytest.param("a.unsec", "A", [], proof("unsec"), [], id="3.1.4-not-signed"),
    pytest.param("sec", "DS", ["sec DS", "sec RRSIG DS"], NS, [], id="3.1.4.1-parent"),
    pytest.param("unsec", "DS", [], DENIED + proof("unsec"), [], id="3.1.4.1-parent-has-none"),
]


@table(("name", "qtype", "answer", "authority", "additional"), ROWS)
def test_signed_zone(name: str, qtype: str, answer: list[str], authority: list[str], additional: list[str]) -> None:
    response = ask(name, qtype).response
    assert security(response.answer) == answer
    assert security(response.authority) == authority
    assert security(response.additional) == additional


@table(("name", "qtype", "answer", "authority", "additional"), ROWS)
def test_only_clients_that_request_dnssec_get_more(
    name: str, qtype: str, answer: list[str], authority: list[str], additional: list[str]
) -> None:
    response = ask(name, qtype, dnssec=False).response
    asked = [line for line in answer if line == f"{name} {qtype}"]
    assert security(response.answer) == asked
    assert security((*response.authority, *response.additional)) == []


def test_signatures_have_the_ttl_of_what_they_cover() -> None:  # RFC 4034 3
    text = "RRSIG A 8 2 60 20300101000000 20200101000000 1 @ aaaa"
    mixed = zone(f"@ 60 SOA a. b. 1 2 3 4 5\nweb 300 A 192.0.2.1\nweb 60 {text}")
    question = Question("web.example.org.", type_number("A"))
    answer = mixed.lookup(question, dnssec=True).response.answer
    assert [rrset.ttl for rrset in answer] == [300, 300]
