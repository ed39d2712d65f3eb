"""Rows of RFC 1034 4.3.2, RFC 4592 and RFC 6672; then a zone against a naive search."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns import names, rdata, zonefile
from minidns.dns.model import Question, Rcode, RRset
from minidns.dns.rdata import type_number
from minidns.dns.zone import Zone, ZoneAnswer
from tests.table import table
from tests.world import texts

SOA = "@ 300 SOA ns.example.org. admin.example.org. 7 7200 3600 1209600 60"
ZONE = f"""
{SOA}
@        600 NS    ns
@        600 NS    ns.example.net.
@        60  A     192.0.2.80
@        60  MX    10 mail
ns       60  A     192.0.2.53
mail     60  A     192.0.2.25
mail     60  AAAA  2001:db8::25
www      60  CNAME web
web      60  A     192.0.2.1
web      60  A     192.0.2.2
away     60  CNAME www.example.net.
nothing  60  CNAME gone
empty    60  CNAME mail
a.b.c    60  TXT   deep
*.w      60  A     192.0.2.7
*.w      60  MX    10 mail
x.y.w    60  TXT   closer
*.al     60  CNAME web
sub      600 NS    ns.sub
sub      600 NS    ns
sub      600 DS    1 8 2 {"ab" * 32}
ns.sub   60  A     192.0.2.99
insub    60  CNAME host.sub
old      60  DNAME new
host.new 60  A     192.0.2.44
out      60  DNAME example.net.
long     60  DNAME {".".join(["l" * 60] * 3)}
to-ent   60  CNAME b.c
to-wild  60  CNAME x.w
to-old   60  CNAME x.old
chain    60  CNAME nothing
under.*.e 60 A     192.0.2.8
loop     60  DNAME loop
one      60  CNAME two
two      60  CNAME one
self     60  CNAME self
_s._tcp  60  SRV   0 0 80 mail
_s._tcp  60  SRV   0 0 80 www.example.net.
s        60  HTTPS 1 mail.example.org. alpn=h2
"""


def zone(text: str, apex: str = "example.org.") -> Zone:
    records = zonefile.read(text, apex, "db", lambda path: "")
    return Zone(apex, zonefile.rrsets(records))


ORG = zone(ZONE)


def ask(name: str, qtype: str, where: Zone = ORG) -> ZoneAnswer:
    full = "example.org." if name == "@" else f"{name}.example.org."
    return where.lookup(Question(full, type_number(qtype)))


NS_LINES = ["example.org. 600 NS ns.example.net.", "example.org. 600 NS ns.example.org."]
SOA_LINE = "example.org. 300 SOA ns.example.org. admin.example.org. 7 7200 3600 1209600 60"

POSITIVE = [
    pytest.param("web", "A", ["web A 192.0.2.1", "web A 192.0.2.2"], id="set"),
    pytest.param("@", "A", ["@ A 192.0.2.80"], id="apex"),
    pytest.param("a.b.c", "TXT", ['a.b.c TXT "deep"'], id="deep"),
    pytest.param("x.w", "A", ["x.w A 192.0.2.7"], id="rfc4592-wildcard"),
    pytest.param("p.q.w", "A", ["p.q.w A 192.0.2.7"], id="rfc4592-labels-below"),
    pytest.param("*.w", "A", ["*.w A 192.0.2.7"], id="rfc4592-queried-itself"),
    pytest.param(
        "www", "A", ["web A 192.0.2.1", "web A 192.0.2.2", "www CNAME web.example.org."], id="cname-is-followed"
    ),
    pytest.param("www", "CNAME", ["www CNAME web.example.org."], id="cname-itself"),
    pytest.param(
        "t.al", "A", ["t.al CNAME web.example.org.", "web A 192.0.2.1", "web A 192.0.2.2"], id="wildcard-cname"
    ),
    pytest.param(
        "host.old",
        "A",
        ["host.new A 192.0.2.44", "host.old CNAME host.new.example.org.", "old DNAME new.example.org."],
        id="rfc6672-dname",
    ),
    pytest.param("old", "DNAME", ["old DNAME new.example.org."], id="dname-itself"),
    pytest.param(
        "host.old",
        "CNAME",
        ["host.old CNAME host.new.example.org.", "old DNAME new.example.org."],
        id="rfc6672-cname-of-dname-is-not-followed",
    ),
    pytest.param("one", "A", ["one CNAME two.example.org.", "two CNAME one.example.org."], id="ring-of-cnames-ends"),
    pytest.param("self", "A", ["self CNAME self.example.org."], id="cname-to-itself"),
    pytest.param("sub", "DS", [f"sub DS 1 8 2 {'AB' * 32}"], id="rfc4035-ds-of-parent"),
]


def short(lines: Sequence[str]) -> list[str]:
    """Return lines without TTL, and without the zone's name in the owner."""
    out = []
    for line in lines:
        owner, _, rest = line.split(" ", 2)
        out.append(f"{owner.removesuffix('example.org.').rstrip('.') or '@'} {rest}")
    return sorted(out)


