from collections.abc import Sequence
from random import Random

import pytest

from minidns.dns import wire
from minidns.dns.rdata import AAAA, A
from minidns.stub.protocol import Status
from sim.resolver.go import Go
from tests.stub.script import Does, Play
from tests.table import table

TWO = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
ONE = "nameserver 192.0.2.1\n"
SEARCH = ONE + "search x.example y.example\noptions ndots:2\n"


def go(text: str) -> Go:
    return Go(text, Random(1))


def brief(play: Play) -> list[str]:
    """``seconds server-number TYPE`` of each query, TCP marked."""
    return [line.replace("192.0.2.", "").replace(" a.example. ", " ") for line in play.log]


@table(
    ("conf", "answers", "expected", "status"),
    [
        pytest.param(TWO, {"A": "OK", "AAAA": "NODATA"}, ["0 1 AAAA", "0 1 A"], Status.ANSWERED, id="both-at-once"),
        pytest.param(
            ONE, {"A": "", "AAAA": "OK"}, ["0 1 AAAA", "0 1 A", "5 1 A"], Status.ANSWERED, id="each-type-for-itself"
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "SERVFAIL", "A": "OK", "AAAA": "NXDOMAIN"},
            ["0 1 AAAA", "0 1 A", "0 2 AAAA", "0 2 A"],
            Status.ANSWERED,
            id="servfail-next-server",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "NODATA", "192.0.2.2": "OK"},
            ["0 1 AAAA", "0 1 A"],
            Status.NODATA,
            id="nodata-is-no-such-host",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "REFUSE", "A": "OK", "AAAA": "NODATA"},
            ["0 1 AAAA", "0 1 A", "0 2 AAAA", "0 2 A"],
            Status.ANSWERED,
            id="nobody-there-next-server",
        ),
        pytest.param(
            ONE + "options single-request\n",
            {"A": (1, "OK"), "AAAA": "NODATA"},
            ["0 1 A", "1 1 AAAA"],
            Status.ANSWERED,
            id="single-request",
        ),
        pytest.param(
            ONE + "options use-vc\n",
            {"A": "OK", "AAAA": "NODATA"},
            ["0 1 AAAA TCP", "0 1 A TCP"],
            Status.ANSWERED,
            id="use-vc",
        ),
        pytest.param(
            ONE, {"A": "TC", "AAAA": "NODATA"}, ["0 1 AAAA", "0 1 A", "0 1 A TCP"], Status.ANSWERED, id="truncated"
        ),
    ],
)
def test_who_is_asked_when(
    conf: str, answers: dict[str, Does | Sequence[Does]], expected: list[str], status: Status
) -> None:
    play = Play(answers)
    assert play.run(go(conf), "a.example").status is status
    assert brief(play) == expected


@table(
    ("answers", "count", "error"),
    [
        pytest.param({}, 3, "no such host", id="nxdomain-goes-on"),
        pytest.param({"web.x.example.": "SERVFAIL"}, 3, "no such host", id="servfail-goes-on"),
        pytest.param({"web.x.example.": ""}, 3, "no such host", id="silence-goes-on"),
        pytest.param({"web.": "SERVFAIL"}, 3, "server misbehaving", id="error-of-name"),
        pytest.param({"web.y.example. A": "OK"}, 2, "", id="one-family-is-enough"),
    ],
)
def test_what_ends_a_search(answers: dict[str, Does | Sequence[Does]], count: int, error: str) -> None:
    play = Play(answers)
    outcome = play.run(go(SEARCH), "web")
    assert outcome.error == error
    assert len({line.split()[2] for line in play.log}) == count


def test_every_query_has_edns_and_a_socket_of_its_own() -> None:
    play = Play({})
    play.run(go(SEARCH), "web")
    assert {wire.decode_query(send.wire).opt.size for send in play.sent} == {1232}  # type: ignore[union-attr]
    assert len({send.source for send in play.sent}) == len(play.sent)


def test_rotate_sends_the_two_types_to_different_servers() -> None:
    play = Play({})
    play.run(go(TWO + "options rotate\n"), "a.example")
    assert [line.split()[1] for line in play.log] == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(("seconds", "server"), [(4, "192.0.2.1"), (6, "192.0.2.2")])
def test_a_changed_file_counts_after_five_seconds(seconds: float, server: str) -> None:
    resolver = go(ONE)
    Play({}).run(resolver, "a.example", (A,))
    resolver.resolv_conf = "nameserver 192.0.2.2\n"
    play = Play({}, now=seconds)
    play.run(resolver, "a.example", (A,))
    assert play.sent[0].server == server


@table(
    ("text", "name", "names"),
    [
        ("search . x.example\n", "web", ["web.x.example.", "web."]),
        ("search x.example\n", "a.b", ["a.b.", "a.b.x.example."]),
        ("search x.example\n", "web.", ["web."]),
        ("search x.example\n", "web.onion", ["web.onion.x.example."]),
        ("domain x.example\noptions ndots:x\n", "web", ["web.", "web.x.example."]),
        ("", "a..b", []),
    ],
)
def test_names(text: str, name: str, names: list[str]) -> None:
    play = Play({})
    play.run(go(ONE + text), name, (AAAA,))
    assert [line.split()[2] for line in play.log] == names
