"""Kinds of answers, and the one TTL a whole answer has."""

from dataclasses import dataclass

import dns.rdata

from minidns.dns.model import Opt, Query, Question, Rcode, Response, RRset
from minidns.dns.rdata import ANY, AXFR, CNAME, IXFR, MX, NS, RRSIG, SOA, A, from_text
from minidns.plugins.answer_kind import Outcome, cache_outcome, outcome_of
from minidns.plugins.cache.store import clamp_ttl, ttl_of, with_ttl
from tests.table import table

WALL = 1_700_000_000
NAME = "www.example.org."


def rrset(rtype: int, text: str, ttl: int = 300, owner: str = NAME) -> RRset:
    return RRset(owner, rtype, ttl, (from_text(rtype, text),))


def signature(start: str, end: str) -> RRset:
    data = dns.rdata.from_text("IN", "RRSIG", f"A 8 2 300 {end} {start} 1 example.org. AAAA").to_wire()
    assert data
    return RRset(NAME, RRSIG, 300, (data,))


ADDRESS = rrset(A, "192.0.2.1")
ALIAS = rrset(CNAME, "nowhere.example.org.")
DENIAL = rrset(SOA, "ns.example.org. admin.example.org. 1 2 3 4 5", 60, "example.org.")
CUT = rrset(NS, "ns.example.net.", 60, "example.org.")
CURRENT = signature("20231101000000", "20231201000000")
EXPIRED = signature("20231001000000", "20231101000000")
FUTURE = signature("20231201000000", "20240101000000")


PLAIN = Query(Question(NAME, A))


@dataclass
class Case:
    response: Response
    outcome: Outcome
    ttl: int
    query: Query = PLAIN


DO = Query(Question(NAME, A), opt=Opt(1232, do=True))

CASES = {
    "answer": Case(Response(answer=(ADDRESS,)), Outcome.POSITIVE, 300),
    "answer-with-soa": Case(Response(answer=(ALIAS,), authority=(DENIAL,)), Outcome.POSITIVE, 60),
    "nothing-at-all": Case(Response(), Outcome.POSITIVE, 5),
    "additional-only": Case(Response(additional=(ADDRESS,)), Outcome.POSITIVE, 300),
    "nodata": Case(Response(authority=(DENIAL,)), Outcome.NODATA, 60),
    "nodata-beside-ns": Case(Response(authority=(CUT, DENIAL)), Outcome.NODATA, 60),
    "delegation": Case(Response(authority=(CUT,)), Outcome.DELEGATION, 5),
    "nxdomain": Case(Response(Rcode.NXDOMAIN, authority=(DENIAL,)), Outcome.NXDOMAIN, 60),
    "nxdomain-behind-an-alias": Case(
        Response(Rcode.NXDOMAIN, (ALIAS,), (DENIAL,)), Outcome.OTHER, 5
    ),
    "nxdomain-without-soa": Case(Response(Rcode.NXDOMAIN), Outcome.NXDOMAIN, 5),
    "nxdomain-with-answer-only": Case(Response(Rcode.NXDOMAIN, (ALIAS,)), Outcome.OTHER, 5),
    "servfail": Case(Response(Rcode.SERVFAIL), Outcome.FAILURE, 5),
    "notimp": Case(Response(Rcode.NOTIMP), Outcome.FAILURE, 5),
    "refused": Case(Response(Rcode.REFUSED), Outcome.OTHER, 5),
    "formerr": Case(Response(Rcode.FORMERR), Outcome.OTHER, 5),
    "refused-with-answer": Case(Response(Rcode.REFUSED, (ADDRESS,)), Outcome.OTHER, 5),
    "axfr": Case(Response(answer=(ADDRESS,)), Outcome.TRANSFER, 5, Query(Question(NAME, AXFR))),
    "ixfr": Case(Response(answer=(ADDRESS,)), Outcome.TRANSFER, 5, Query(Question(NAME, IXFR))),
    "notify": Case(Response(), Outcome.TRANSFER, 5, Query(Question(NAME, SOA), flags=0x2000)),
    "signed-in-time": Case(Response(answer=(ADDRESS, CURRENT)), Outcome.POSITIVE, 300, DO),
    "signature-expired": Case(Response(answer=(ADDRESS, EXPIRED)), Outcome.OTHER, 5, DO),
    "signature-of-the-future": Case(Response(authority=(FUTURE, DENIAL)), Outcome.OTHER, 5, DO),
    "expired-but-not-asked-for": Case(Response(answer=(ADDRESS, EXPIRED)), Outcome.POSITIVE, 300),
    "least-of-all-sections": Case(
        Response(answer=(ADDRESS,), additional=(rrset(A, "192.0.2.2", 2),)), Outcome.POSITIVE, 2
    ),
    "an-hour-at-most": Case(
        Response(answer=(rrset(A, "192.0.2.1", 86400),)), Outcome.POSITIVE, 3600
    ),
    "ttl-0": Case(Response(answer=(rrset(A, "192.0.2.1", 0),)), Outcome.POSITIVE, 0),
}  # fmt: skip