@table(("name", "qtype", "expected"), POSITIVE)
def test_positive(name: str, qtype: str, expected: list[str]) -> None:
    response, chase = ask(name, qtype)
    assert (response.rcode, response.aa, chase) == (Rcode.NOERROR, True, "")
    assert [line.upper() for line in short(texts(response.answer))] == [line.upper() for line in sorted(expected)]
    assert texts(response.authority) == NS_LINES


NEGATIVE = [
    pytest.param("gone", "A", Rcode.NXDOMAIN, "zone/nxdomain", id="nxdomain"),
    pytest.param("x.gone", "A", Rcode.NXDOMAIN, "zone/nxdomain", id="nxdomain-below"),
    pytest.param("x.web", "A", Rcode.NXDOMAIN, "zone/nxdomain", id="below-a-host"),
    pytest.param("web", "AAAA", Rcode.NOERROR, "zone/nodata", id="nodata"),
    pytest.param("@", "AAAA", Rcode.NOERROR, "zone/nodata", id="nodata-apex"),
    pytest.param("x.w", "TXT", Rcode.NOERROR, "zone/nodata", id="wildcard-nodata"),
    pytest.param("b.c", "A", Rcode.NOERROR, "zone/empty-non-terminal", id="rfc8020-ent"),
    pytest.param("w", "A", Rcode.NOERROR, "zone/empty-non-terminal", id="ent-above-wildcard"),
    pytest.param("y.w", "A", Rcode.NOERROR, "zone/empty-non-terminal", id="rfc4592-ent-is-not-the-wildcard"),
    pytest.param("z.y.w", "A", Rcode.NXDOMAIN, "zone/nxdomain", id="rfc4592-closer-encloser"),
    pytest.param("web", "ANY", Rcode.NOERROR, "zone/nodata", id="any"),
    pytest.param("x.e", "A", Rcode.NOERROR, "zone/nodata", id="rfc4592-4.9-ent-wildcard"),
    pytest.param("x.loop", "A", Rcode.SERVFAIL, "zone/dname-loop", id="dname-to-itself"),
]


@table(("name", "qtype", "rcode", "rule"), NEGATIVE)
def test_negative(name: str, qtype: str, rcode: int, rule: str) -> None:
    response, chase = ask(name, qtype)
    assert (response.rcode, response.rule, response.aa, chase) == (rcode, rule, True, "")
    assert not response.answer
    assert texts(response.authority) == [SOA_LINE]
    assert [source.found for source in response.sources] == [True, False]


def test_alias_without_the_type_is_nodata() -> None:
    response, _ = ask("empty", "TXT")
    assert response.rcode == Rcode.NOERROR
    assert short(texts(response.answer)) == ["empty CNAME mail.example.org."]
    assert texts(response.authority) == [SOA_LINE]


