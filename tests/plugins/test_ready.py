import logging

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import health, ready
from minidns.plugins.contracts import ReadinessCheck
from minidns.plugins.site import HttpReply, Site
from tests.table import table
from tests.world import InstanceAlone, World, directives


def set_up(body: str = "ready") -> Site:
    site = World().site(f".:53 {{\n{body}\n}}")
    ready.PLUGIN.set_up(directives(site, "ready"), site)
    return site


def beside(site: Site, body: str = "ready") -> Site:
    """Return one more block of the same Corefile."""
    other = World().site(f"example.org:53 {{\n{body}\n}}")
    other.instance = site.instance
    if body:
        ready.PLUGIN.set_up(directives(other, "ready"), other)
    site.instance.sites.append(other)
    return other


def probe(site: Site) -> object:
    assert isinstance(site.instance, InstanceAlone)
    return list(site.instance.endpoints.values())[-1]({}, {})


OK = HttpReply(b"OK", 200)

ADDRESSES = {
    "default": ("ready", ":8181"),
    "own": ("ready 127.0.0.1:8281", "127.0.0.1:8281"),
    "empty-block": ("ready {\n}", ":8181"),
    "until-ready": ("ready {\nmonitor until-ready\n}", ":8181"),
    "continuously": ("ready {\nmonitor continuously\n}", ":8181"),
}


@table(("body", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_address(body: str, address: str) -> None:
    site = set_up(body)
    assert isinstance(site.instance, InstanceAlone)
    assert list(site.instance.endpoints) == [(address, "/ready")]


ARGS = "Error during parsing: Wrong argument count or unexpected line ending after"
REFUSED = {
    "twice": ("ready\nready", "this plugin can only be used once per Server Block"),
    "no-colon": ("ready 8181", "address 8181: missing port in address"),
    "two-addresses": ("ready :1 :2", f"Corefile:2 - {ARGS} ':2'"),
    "unknown-option": ("ready {\nfoo\n}", "Corefile:3 - Error during parsing: unknown property 'foo'"),
    "monitor-without": ("ready {\nmonitor\n}", f"Corefile:3 - {ARGS} 'monitor'"),
    "monitor-unknown": ("ready {\nmonitor x\n}", "Corefile:3 - Error during parsing: monitor type 'x' not supported"),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == message


def test_nobody_to_wait_for() -> None:
    assert probe(set_up()) == OK


def test_waits_for_every_plugin(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site = set_up()
    site.readiness = {"kubernetes": ReadinessCheck(lambda: False), "erratic": ReadinessCheck(lambda: False)}
    assert probe(site) == HttpReply(b"erratic,kubernetes", 503)
    assert [record.getMessage() for record in caplog.records] == ['Plugins not ready: "erratic,kubernetes"']


def test_once_ready_is_ready_for_good() -> None:
    site = set_up()
    site.readiness = {"kubernetes": ReadinessCheck(lambda: True)}
    assert probe(site) == OK
    site.readiness["erratic"] = ReadinessCheck(lambda: False)
    assert probe(site) == HttpReply(b"erratic", 503)


def test_a_latched_plugin_is_not_asked_again() -> None:
    site = set_up()
    calls: list[bool] = []

    def check() -> bool:
        calls.append(True)
        return True

    site.readiness = {"kubernetes": ReadinessCheck(check)}
    assert [probe(site), probe(site)] == [OK, OK]
    assert len(calls) == 1


def test_continuously_goes_on_asking() -> None:
    site = set_up("ready {\nmonitor continuously\n}")
    states = iter((True, False, True))
    site.readiness = {"kubernetes": ReadinessCheck(lambda: next(states))}
    waiting = HttpReply(b"kubernetes", 503)
    assert [probe(site) for _ in range(3)] == [OK, waiting, OK]


def test_blocks_without_ready_are_not_asked() -> None:
    site = set_up()
    beside(site, "").readiness = {"kubernetes": ReadinessCheck(lambda: False)}
    assert probe(site) == OK


def test_a_plugin_of_two_blocks_counts_in_the_last() -> None:
    site = set_up()
    site.readiness = {"kubernetes": ReadinessCheck(lambda: False)}
    beside(site).readiness = {"kubernetes": ReadinessCheck(lambda: True)}
    assert probe(site) == OK


def test_latches_are_those_of_the_load() -> None:
    for _ in range(2):
        site = set_up()
        site.readiness = {"kubernetes": ReadinessCheck(lambda: False)}
        assert probe(site) == HttpReply(b"kubernetes", 503)
        site.readiness = {"kubernetes": ReadinessCheck(lambda: True)}
        assert probe(site) == OK


async def test_closes_before_any_lame_duck() -> None:
    first = World().site(".:53 {\nhealth {\nlameduck 5s\n}\n}")
    health.PLUGIN.set_up(directives(first, "health"), first)
    other = beside(first)
    for hook in other.hooks.start:
        await hook()
    await first.hooks.shutdown[0]()
    assert isinstance(first.instance, InstanceAlone)
    assert list(first.instance.endpoints) == [(":8080", "/health")]
    assert len(first.hooks.shutdown) == 2
