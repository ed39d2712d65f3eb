from collections.abc import Sequence

import pytest

from sim.resolver.search import MUSL, Status
from tests.sim.resolver.script import Does, Play

TWO = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
ONE = "nameserver 192.0.2.1\n"
NAME = "a.example"
ALL = ["0 1 A", "0 2 A", "0 1 AAAA", "0 2 AAAA"]


def brief(play: Play) -> list[str]:
    """``seconds server-number TYPE`` of each query, TCP marked."""
    return [
        line.replace("192.0.2.", "").replace(" a.example. ", " ") for line in play.log
    ]


@pytest.mark.parametrize(
    ("conf", "answers", "expected", "end", "status"),
    [
        pytest.param(
            TWO, {"A": "OK"}, ALL, 0, Status.ANSWERED, id="all-servers-both-questions"
        ),
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
            Status.ANSWERED,
            id="half-an-answer-after-the-whole-timeout",
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
    conf: str,
    answers: dict[str, Does | Sequence[Does]],
    expected: list[str],
    end: float,
    status: Status,
) -> None:
    play = Play(answers)
    outcome = play.run(conf, NAME, MUSL)
    assert brief(play) == expected
    assert outcome.status is status
    assert play.now == pytest.approx(end)


def test_everything_leaves_from_one_port() -> None:
    play = Play({"192.0.2.1": ""})
    play.run(TWO, NAME, MUSL)
    assert len({send.source for send in play.sent}) == 1
