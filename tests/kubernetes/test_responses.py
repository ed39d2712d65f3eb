from minidns.dns.model import Opt, Query, Question, Rcode, Response, Reuse, Source
from minidns.kubernetes import responses
from minidns.kubernetes.apex import start_of_authority
from minidns.kubernetes.model import ClusterAnswer
from minidns.kubernetes.rules import Rule
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


def query(opt: Opt | None) -> Query:
    return Query(Question("x.", 1), opt=opt)


DENIED = Response(Rcode.NXDOMAIN, rule="negative/no-such-service", sources=(GONE,))


def test_extended_error_is_added_to_what_would_be_echoed() -> None:
    opt = Opt(1232, True, ((10, b"12345678"), (8, b"ecs")))
    assert responses.extended(query(opt), DENIED) == Opt(
        1232, True, ((10, b"12345678"), (15, b"\0\0no-such-service: Service a/b"))
    )


def test_extended_error_before_the_first_sync() -> None:
    failed = Response(Rcode.SERVFAIL, rule="negative/no-such-namespace")
    opt = responses.extended(query(Opt(512)), failed)
    assert opt is not None
    assert opt.options == ((15, b"\0\x0eno-such-namespace"),)


def test_no_extended_error_without_edns_or_with_an_answer() -> None:
    assert responses.extended(query(None), DENIED) is None
    assert responses.extended(query(Opt(512)), Response(answer=(SOA,))) is None


def test_the_text_is_short_and_plain() -> None:
    source = Source("Service", "\xe9" * 300, found=False)
    text = responses.short("negative/x", [source])
    assert text.startswith(b"x: Service ???")
    assert len(text) == 120