CHASES = [
    pytest.param("away", "A", "www.example.net.", id="cname"),
    pytest.param("x.out", "A", "x.example.net.", id="dname"),
    pytest.param("nothing", "A", "gone.example.org.", id="no-such-owner"),
    pytest.param("to-ent", "A", "b.c.example.org.", id="empty-non-terminal"),
    pytest.param("to-wild", "A", "x.w.example.org.", id="wildcard"),
    pytest.param("to-old", "A", "x.old.example.org.", id="below-a-dname"),
    pytest.param("www", "NS", "web.example.org.", id="ns-of-another-zone"),
    pytest.param("chain", "A", "gone.example.org.", id="second-link"),
]


@table(("name", "qtype", "chase"), CHASES)
def test_targets_outside_the_zone_are_chased(name: str, qtype: str, chase: str) -> None:
    result = ask(name, qtype)
    assert result.chase == chase
    assert result.response.answer[-1].rtype == rdata.CNAME
    assert texts(result.response.authority) == NS_LINES


DELEGATED = [
    pytest.param("sub", "A", id="at-the-cut"),
    pytest.param("sub", "NS", id="ns-at-the-cut"),
    pytest.param("host.sub", "A", id="below"),
    pytest.param("ns.sub", "A", id="glue-is-no-answer"),
    pytest.param("host.sub", "DS", id="ds-below"),
]


@table(("name", "qtype"), DELEGATED)
def test_delegation(name: str, qtype: str) -> None:
    response, _ = ask(name, qtype)
    assert (response.rcode, response.aa, response.answer) == (Rcode.NOERROR, False, ())
    assert short(texts(response.authority)) == ["sub NS ns.example.org.", "sub NS ns.sub.example.org."]
    # only addresses that cannot be resolved otherwise are glue
    assert short(texts(response.additional)) == ["ns.sub A 192.0.2.99"]


def test_alias_into_a_delegation_keeps_authority_for_the_alias() -> None:
    response, _ = ask("insub", "A")
    assert response.aa
    assert short(texts(response.answer)) == ["insub CNAME host.sub.example.org."]
    assert "sub NS ns.example.org." in short(texts(response.authority))


def test_apex_ns_has_addresses_and_no_authority() -> None:
    response, _ = ask("@", "NS")
    assert texts(response.answer) == NS_LINES
    assert response.authority == ()
    assert short(texts(response.additional)) == ["ns A 192.0.2.53"]


ADDITIONAL = [("@", "MX"), ("x.w", "MX"), ("_s._tcp", "SRV"), ("s", "HTTPS")]


@table(("name", "qtype"), ADDITIONAL)
def test_addresses_of_targets_are_added(name: str, qtype: str) -> None:
    response, _ = ask(name, qtype)
    assert short(texts(response.additional)) == ["mail A 192.0.2.25", "mail AAAA 2001:db8::25"]


def test_soa_comes_with_the_name_servers() -> None:
    response, _ = ask("@", "SOA")
    assert texts(response.answer) == [SOA_LINE]
    assert texts(response.authority) == NS_LINES


APEX = "@ 60 CNAME www.example.net.\n"
BARE = [
    pytest.param("", "A", "zone/empty-non-terminal", "", id="soa-alone"),
    pytest.param("@ 60 NS ns\n", "A", "zone/empty-non-terminal", "", id="soa-and-ns"),
    pytest.param("@ 60 TXT x\n", "A", "zone/nodata", "", id="more"),
    pytest.param(APEX, "A", "zone/answer", "www.example.net.", id="alias"),
    pytest.param(APEX, "SOA", "zone/answer", "", id="soa-beside-an-alias"),
    pytest.param(APEX + "@ 60 NS ns\n", "NS", "zone/answer", "", id="ns-beside-it"),
]


@table(("more", "qtype", "rule", "chase"), BARE)
def test_apex(more: str, qtype: str, rule: str, chase: str) -> None:
    result = ask("@", qtype, zone(f"{SOA}\n{more}"))
    assert (result.response.rule, result.chase) == (rule, chase)


def test_dname_substitution_that_is_too_long() -> None:
    response, chase = ask(".".join(["k" * 60] * 2) + ".long", "A")
    assert (response.rcode, chase) == (Rcode.YXDOMAIN, "")  # RFC 6672 2.2
    assert [rrset.rtype for rrset in response.answer] == [rdata.DNAME]


