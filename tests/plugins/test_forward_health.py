"""*forward*: upstreams that go down and come back."""

import dns.flags
import pytest

from minidns.dns.model import DnsError, Response
from tests.plugins.scripted import Scripted, scripted
from tests.process import mentions
from tests.table import table
from tests.world import query, texts

ONE, TWO = "192.0.2.1", "192.0.2.2"
NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]
BROKEN = "coredns_forward_healthcheck_broken_total"


def states(world: Scripted) -> dict[str, tuple[bool, int]]:
    told = world.site.offers.explainers["forward"](query(NAME), Response())
    details, lines = told["upstreams"], told["text"]
    assert isinstance(details, list)
    assert isinstance(lines, list)
    for state, line in zip(details, lines, strict=True):  # for people: the same in words, without False and None
        failed = str(state["failed_checks"]) if state["failed_checks"] else ""
        assert mentions(line, f"{state['to']} {'down' if state['down'] else 'up'} {failed}".strip())
    return {line["to"]: (line["down"], line["failed_checks"]) for line in details}


async def refused_once(options: str = "") -> Scripted:
    """Forward to one upstream that refuses, and let one query find out."""
    world = scripted(f"forward . {ONE} {{\nmax_connect_attempts 1\n{options}\n}}")
    world.behavior = {ONE: "refused"}
    assert isinstance(await world.outcome(query(NAME)), DnsError)
    return world


async def test_nothing_is_checked_before_an_error() -> None:
    world = scripted(f"forward . {ONE}")
    await world.outcome(query(NAME))
    await world.world.clock.advance(60)
    assert world.checked == []


async def test_checks_run_from_an_error_until_a_reply() -> None:
    world = await refused_once()
    await world.world.clock.advance(1.9)
    world.behavior = {}
    await world.world.clock.advance(10)
    assert world.checked == [(at, ONE) for at in (0, 0.5, 1, 1.5, 2)]


async def test_an_upstream_is_down_at_the_third_failed_check() -> None:
    world = await refused_once()
    key = f"{ONE}:53"
    for at, state in ((0.4, (False, 1)), (0.9, (False, 2)), (1.4, (True, 3))):
        await world.world.clock.advance(at - world.world.clock.time)
        assert states(world)[key] == state
    assert (
        world.world.metrics.value("coredns_proxy_healthcheck_failures_total", {"proxy_name": "forward", "to": key}) == 3
    )
    world.behavior = {}
    await world.world.clock.advance(1)
    assert states(world)[key] == (False, 0)


@pytest.mark.parametrize(("option", "fails"), [("max_fails 1", 2), ("max_fails 5", 6)])
async def test_max_fails(option: str, fails: int) -> None:
    world = await refused_once(option)
    await world.world.clock.advance(0.5 * (fails - 1) - 0.1)
    assert not states(world)[f"{ONE}:53"][0]
    await world.world.clock.advance(0.5)
    assert states(world)[f"{ONE}:53"][0]


async def test_max_fails_0_checks_nothing_and_nobody_is_down() -> None:
    world = await refused_once("max_fails 0")
    await world.world.clock.advance(60)
    assert world.checked == []
    assert states(world) == {f"{ONE}:53": (False, 0)}


@table("rcode", ["REFUSED", "SERVFAIL", "NOTIMP", "NXDOMAIN"])
async def test_any_reply_is_a_sign_of_life(rcode: str) -> None:
    world = await refused_once()
    world.behavior = {ONE: rcode}
    await world.world.clock.advance(10)
    assert world.checked == [(0, ONE), (0.5, ONE)]


async def test_a_silent_upstream_has_a_second() -> None:
    world = await refused_once()
    world.behavior = {ONE: "silent"}
    await world.world.clock.advance(4)
    # a second for the check, half of one for the pause
    assert [at for at, _ in world.checked] == [0, 0.5, 2, 3.5]
    assert {sent.timeout_s for sent in world.sent if sent.is_check} == {1}


