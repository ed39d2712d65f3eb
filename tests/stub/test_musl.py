from collections.abc import Sequence
from random import Random

import pytest

from minidns.stub.musl import Musl
from minidns.stub.protocol import Status
from tests.stub.script import Does, Play
from tests.table import table

TWO = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
ONE = "nameserver 192.0.2.1\n"
NAME = "a.example"
ALL = ["0 1 A", "0 2 A", "0 1 AAAA", "0 2 AAAA"]


def musl(text: str, *, tcp: bool = True) -> Musl:
    return Musl(text, Random(1), tcp=tcp)


def brief(play: Play) -> list[str]:
    """``seconds server-number TYPE`` of each query, TCP marked."""
    return [line.replace("192.0.2.", "").replace(" a.example. ", " ") for line in play.log]


@table(
    ("conf", "answers", "expected", "end", "status"),
    [
        pytest.param(TWO, {"A": "OK", "AAAA": "NODATA"}, ALL, 0, Status.ANSWERED, id="all-servers-both-questions"),
        pytest.param(
            TWO,
            {"192.0.2.1": "", "192.0.2.2": (0.1, "OK")},
            ALL,
            0.1,
            Status.ANSWERED,
            id="silent-server-costs-nothing",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "NXDOMAIN", "192.0.2.2": (0.1, "OK")},
            ALL,
            0,
            Status.NXDOMAIN,
            id="first-answer-counts-even-a-wrong-one",
        ),
        pytest.param(
            ONE,
            {"192.0.2.1": ""},
            ["0 1 A", "0 1 AAAA", "2.5 1 A", "2.5 1 AAAA"],
            5,
            Status.SILENT,
            id="attempts-share-the-timeout",
        ),
        pytest.param(
            ONE + "options timeout:2 attempts:4\n",
            {"A": "OK", "AAAA": ["", "", "OK"]},
            ["0 1 A", "0 1 AAAA", "0.5 1 AAAA", "1 1 AAAA"],
            1,
            Status.ANSWERED,
            id="only-what-is-open-is-repeated",
        ),
        pytest.param(
            ONE,
            {"A": ["SERVFAIL", "OK"], "AAAA": "NODATA"},
            ["0 1 A", "0 1 AAAA", "0 1 A"],
            0,
            Status.ANSWERED,
            id="servfail-asked-again-at-once",
        ),
        pytest.param(
            ONE + "options attempts:1\n",
            {"192.0.2.1": "SERVFAIL"},
            ["0 1 A", "0 1 AAAA"] + ["0 1 A", "0 1 AAAA"] * 2,
            5,
            Status.SERVFAIL,
            id="servfail-four-more-times-then-silence",
        ),
        pytest.param(
            ONE,
            {"A": "TC", "AAAA": (0.3, "OK")},
            ["0 1 A", "0 1 AAAA", "0 1 A TCP"],
            0.3,
            Status.ANSWERED,
            id="truncated-one-again-by-tcp",
        ),
        pytest.param(
            ONE,
            {"A": ["TC", "REFUSE"], "AAAA": "NODATA"},
            ["0 1 A", "0 1 AAAA", "0 1 A TCP"],
            0,
            Status.SILENT,
            id="truncated-and-no-tcp",
        ),
        pytest.param(
            ONE,
            {"A": "", "AAAA": "OK"},
            ["0 1 A", "0 1 AAAA", "2.5 1 A"],
            5,
            Status.SILENT,
            id="half-an-answer-is-none",
        ),
        pytest.param(
            ONE,
            {"A": "", "AAAA": "NODATA"},
            ["0 1 A", "0 1 AAAA", "2.5 1 A"],
            5,
            Status.SILENT,
            id="half-a-negative-answer-is-none",
        ),
    ],
)
def test_who_is_asked_when(
    conf: str, answers: dict[str, Does | Sequence[Does]], expected: list[str], end: float, status: Status
) -> None:
    play = Play(answers)
    outcome = play.run(musl(conf), NAME)
    assert brief(play) == expected
    assert outcome.status is status
    assert play.now == pytest.approx(end)


def test_everything_leaves_from_one_port() -> None:
    play = Play({"192.0.2.1": ""})
    play.run(musl(TWO), NAME)
    assert len({send.source for send in play.sent}) == 1