def test_sets_are_merged_with_the_least_ttl() -> None:
    parsed = zone(f"{SOA}\na 60 A 192.0.2.1\na 30 A 192.0.2.2\na 90 A 192.0.2.1")
    (rrset,) = ask("a", "A", parsed).response.answer
    assert rrset == RRset("a.example.org.", rdata.A, 30, (rdata.a("192.0.2.1"), rdata.a("192.0.2.2")))


def test_records_of_other_zones_are_left_out() -> None:
    parsed = zone(f"{SOA}\na.example.net. 60 A 192.0.2.1\nxexample.org. 60 A 192.0.2.1")
    assert [rrset.owner for rrset in parsed.rrsets()] == ["example.org."]


def test_owner_names_are_compared_in_lower_case() -> None:
    parsed = zone(f"{SOA}\nWWW 60 A 192.0.2.1")
    assert ask("www", "A", parsed).response.rcode == Rcode.NOERROR


def test_zone_needs_an_soa() -> None:
    with pytest.raises(ValueError, match=r"no SOA record for origin example\.org\."):
        zone("a 60 A 192.0.2.1")


def test_soa_of_another_name_is_used_if_the_apex_has_none() -> None:
    parsed = zone(SOA.replace("@", "example.org.") + "\nexample.org. 60 A 192.0.2.1", ".")
    response, _ = parsed.lookup(Question("gone.example.", rdata.A))
    assert response.rcode == Rcode.NXDOMAIN
    assert texts(response.authority) == [SOA_LINE]
    assert parsed.serial == 7


def test_root_zone() -> None:
    parsed = zone("@ 1 SOA . . 1 2 3 4 5\n*. 60 A 192.0.2.1\na. 60 A 192.0.2.2", ".")
    for name, expected in (("a.", "192.0.2.2"), ("b.c.", "192.0.2.1")):
        response, _ = parsed.lookup(Question(name, rdata.A))
        assert texts(response.answer) == [f"{name} 60 A {expected}"]


def test_rrsets_yields_every_set_once() -> None:
    rrsets = zonefile.rrsets(zonefile.read(ZONE, "example.org.", "db", str))
    again = Zone("example.org.", rrsets)
    assert texts(again.rrsets()) == texts(rrsets)
    assert next(again.rrsets()).rtype == rdata.SOA


label = st.sampled_from(["a", "b", "*", "c"])
name = st.lists(label, min_size=1, max_size=4).map(lambda labels: ".".join(labels))


@given(owners=st.lists(name, max_size=8), qname=name, other=st.booleans())
def test_answers_equal_those_of_a_naive_search(owners: list[str], qname: str, other: bool) -> None:
    parsed = zone("\n".join([SOA, *(f"{owner} 60 A 192.0.2.1" for owner in owners)]))
    response = ask(qname, "TXT" if other else "A", parsed).response

    held = {f"{owner}.example.org." for owner in owners}
    exists = {"example.org."}
    for ancestor in held:
        while ancestor != "example.org.":
            exists.add(ancestor)
            ancestor = names.parent(ancestor)
    full = encloser = f"{qname}.example.org."
    while encloser not in exists:
        encloser = names.parent(encloser)
    source = full if full in exists else f"*.{encloser}"
    rcode = Rcode.NOERROR if source in exists else Rcode.NXDOMAIN
    assert response.rcode == rcode
    assert bool(response.answer) == (source in held and not other)


@table(("aliases", "followed"), [(1, True), (8, True), (9, False), (20, False)])
def test_aliases_are_followed_up_to_the_limit_of_coredns(aliases: int, followed: bool) -> None:
    links = "".join(f"a{n} 60 CNAME a{n + 1}\n" for n in range(aliases))
    text = f"@ 60 SOA ns admin 1 2 3 4 5\n@ 60 NS ns\n{links}a{aliases} 60 A 192.0.2.1\n"
    answer = ask("a0", "A", zone(text))
    assert any(rrset.rtype == 1 for rrset in answer.response.answer) == followed
