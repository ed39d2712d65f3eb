from collections.abc import Sequence
from random import Random

import pytest

from sim.resolver.protocol import Mode, Session
from sim.resolver.resolv_conf import GLIBC, Conf
from sim.resolver.search import Status
from sim.resolver.sequential import server_timeout_s
from tests.sim.resolver.script import Does, Play

THREE = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
TWO = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
ONE = "nameserver 192.0.2.1\n"
NAME = "a.example"


def brief(play: Play) -> list[str]:
    """``seconds server-number TYPE`` of each query, TCP marked."""
    return [
        line.replace("192.0.2.", "").replace(" a.example. ", " ") for line in play.log
    ]


@pytest.mark.parametrize(
    ("conf", "answers", "expected", "status"),
    [
        pytest.param(
            ONE, {"A": "OK"}, ["0 1 A", "0 1 AAAA"], Status.ANSWERED, id="both-at-once"
        ),
        pytest.param(
            ONE,
            {"192.0.2.1": ""},
            ["0 1 A", "0 1 AAAA", "5 1 A", "5 1 AAAA"],
            Status.SILENT,
            id="two-attempts-of-5-s",
        ),
        pytest.param(
            ONE + "options timeout:1 attempts:3\n",
            {"192.0.2.1": ""},
            [f"{t} 1 {k}" for t in (0, 1, 2) for k in ("A", "AAAA")],
            Status.SILENT,
            id="timeout-and-attempts",
        ),
        pytest.param(
            THREE,
            {"192.0.2.1": "", "192.0.2.2": "", "192.0.2.3": ""},
            # 5, 10 // 3 and 20 // 3 seconds
            [
                f"{t} {s} {k}"
                for t, s in ((0, 1), (5, 2), (8, 3), (14, 1), (19, 2), (22, 3))
                for k in ("A", "AAAA")
            ],
            Status.SILENT,
            id="three-silent-servers",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "5 2 A", "5 2 AAAA"],
            Status.ANSWERED,
            id="second-server-after-5-s",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "SERVFAIL", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "0 2 A", "0 2 AAAA"],
            Status.ANSWERED,
            id="servfail-next-server-at-once",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "LAME", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "0 2 A", "0 2 AAAA"],
            Status.ANSWERED,
            id="lame-server-passed-over",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "REFUSE", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "0 2 A", "0 2 AAAA"],
            Status.ANSWERED,
            id="nobody-there-next-server-at-once",
        ),
        pytest.param(
            ONE,
            {"192.0.2.1": "REFUSE"},
            ["0 1 A", "0 1 AAAA"] * 2,
            Status.REFUSED,
            id="nobody-there-at-all",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "NXDOMAIN", "192.0.2.2": "OK"},
            ["0 1 A", "0 1 AAAA"],
            Status.NXDOMAIN,
            id="nxdomain-is-an-answer",
        ),
        pytest.param(
            ONE,
            {"A": "OK", "AAAA": (0.5, "SERVFAIL")},
            ["0 1 A", "0 1 AAAA"],
            Status.ANSWERED,
            id="half-an-answer-will-do",
        ),
        pytest.param(
            ONE,
            {"A": (0.5, "OK"), "AAAA": "SERVFAIL"},
            ["0 1 A", "0 1 AAAA"],
            Status.ANSWERED,
            id="servfail-first-waits-for-the-other",
        ),
        pytest.param(
            ONE,
            {"A": "TC"},
            ["0 1 A", "0 1 AAAA", "0 1 A TCP", "0 1 AAAA TCP"],
            Status.ANSWERED,
            id="truncated-both-again-by-tcp",
        ),
        pytest.param(
            ONE + "options use-vc\n",
            {"A": "OK"},
            ["0 1 A TCP", "0 1 AAAA TCP"],
            Status.ANSWERED,
            id="use-vc",
        ),
        pytest.param(
            ONE + "options single-request\n",
            {"A": (0.25, "OK")},
            ["0 1 A", "0.25 1 AAAA"],
            Status.ANSWERED,
            id="single-request",
        ),
    ],
)
def test_who_is_asked_when(
    conf: str,
    answers: dict[str, Does | Sequence[Does]],
    expected: list[str],
    status: Status,
) -> None:
    play = Play(answers)
    outcome = play.run(conf, NAME)
    assert brief(play) == expected
    assert outcome.status is status


def test_the_five_second_stall() -> None:
    """One of two datagrams from one port is lost: 5 s, then more shyly."""
    play = Play({"A": "OK", "AAAA": ["", "OK"]})
    assert len(play.run(ONE, NAME).replies) == 2
    assert brief(play) == ["0 1 A", "0 1 AAAA", "5 1 A", "5 1 AAAA"]
    assert len({send.source for send in play.sent}) == 1


def test_silence_is_met_from_the_same_port() -> None:
    """glibc keeps its socket open until the look-up ends: conntrack keeps the pod."""
    play = Play({"192.0.2.1": "", "192.0.2.2": ""})
    play.run(TWO, NAME)
    ports = {(send.server, send.source) for send in play.sent}
    assert len(play.sent) == 8
    assert len(ports) == 2


def test_the_next_name_has_a_port_of_its_own() -> None:
    play = Play({})
    play.run(ONE + "search x.example\n", "web")
    assert len({send.source for send in play.sent}) == 2


def test_half_that_never_comes_costs_three_windows() -> None:
    play = Play({"A": "OK", "AAAA": ""})
    session = Session(GLIBC.conf(ONE), Random(1))
    outcome = play.run(ONE, NAME, session=session)
    assert (outcome.status, len(outcome.replies)) == (Status.ANSWERED, 1)
    assert play.now == 15
    assert session.mode == Mode.REOPEN
    assert len({send.source for send in play.sent[-2:]}) == 2


def test_shy_for_ever_after() -> None:
    session = Session(GLIBC.conf(ONE), Random(1))
    Play({"A": "OK", "AAAA": ["", "OK"]}).run(ONE, NAME, session=session)
    play = Play({"A": (1, "OK"), "AAAA": "OK"})
    play.run(ONE, NAME, session=session)
    assert brief(play) == ["0 1 A", "1 1 AAAA"]


def test_single_request_reopen_uses_another_port() -> None:
    play = Play({"A": "OK"})
    play.run(ONE + "options single-request-reopen\n", NAME)
    assert play.sent[0].source != play.sent[1].source


def test_rotate_starts_each_name_at_the_next_server() -> None:
    play = Play({})
    play.run(TWO + "search x.example y.example\noptions rotate\n", "web")
    assert [line.split()[1] for line in play.log[::2]] == [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.1",
    ]


def test_tcp_that_fails_moves_on_by_tcp_and_tries_each_server_once() -> None:
    play = Play({"192.0.2.1": ["TC", "TC", "REFUSE", "REFUSE"], "192.0.2.2": ""})
    assert play.run(TWO, NAME, types=(1,)).status is Status.ANSWERED
    play = Play({"192.0.2.1": ["TC", "REFUSE"], "192.0.2.2": ""})
    assert play.run(TWO, NAME, types=(1,)).status is Status.SILENT
    assert brief(play) == ["0 1 A", "0 1 A TCP", "0 2 A TCP"]


@pytest.mark.parametrize(
    ("timeout", "servers", "expected"),
    [(5, 1, [5]), (5, 2, [5, 5]), (5, 3, [5, 3, 6]), (1, 3, [1, 1, 1]), (0, 1, [1])],
)
def test_window(timeout: int, servers: int, expected: list[float]) -> None:
    conf = Conf(("x",) * servers, timeout_s=timeout)
    assert [server_timeout_s(conf, i) for i in range(servers)] == expected
