from random import Random

import pytest

from minidns.stub.protocol import Status
from sim.resolver.java import FOREVER, CachePolicy, Java
from tests.stub.script import Play
from tests.table import table

ONE = "nameserver 192.0.2.1\n"


@table(
    ("policy", "does", "seconds", "cached"),
    [
        pytest.param(CachePolicy(), "OK", 29, True, id="success-for-30-s"),
        pytest.param(CachePolicy(), "OK", 31, False, id="not-longer"),
        pytest.param(CachePolicy(), "NXDOMAIN", 9, True, id="failure-for-10-s"),
        pytest.param(CachePolicy(), "NXDOMAIN", 11, False, id="failure-not-longer"),
        pytest.param(FOREVER, "OK", 1e6, True, id="security-manager"),
        pytest.param(FOREVER, "NXDOMAIN", 11, False, id="security-manager-failure"),
        pytest.param(CachePolicy(positive_s=0), "OK", 1, False, id="never"),
    ],
)
def test_how_long_an_outcome_is_cached(policy: CachePolicy, does: str, seconds: float, cached: bool) -> None:
    java = Java(ONE, Random(1), policy)
    first = Play({"192.0.2.1": does})
    outcome = first.run(java, "a.example")
    second = Play({"192.0.2.1": does}, now=first.now + seconds)
    assert second.run(java, "a.example") == outcome or not cached
    assert bool(second.sent) != cached


def test_a_lost_packet_is_an_unknown_host_for_ten_seconds() -> None:
    java = Java(ONE + "options attempts:1\n", Random(1))
    first = Play({"192.0.2.1": ""})
    outcome = first.run(java, "a.example")
    assert outcome.error.startswith("UnknownHostException")
    later = Play({"192.0.2.1": "OK"}, now=first.now + 5)
    assert later.run(java, "a.example").status is Status.SILENT
    assert later.sent == []


def test_a_stale_success_is_used_while_lookups_fail() -> None:
    java = Java(ONE, Random(1), CachePolicy(stale_s=60))
    Play({"192.0.2.1": "OK"}).run(java, "a.example")
    assert Play({}, now=40).run(java, "a.example").status is Status.ANSWERED
    assert Play({}, now=200).run(java, "a.example").status is Status.NXDOMAIN


def test_glibc_below_keeps_its_state() -> None:
    java = Java(ONE, Random(1), CachePolicy(0, 0))
    Play({"A": "OK", "AAAA": ["", "OK"]}).run(java, "a.example")
    play = Play({"A": (1, "OK"), "AAAA": "OK"}, now=10)
    play.run(java, "a.example")
    assert [line.split()[0] for line in play.log] == ["10", "11"]
