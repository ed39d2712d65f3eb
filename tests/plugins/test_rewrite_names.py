"""Kinds of names and answer rules, as CoreDNS's rewrite has them."""

from collections.abc import Callable

import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns import rdata
from minidns.dns.model import Rcode, Response, RRset
from minidns.dns.names import to_wire
from minidns.plugins.rewrite import renaming
from minidns.plugins.rewrite.renaming import moved, name_rule, replaces
from tests.table import table
from tests.world import texts

REPLACED = [
    pytest.param("exact", "a.org.", "b.net.", "a.org.", "b.net.", id="exact"),
    pytest.param("exact", "a.org.", "b.net.", "x.a.org.", None, id="exact-not-below"),
    pytest.param("prefix", "aa.", "bb.", "aa.org.", "bb.org.", id="prefix"),
    pytest.param("prefix", "aa.", "bb.", "xaa.org.", None, id="prefix-not-inside"),
    pytest.param("suffix", ".a.", ".b.", "x.a.", "x.b.", id="suffix"),
    pytest.param("suffix", "a.", "b.", "xa.", "xb.", id="suffix-of-signs-not-labels"),
    pytest.param("suffix", ".a.", ".b.", "a.", None, id="suffix-with-dot-not-itself"),
    pytest.param("substring", "m.", "n.", "m.m.org.", "n.n.org.", id="substring-all"),
    pytest.param("substring", "m.", "n.", "x.org.", None, id="substring-not-there"),
    pytest.param("regex", r"(.*)-(us)\.org", "{1}.{2}.", "ftp-us.org.", "ftp.us.", id="groups"),
    pytest.param("regex", "o", "x.", "foo.org.", "x.", id="regex-replaces-all-of-it"),
    pytest.param("regex", "^x", "y.", "ax.", None, id="regex-anchored"),
    pytest.param("regex", r"a\.org$", "y.", "a.org.", None, id="trap-12-final-dot"),
    pytest.param("regex", "(a)|(b)", "{0}{1}{2}c.", "b.", "bbc.", id="group-not-taken"),
    pytest.param("regex", "a", "{0}{7}.", "a.", "a{7}.", id="group-that-is-not-there"),
    pytest.param("regex", "(a)", "{01}{1}.", "a.", "{01}a.", id="leading-zero"),
]


@table(("kind", "old", "new", "name", "expected"), REPLACED)
def test_replaced(kind: str, old: str, new: str, name: str, expected: str | None) -> None:
    assert replaces(kind, old, new)(name) == expected


MOVED = [
    ("svc.local.", "foo.org."),
    ("x.svc.local.", "x.foo.org."),
    ("xsvc.local.", "xsvc.local."),
    ("local.", "local."),
]


@table(("name", "expected"), MOVED)
def test_moved_back_with_what_is_below(name: str, expected: str) -> None:
    assert moved("svc.local.", "foo.org.")(name) == expected


def change(name: str) -> str:
    return "new." if name == "old." else name


SETS = [
    RRset("old.", rdata.A, 60, (rdata.a("192.0.2.1"),)),
    RRset("x.", rdata.CNAME, 60, (to_wire("old."),)),
    RRset("x.", rdata.DNAME, 60, (to_wire("old."),)),
    RRset("x.", rdata.NS, 60, (to_wire("old."), to_wire("kept."))),
    RRset("x.", rdata.PTR, 60, (to_wire("old."),)),
    RRset("x.", rdata.MX, 60, (b"\0\n" + to_wire("old."),)),
    RRset("x.", rdata.SRV, 60, (rdata.srv(0, 0, 80, "old."),)),
    RRset("x.", rdata.SOA, 60, (rdata.soa("old.", "old.", 1, 2, 3, 4, 5),)),
    RRset("x.", rdata.NAPTR, 60, (rdata.from_text(rdata.NAPTR, '1 2 "u" "s" "" old.'),)),
    RRset("x.", rdata.TXT, 60, (rdata.txt("old."),)),
    RRset("x.", 17, 60, (to_wire("old.") + to_wire("old."),)),
]


def test_values_of_eight_types_are_changed() -> None:
    undone = renaming.values(change)(Response(answer=tuple(SETS)))
    assert [line.split(" ", 2)[2] for rrset in undone.answer for line in texts([rrset])] == [
        "A 192.0.2.1",
        "CNAME new.",
        "DNAME new.",
        "NS kept.",
        "NS new.",
        "PTR new.",
        "MX 10 new.",
        "SRV 0 0 80 new.",
        "SOA new. old. 1 2 3 4 5",  # the mailbox stays
        'NAPTR 1 2 "u" "s" "" new.',
        'TXT "old."',
        "RP old. old.",
    ]


def test_owners_are_changed_in_all_sections() -> None:
    rrset = RRset("old.", rdata.A, 60, (rdata.a("192.0.2.1"),))
    undone = renaming.owners(change)(Response(0, (rrset,), (rrset,), (rrset,)))
    sections = (undone.answer, undone.authority, undone.additional)
    assert [[item.owner for item in section] for section in sections] == [["new."]] * 3