@table("case", CASES.values(), ids=CASES)
def test_kind_and_ttl(case: Case) -> None:
    outcome = outcome_of(case.query, case.response, WALL)
    assert outcome is case.outcome
    assert ttl_of(case.response, outcome) == case.ttl


def alias(target: str, owner: str = NAME, ttl: int = 300) -> RRset:
    return rrset(CNAME, target, ttl, owner)


def sent(qtype: int = A, qclass: int = 1) -> Query:
    return Query(Question(NAME, qtype, qclass))


END = "end.example.org."
END_ADDRESS = rrset(A, "192.0.2.9", 300, END)
MX_RECORD = rrset(MX, f"10 {END}")
P, U, N = Outcome.POSITIVE, Outcome.UNRESOLVED, Outcome.NODATA

CACHED_AS = {
    "address": (sent(), (ADDRESS,), P, P),
    "no-answer-at-all": (sent(), (), P, N),
    "chain-of-1-ends-in-address": (sent(), (alias(END), END_ADDRESS), P, P),
    "order-means-nothing": (sent(), (END_ADDRESS, alias(END)), P, P),
    "chain-of-2-ends-in-address": (
        sent(), (alias("b.test."), alias(END, "b.test."), END_ADDRESS), P, P
    ),
    "alias-that-leads-nowhere": (sent(), (ALIAS,), U, N),
    "chain-breaks-in-the-middle": (sent(), (alias("b.test."), END_ADDRESS), U, N),
    "address-is-of-the-alias-itself": (sent(), (alias(END), ADDRESS), U, N),
    "address-of-another-name": (sent(), (END_ADDRESS,), U, N),
    "another-type": (sent(), (MX_RECORD,), U, N),
    "loop": (sent(), (alias("b.test."), alias(NAME, "b.test.")), U, N),
    "alias-of-itself": (sent(), (alias(NAME), ADDRESS), U, N),
    "two-targets": (sent(), (alias(END), alias("b.test."), END_ADDRESS), U, N),
    "two-targets-in-one-set": (
        sent(),
        (RRset(NAME, CNAME, 9, alias(END).rdata + alias("b.test.").rdata), END_ADDRESS), U, N
    ),
    "same-target-twice": (sent(), (alias(END), alias(END), END_ADDRESS), P, P),
    "letters-case": (sent(), (alias("END.example.ORG.", "WWW.Example.org."), END_ADDRESS), P, P),
    "cname-asked": (sent(CNAME), (ALIAS,), P, P),
    "cname-asked-two-targets": (sent(CNAME), (alias(END), alias("b.test.")), U, N),
    "cname-asked-address-given": (sent(CNAME), (ADDRESS,), U, N),
    "any-asked": (sent(ANY), (ADDRESS,), P, P),
    "any-asked-alias": (sent(ANY), (ALIAS,), P, P),
    "any-asked-record-of-another-name": (sent(ANY), (END_ADDRESS,), U, N),
    "mx-asked-alias-ends-in-mx": (sent(MX), (alias(END), MX_RECORD._replace(owner=END)), P, P),
    "mx-asked-alias-ends-in-address": (sent(MX), (alias(END), END_ADDRESS), U, N),
    "another-class": (sent(), (ADDRESS._replace(rclass=3),), U, N),
    "any-class-asked": (sent(qclass=255), (ADDRESS,), P, P),
}  # fmt: skip


@table(("query", "answer", "without_soa", "with_soa"), CACHED_AS.values(), ids=CACHED_AS)
def test_a_cache_looks_whether_the_question_is_answered(
    query: Query, answer: tuple[RRset, ...], without_soa: Outcome, with_soa: Outcome
) -> None:
    """CoreDNS 1.14.7, plugin/cache: RFC 2308 2.2 and 5."""
    for authority, expected in (((), without_soa), ((DENIAL,), with_soa)):
        response = Response(answer=answer, authority=authority)
        assert cache_outcome(query, response, WALL) is expected


@table(
    ("ttl", "bounds", "shown"),
    [(300, (5, 30), 30), (2, (5, 30), 5), (17, (5, 30), 17), (9, (20, 10), 10)],
    ids=["most", "least", "between", "most-wins"],
)
def test_clamped(ttl: int, bounds: tuple[int, int], shown: int) -> None:
    assert clamp_ttl(ttl, *bounds) == shown


def test_with_ttl_sets_every_record_and_drops_the_opt() -> None:
    response = Response(0, (ADDRESS,), (DENIAL,), (CUT,), opt=Opt(1232), aa=True)
    flat = with_ttl(response, 7)
    ttls = [item.ttl for item in (*flat.answer, *flat.authority, *flat.additional)]
    assert ttls == [7, 7, 7]
    assert flat.opt is None
    assert flat.aa
    assert flat.answer[0].rdata == ADDRESS.rdata
