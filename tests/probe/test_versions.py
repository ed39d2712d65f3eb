"""Differences between releases of CoreDNS, which must not excuse a fault."""

from minidns.corefile.releases import NEWEST, Release
from minidns.dns.model import Question
from minidns.probe.differences import Class, Difference
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Answer, LookupResult
from minidns.probe.versions import known
from tests.table import table

A, TXT, HTTPS = 1, 16, 65
OLD = Release(1, 13, 1)
ROWS = [
    # release asked, name, type, rcodes of the two servers, whether it is known
    (OLD, "a.localhost.", A, (3, 0), True),
    (OLD, "a.localhost.", A, (0, 3), True),
    (Release(1, 14, 4), "a.localhost.", A, (3, 0), True),
    (Release(1, 14, 5), "a.localhost.", A, (3, 0), False),
    (NEWEST, "a.localhost.", A, (3, 0), False),
    (None, "a.localhost.", A, (3, 0), False),
    (OLD, "localhost.", A, (3, 0), False),
    (OLD, "a.localhost.", A, (2, 0), False),
    (OLD, "a.localhost.", A, (0, 0), False),
    (OLD, "a.localhost.", TXT, (3, 0), False),
    (OLD, "a.localhost.test.", A, (3, 0), False),
    (OLD, "web.default.svc.cluster.local.", A, (3, 0), False),
    # 1.13.1 and 1.14.2 answer SVCB and HTTPS from zone files, too
    (OLD, "web.example.org.", HTTPS, (3, 0), False),
]


@table(("release", "name", "rtype", "rcodes", "is_known"), ROWS)
def test_a_difference_is_known_only_where_the_answers_show_the_change(
    release: Release | None, name: str, rtype: int, rcodes: tuple[int, int], is_known: bool
) -> None:
    reference, other = (LookupResult(Kind.REPLY, Answer(rcode), 0.0) for rcode in rcodes)
    difference = Difference(Question(name, rtype), 2, Class.WRONG_RCODE, None, reference, other)
    assert bool(known(release)(difference)) == is_known
