from minidns.dns.model import Rcode, Response, Reuse, Source
from minidns.kubernetes.apex import start_of_authority
from minidns.kubernetes.model import ClusterAnswer
from minidns.kubernetes.rules import Rule
from minidns.plugins import cluster_responses as responses
from tests.table import table

SOA = start_of_authority("cluster.local.", 30, 7)
GONE = Source("Service", "a/b", found=False)


@table(
    ("rule", "synced", "rcode"),
    [
        (Rule.APEX, True, Rcode.NOERROR),
        (Rule.APEX, False, Rcode.NOERROR),
        (Rule.NO_SUCH_SERVICE, True, Rcode.NXDOMAIN),
        (Rule.NO_SUCH_SERVICE, False, Rcode.SERVFAIL),
    ],
)
def test_negative(rule: Rule, synced: bool, rcode: Rcode) -> None:
    answer = ClusterAnswer(rule, (GONE,))
    got = responses.negative(answer, SOA, None, synced=synced)
    assert got == Response(rcode, authority=(SOA,), aa=True, rule=rule, sources=(GONE,))


def test_positive() -> None:
    answer = ClusterAnswer(Rule.CLUSTER_IP, (GONE,), additional=(SOA,))
    got = responses.positive(answer, [SOA], Reuse())
    assert got.answer == got.additional == (SOA,)
    assert got.aa
    assert not got.ra
    assert not got.authority
    assert got.reuse == Reuse()