@table(
    ("options", "name", "rd", "transport", "every"),
    [
        ("", ".", True, "udp", 0.5),
        ("health_check 2s", ".", True, "udp", 2),
        ("health_check 1s no_rec", ".", False, "udp", 1),
        ("health_check 1s domain Example.net", "example.net.", True, "udp", 1),
        ("force_tcp", ".", True, "tcp", 0.5),
        ("prefer_udp", ".", True, "udp", 0.5),
    ],
)
async def test_what_a_check_asks(options: str, name: str, rd: bool, transport: str, every: float) -> None:
    world = await refused_once(options)
    await world.world.clock.advance(every)
    first, second = (sent for sent in world.sent if sent.is_check)
    assert first.message.question[0].to_text() == f"{name} IN NS"
    assert bool(first.message.flags & dns.flags.RD) == rd
    assert (first.to.transport, first.to.owner) == (transport, "")
    assert second.at - first.at == every
    assert first.message.id != second.message.id


async def test_a_check_of_a_tls_upstream_goes_over_tls() -> None:
    world = scripted("forward . tls://192.0.2.1%dns.example.org {\nforce_tcp\n}")
    world.behavior = {ONE: "refused"}
    await world.outcome(query(NAME))
    to = next(sent.to for sent in world.sent if sent.is_check)
    assert (to.transport, to.servername) == ("tls", "dns.example.org")


async def one_of_two_down(options: str = "") -> Scripted:
    world = scripted(f"forward . {ONE} {TWO} {{\npolicy sequential\n{options}\n}}")
    world.behavior = {ONE: "refused"}
    await world.outcome(query(NAME))
    await world.world.clock.advance(2)
    assert states(world) == {f"{ONE}:53": (True, 5), f"{TWO}:53": (False, 0)}
    return world


async def test_who_is_down_is_not_asked() -> None:
    world = await one_of_two_down()
    before = len(world.asked)
    for number in range(10):
        await world.outcome(query(f"n{number}.example.org."))
    assert world.asked[before:] == [TWO] * 10


async def test_who_is_in_doubt_is_asked_last() -> None:
    world = scripted(f"forward . {ONE} {TWO} {{\npolicy sequential\n}}")
    world.behavior = {ONE: "refused"}
    await world.outcome(query(NAME))
    for number in range(5):
        await world.outcome(query(f"n{number}.example.org."))
    assert world.asked == [ONE, TWO, *[TWO] * 5]
    assert not any(down for down, _ in states(world).values())


async def test_who_comes_back_is_asked_again() -> None:
    world = await one_of_two_down()
    world.behavior = {}
    await world.world.clock.advance(1)
    await world.outcome(query(NAME))
    assert world.asked[-1] == ONE


async def all_down(options: str = "") -> Scripted:
    world = await refused_once(options)
    await world.world.clock.advance(5)
    assert states(world)[f"{ONE}:53"][0]
    return world


async def test_when_all_are_down_one_is_asked_all_the_same() -> None:
    world = await all_down()
    assert world.world.metrics.value(BROKEN) == 0
    before = len(world.asked)
    error = await world.outcome(query(NAME))
    assert isinstance(error, DnsError)
    assert error.text == "connection refused"
    assert len(world.asked) == before + 1
    assert world.world.metrics.value(BROKEN) == 1
    world.behavior = {}
    response = await world.outcome(query(NAME))
    assert isinstance(response, Response)
    assert texts(response.answer) == GOOD


async def test_failfast_asks_nobody_when_all_are_down() -> None:
    world = await all_down("failfast_all_unhealthy_upstreams")
    before = len(world.asked)
    error = await world.outcome(query(NAME))
    assert isinstance(error, DnsError)
    assert (error.rcode, error.text) == (2, "no healthy proxies")
    assert len(world.asked) == before
    assert world.world.metrics.value(BROKEN) == 1


async def test_after_a_minute_of_darkness_the_first_second_brings_light() -> None:
    world = scripted(f"forward . {ONE} {TWO} {{\nfailfast_all_unhealthy_upstreams\n}}")
    world.behavior = {ONE: "silent", TWO: "silent"}
    await world.outcome(query(NAME), 60)
    assert all(down for down, _ in states(world).values())
    world.behavior = {}
    await world.world.clock.advance(1.5)  # a check's second and its pause
    assert isinstance(await world.outcome(query(NAME)), Response)


async def test_checks_end_with_the_site() -> None:
    world = await refused_once()
    await world.world.clock.advance(0.1)
    await world.site.stop()
    checks = len(world.checked)
    await world.world.clock.advance(60)
    assert len(world.checked) == checks
