from random import Random

import pytest

from minidns.dns.rdata import A
from minidns.stub.protocol import Status
from sim.resolver.windows import CONTAINER, Settings, Windows
from tests.stub.script import Play
from tests.table import table

ONE = "nameserver 192.0.2.1\n"
TWO = ONE + "nameserver 192.0.2.2\n"
THREE = TWO + "nameserver 192.0.2.3\n"
SEARCH = "search shop.svc.cluster.local svc.cluster.local\n"


@table(
    ("conf", "expected"),
    [
        (ONE, ["0 1", "1 1", "2 1", "4 1", "8 1"]),
        (TWO, ["0 1", "1 2", "2 2", "4 1", "4 2", "8 1", "8 2"]),
        (THREE, ["0 1", "1 2", "2 3", "4 1", "4 2", "4 3", "8 1", "8 2", "8 3"]),
    ],
)
def test_schedule_of_silent_servers(conf: str, expected: list[str]) -> None:
    play = Play({"A": ""})
    outcome = play.run(Windows(conf, Random(1)), "a.example", (A,))
    lines = [line.replace("192.0.2.", "").split()[:2] for line in play.log]
    assert [" ".join(words) for words in lines] == expected
    assert (play.now, outcome.status) == (10, Status.SILENT)


@table(
    ("settings", "text", "name", "names"),
    [
        pytest.param(
            Settings(),
            SEARCH,
            "web",
            ["web.shop.svc.cluster.local.", "web.svc.cluster.local."],
            id="suffixes-and-never-as-given",
        ),
        pytest.param(CONTAINER, SEARCH, "web", ["web.shop.svc.cluster.local."], id="one-suffix"),
        pytest.param(Settings(), SEARCH, "web.shop", ["web.shop."], id="a-dot-means-no-suffix"),
        pytest.param(
            Settings(append_to_multi_label=True),
            "search svc.cluster.local\n",
            "web.shop",
            ["web.shop.", "web.shop.svc.cluster.local."],
            id="policy",
        ),
        pytest.param(
            Settings(),
            "domain a.corp.example.org\n",
            "web",
            ["web.a.corp.example.org.", "web.corp.example.org.", "web.example.org."],
            id="devolution",
        ),
        pytest.param(Settings(), SEARCH, "web.", ["web."], id="final-dot"),
    ],
)
def test_names(settings: Settings, text: str, name: str, names: list[str]) -> None:
    play = Play({})
    play.run(Windows(ONE + text, Random(1), settings), name, (A,))
    assert [line.split()[2] for line in play.log] == names


@table(
    ("does", "seconds", "cached"),
    [
        ("OK", 29, True),
        ("OK", 31, False),
        ("NXDOMAIN", 4, True),
        ("NXDOMAIN", 6, False),
        ("NODATA", 4, True),
        ("SERVFAIL", 1, False),
    ],
)
def test_cache(does: str, seconds: float, cached: bool) -> None:
    windows = Windows(ONE, Random(1))
    first = Play({"A": does})
    first.run(windows, "a.example", (A,))
    second = Play({"A": does}, now=first.now + seconds)
    second.run(windows, "a.example", (A,))
    assert bool(second.sent) != cached


def test_nxdomain_ends_it_at_once_and_truncation_leads_to_tcp() -> None:
    play = Play({"192.0.2.1": "NXDOMAIN"})
    assert play.run(Windows(TWO, Random(1)), "a.example").error == "WSAHOST_NOT_FOUND"
    assert play.now == 0
    play = Play({"A": "TC"})
    assert play.run(Windows(TWO, Random(1)), "a.b", (A,)).status is Status.ANSWERED
    assert [send.transport for send in play.sent] == ["udp", "tcp"]