D, S, C = "default.svc.cluster.local.", "svc.cluster.local.", "cluster.local."
CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
)


def names(play: Play) -> list[str]:
    """The names queried, in order, each once in a row."""
    queried = [line.split()[2] for line in play.log]
    return [n for i, n in enumerate(queried) if not i or queried[i - 1] != n]


@table(
    ("conf", "name", "expected"),
    [
        pytest.param(CLUSTER_FIRST, "a.b", [f"a.b.{d}" for d in (D, S, C)] + ["a.b."], id="few-dots-search-first"),
        pytest.param(CLUSTER_FIRST, "web.", ["web."], id="final-dot-no-search"),
        pytest.param(
            CLUSTER_FIRST.replace("ndots:5", "ndots:2"),
            "a.b.example",
            ["a.b.example."],
            id="enough-dots-never-searches",
        ),
        pytest.param("search . a.example\n", "web", ["web.a.example.", "web."], id="root-skipped"),
        pytest.param(
            f"search {'x' * 64}.example a.example\n",
            "web",
            ["web.a.example.", "web."],
            id="no-name-with-a-domain-is-skipped",
        ),
        pytest.param(
            f"search {' '.join(f'd{i:02}.example' for i in range(26))}\n",
            "web",
            ["web."],
            id="a-long-search-line-is-lost",
        ),
        pytest.param(
            "domain a.example b.example\n", "web", ["web.a.example.", "web.b.example.", "web."], id="domain-is-search"
        ),
        pytest.param(CLUSTER_FIRST, "a..", [], id="two-final-dots"),
    ],
)
def test_names_of_a_search(conf: str, name: str, expected: list[str]) -> None:
    play = Play({})
    assert play.run(musl(conf), name).error == "EAI_NONAME"
    assert names(play) == expected


@table(
    ("answers", "count", "status"),
    [
        pytest.param({f"web.{D}": "NODATA"}, 1, Status.NODATA, id="nodata-stops"),
        pytest.param({f"web.{D}": "SERVFAIL"}, 1, Status.SERVFAIL, id="servfail-stops"),
        pytest.param({f"web.{D}": ""}, 1, Status.SILENT, id="silence-stops"),
        pytest.param({f"web.{D}": "REFUSED"}, 1, Status.SILENT, id="refused-is-ignored"),
        pytest.param({f"web.{D}": "REFUSE"}, 1, Status.SILENT, id="icmp-is-ignored"),
        pytest.param({f"web.{D} A": "OK"}, 4, Status.NXDOMAIN, id="nxdomain-for-aaaa-is-nxdomain"),
        pytest.param({f"web.{D} A": "OK", f"web.{D} AAAA": "NODATA"}, 1, Status.ANSWERED, id="nodata-for-aaaa-is-fine"),
    ],
)
def test_what_ends_a_search(answers: dict[str, Does | Sequence[Does]], count: int, status: Status) -> None:
    play = Play(answers)
    outcome = play.run(musl(CLUSTER_FIRST), "web")
    assert (outcome.status, len(names(play))) == (status, count)


def test_no_tcp_up_to_1_2_3() -> None:
    play = Play({"A": "TC", "AAAA": "NODATA"})
    outcome = play.run(musl(ONE, tcp=False), NAME)
    assert outcome.error == "EAI_NONAME"  # the truncated reply has no address
    assert not any(send.transport == "tcp" for send in play.sent)


def test_nodata_has_an_error_of_its_own_since_1_2_4() -> None:
    for tcp, error in ((True, "EAI_NODATA"), (False, "EAI_NONAME")):
        play = Play({"A": "NODATA", "AAAA": "NODATA"})
        assert play.run(musl(ONE, tcp=tcp), NAME).error == error


def test_search_domain_root_is_a_malformed_query_up_to_1_2_3() -> None:
    """The name ends in a dot where the root label belongs; servers say FORMERR."""
    play = Play({})
    outcome = play.run(musl("search .\n", tcp=False), "web")
    assert outcome.status is Status.SILENT
    assert play.now == 5
    assert {send.wire[12:17] for send in play.sent} == {b"\3web."}


def test_no_division_by_no_attempts() -> None:
    outcome = Play({}).run(musl("options attempts:0\n"), NAME)
    assert outcome.error.startswith("SIGFPE")