@pytest.mark.parametrize("undo", [renaming.owners, renaming.values])
def test_no_name_is_made_that_is_none(undo: Callable[[renaming.Change], renaming.Undo]) -> None:
    rrset = RRset("old.", rdata.CNAME, 60, (to_wire("old."),))
    with pytest.raises(ValueError, match="empty label"):
        undo(lambda name: "a..b.")(Response(answer=(rrset,)))


TTLS = [(0, 5, 5), (4, 5, 5), (5, 5, 5), (7, 5, 7), (99, 5, 10)]


@table(("ttl", "least", "expected"), TTLS)
def test_ttls(ttl: int, least: int, expected: int) -> None:
    rrset = RRset("x.", rdata.A, ttl, (rdata.a("192.0.2.1"),))
    undone = renaming.ttls(least, 10)(Response(answer=(rrset,)))
    assert undone.answer[0].ttl == expected


def test_rcode() -> None:
    undo = renaming.rcode(Rcode.SERVFAIL, Rcode.NOERROR)
    assert undo(Response(Rcode.SERVFAIL)).rcode == Rcode.NOERROR
    assert undo(Response(Rcode.REFUSED)).rcode == Rcode.REFUSED


RULES = [
    pytest.param("A.org B.org", "a.org.", "b.org.", id="exact-by-default"),
    pytest.param("EXACT A.org B.org", "a.org.", "b.org.", id="kind-in-any-case"),
    pytest.param("prefix foo- bar-", "foo-x.org.", None, id="trap-12-prefix-has-a-dot"),
    pytest.param("prefix foo- bar-", "foo-.org.", "bar-.org.", id="trap-12-prefix-dot"),
    pytest.param("prefix aaa. bbb.", "aaa.org.", "bbb.org.", id="prefix-of-a-label"),
    pytest.param("substring mid xyz", "mid.org.", "xyz.org.", id="substring-label"),
    pytest.param("substring mid xyz", "amidb.org.", None, id="trap-12-substring-dot"),
    pytest.param("suffix .a .b", "x.a.", "x.b.", id="suffix"),
    pytest.param(r"regex (.*)\.A\.org {1}.b", "x.A.org.", "x.b.", id="regex-as-written"),
    pytest.param(r"regex (.*)\.a\.org {1}.B", "x.a.org.", "x.b.", id="regex-to-lower"),
]


@table(("args", "name", "expected"), RULES)
def test_name_rule(args: str, name: str, expected: str | None) -> None:
    assert name_rule(args.split()).change(name) == expected


AUTOMATIC = [
    ("a b", True, 0),
    ("exact a b", True, 0),
    ("exact a b answer value x y", True, 1),
    ("prefix a. b.", False, 0),
    ("prefix a. b. answer auto", True, 0),
    ("substring a. b. answer auto", True, 0),
    ("regex a b answer auto", True, 0),
    ("regex a b answer auto value x y", True, 1),
    ("suffix .a .b answer auto", False, 2),
    ("suffix .a .b answer auto answer value x y", False, 3),
    ("regex a b answer name x y value z w", False, 2),
    ("suffix .a .b answer name auto answer value x y", False, 2),
]


@table(("args", "automatic", "count"), AUTOMATIC)
def test_what_is_undone(args: str, automatic: bool, count: int) -> None:
    rule = name_rule(args.split())
    assert (rule.automatic, len(rule.undo)) == (automatic, count)


ERRORS = [
    ("", "too few arguments for a name rule"),
    ("a", "too few arguments for a name rule"),
    ("infix a b", "name rule supports only exact, prefix, suffix, substring, and regex name matching, received: infix"),
    ("regex ( b", "invalid regex matching pattern: ("),
    ("regex (?!a) b", "invalid regex matching pattern: (?!a)"),
    ("regex " + "a" * 10001 + " b", "regex pattern too long: 10001 > 10000"),
    (
        "regex (a) {1}{2}",
        "the rewrite regex pattern ({1}{2}) uses more subexpressions than its"
        " corresponding matching regex pattern ((a))",
    ),
    ("exact a (", "invalid regex matching pattern: (."),
    ("regex a b c", "invalid arguments for regex rule"),
    ("regex a b c d", "exceeded the number of arguments for a non-answer rule argument for regex rule"),
    ("exact a b answer", "invalid arguments for exact rule"),
    ("regex a b answer foo", 'invalid type "foo" for answer rule for regex rule'),
    ("regex a b answer auto answer", "type missing for answer rule for regex rule"),
    ("regex a b answer name x", "name answer rule for regex rule: 2 arguments required"),
    ("regex a b answer value x", "value answer rule for regex rule: 2 arguments required"),
    ("regex a b answer name ( y", "name answer rule for regex rule: invalid regex matching pattern: ("),
    (
        "regex a b answer value x {1}",
        "value answer rule for regex rule: the rewrite regex pattern ({1}) uses more"
        " subexpressions than its corresponding matching regex pattern (x)",
    ),
    ("regex a b answer auto name x y", "auto name answer rule cannot be combined with explicit name anwer rules"),
]


@table(("args", "message"), ERRORS)
def test_error(args: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        name_rule(args.split())
    assert str(error.value) == message
