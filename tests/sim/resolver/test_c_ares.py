from collections.abc import Sequence
from random import Random

import pytest

from minidns.dns import wire
from minidns.dns.rdata import AAAA, A
from minidns.stub.protocol import Status
from sim.resolver.c_ares import CAres
from tests.stub.script import Does, Play
from tests.table import table

ONE = "nameserver 192.0.2.1\n"
TWO = ONE + "nameserver 192.0.2.2\n"


def channel(text: str) -> CAres:
    return CAres(text, Random(1))


def brief(play: Play) -> list[str]:
    """``seconds server-number TYPE`` of each query, TCP marked."""
    return [line.replace("192.0.2.", "").replace(" a.example. ", " ") for line in play.log]


@table(
    ("conf", "answers", "expected", "status"),
    [
        pytest.param(TWO, {"A": "OK", "AAAA": "NODATA"}, ["0 1 A", "0 1 AAAA"], Status.ANSWERED, id="both-at-once"),
        pytest.param(
            TWO,
            {"192.0.2.1": "SERVFAIL", "A": "OK", "AAAA": "NODATA"},
            ["0 1 A", "0 1 AAAA", "0 2 A", "0 2 AAAA"],
            Status.ANSWERED,
            id="servfail-next-server",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "", "A": "OK", "AAAA": "NODATA"},
            ["0 1 A", "0 1 AAAA", "2 2 A", "2 2 AAAA"],
            Status.ANSWERED,
            id="next-server-after-two-seconds",
        ),
        pytest.param(
            ONE, {"A": "OK", "AAAA": ""}, ["0 1 A", "0 1 AAAA"], Status.ANSWERED, id="aaaa-is-not-tried-again-after-a"
        ),
        pytest.param(
            ONE, {"A": "TC", "AAAA": "NODATA"}, ["0 1 A", "0 1 AAAA", "0 1 A TCP"], Status.ANSWERED, id="truncated"
        ),
        pytest.param(
            ONE,
            {"A": "SERVFAIL", "AAAA": "NODATA"},
            ["0 1 A", "0 1 AAAA", "0 1 A", "0 1 A"],
            Status.SERVFAIL,
            id="three-tries",
        ),
    ],
)
def test_who_is_asked_when(
    conf: str, answers: dict[str, Does | Sequence[Does]], expected: list[str], status: Status
) -> None:
    play = Play(answers)
    assert play.run(channel(conf), "a.example").status is status
    assert brief(play) == expected


def test_time_outs_grow_with_the_rounds() -> None:
    play = Play({"A": ""})
    outcome = play.run(channel(ONE), "a.example", (A,))
    first, second, third = (float(line.split()[0]) for line in play.log)
    assert (first, second) == (0, 2)
    assert 2 <= third - second <= 4
    assert 2 <= play.now - third <= 8
    assert outcome.error == "ARES_ETIMEOUT"


def test_time_out_follows_the_latency_of_the_server() -> None:
    resolver = channel(ONE)
    for number in range(3):
        name = f"n{number}.example"
        Play({"A": (0.1, "OK")}).run(resolver, name, (A,))
    play = Play({"A": ""})
    play.run(resolver, "a.example", (A,))
    assert float(play.log[1].split()[0]) == pytest.approx(0.5)


def test_a_and_aaaa_share_a_socket_and_an_idle_one_is_closed() -> None:
    resolver = channel(ONE)
    play = Play({})
    play.run(resolver, "a.example")
    play.run(resolver, "b.example")
    ports = [send.source for send in play.sent]
    assert ports[0] == ports[1] != ports[2] == ports[3]


def test_a_socket_with_a_time_out_takes_no_new_query() -> None:
    play = Play({"A": ["", "OK"]})
    play.run(channel(ONE), "a.example", (A,))
    assert play.sent[0].source != play.sent[1].source


def test_a_server_that_failed_is_asked_last() -> None:
    resolver = channel(TWO)
    Play({"192.0.2.1": "SERVFAIL"}).run(resolver, "a.example")
    play = Play({})
    play.run(resolver, "b.example", (A,))
    assert play.sent[0].server == "192.0.2.2"


def test_formerr_leads_to_a_query_without_edns() -> None:
    play = Play({"A": ["FORMERR", "OK"]})
    assert play.run(channel(ONE), "a.example", (A,)).status is Status.ANSWERED
    opts = [wire.decode_query(send.wire).opt for send in play.sent]
    assert opts[0] is not None
    assert opts[0].size == 1232
    assert [code for code, _ in opts[0].options] == [10]  # a cookie
    assert opts[1] is None


@table(
    ("does", "seconds", "cached"),
    [
        pytest.param("OK", 29, True, id="by-ttl"),
        pytest.param("OK", 31, False, id="not-longer"),
        pytest.param("NODATA", 3599, True, id="nodata-for-an-hour"),
        pytest.param("NXDOMAIN", 1, False, id="nxdomain-without-soa"),
        pytest.param("SERVFAIL", 1, False, id="no-errors"),
    ],
)
def test_cache(does: str, seconds: float, cached: bool) -> None:
    resolver = channel(ONE)
    first = Play({"A": does})
    first.run(resolver, "a.example", (A,))
    second = Play({"A": does}, now=first.now + seconds)
    second.run(resolver, "a.example", (A,))
    assert bool(second.sent) != cached


@table(
    ("answers", "count", "error"),
    [
        pytest.param({}, 3, "ARES_ENOTFOUND", id="nxdomain-goes-on"),
        pytest.param({"web.x.example.": "NODATA"}, 3, "ARES_ENODATA", id="nodata-goes-on"),
        pytest.param({"web.x.example.": "SERVFAIL"}, 1, "ARES_ESERVFAIL", id="servfail-ends-it"),
        pytest.param({"web.": "REFUSED"}, 3, "ARES_EREFUSED", id="last-name"),
    ],
)
def test_what_ends_a_search(answers: dict[str, Does | Sequence[Does]], count: int, error: str) -> None:
    play = Play(answers)
    outcome = play.run(channel(ONE + "search x.example y.example\n"), "web", (AAAA,))
    assert outcome.error == error
    assert len({line.split()[2] for line in play.log}) == count


def test_search_counts_more_than_domain() -> None:
    play = Play({})
    text = "domain z.example\nsearch x.example\ndomain y.example\n"
    play.run(channel(ONE + text), "web", (A,))
    assert [line.split()[2] for line in play.log] == ["web.x.example.", "web."]
