"""*forward*: in which order upstreams are tried, how often, and until when."""

from collections import Counter as Tally

import pytest

from minidns.dns.model import DnsError, Rcode, Response
from tests.plugins.scripted import scripted
from tests.table import table
from tests.world import query, settle, texts

ONE, TWO, THREE = "192.0.2.1", "192.0.2.2", "192.0.2.3"
NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]


def text_of(outcome: Response | DnsError | BaseException | None) -> str:
    return outcome.text if isinstance(outcome, DnsError) else "no error"


# Policies


async def asked_in_turn(policy: str, queries: int, **behavior: str) -> list[str]:
    world = scripted(f"forward . {ONE} {TWO} {THREE} {{\npolicy {policy}\nmax_fails 0\n}}")
    world.behavior = behavior
    for number in range(queries):
        await world.outcome(query(f"n{number}.example.org."))
    return world.asked


async def test_sequential() -> None:
    assert await asked_in_turn("sequential", 3) == [ONE] * 3


async def test_sequential_goes_down_the_list() -> None:
    dead = {ONE: "refused", TWO: "refused"}
    assert await asked_in_turn("sequential", 1, **dead) == [ONE, TWO, THREE]


async def test_round_robin_begins_with_the_second_as_coredns_does() -> None:
    assert await asked_in_turn("round_robin", 4) == [TWO, THREE, ONE, TWO]


async def test_round_robin_keeps_the_order_of_the_rest() -> None:
    dead = {ONE: "refused", TWO: "refused", THREE: "refused"}
    assert (await asked_in_turn("round_robin", 1, **dead))[:3] == [TWO, ONE, THREE]


async def test_random_is_the_default_and_even() -> None:
    world = scripted(f"forward . {ONE} {TWO} {THREE}")
    for number in range(300):
        await world.outcome(query(f"n{number}.example.org."))
    tally = Tally(world.asked)
    assert set(tally) == {ONE, TWO, THREE}
    assert min(tally.values()) > 60


async def test_random_tries_each_once_before_any_again() -> None:
    dead = {ONE: "refused", TWO: "refused", THREE: "refused"}
    client_query = await asked_in_turn("random", 1, **dead)
    assert sorted(client_query[:3]) == sorted(client_query[3:]) == [ONE, TWO, THREE]


# Tries and deadlines


async def test_the_next_is_asked_on_an_error() -> None:
    world = scripted(f"forward . {ONE} {TWO} {{\npolicy sequential\n}}")
    world.behavior = {ONE: "refused"}
    assert texts((await world.ask(query(NAME))).answer) == GOOD
    assert world.asked == [ONE, TWO]


@table(
    ("option", "tries"),
    [
        pytest.param("", 4, id="twice-the-upstreams"),
        pytest.param("max_connect_attempts 1", 1, id="one"),
        pytest.param("max_connect_attempts 3", 3, id="three"),
        pytest.param("max_connect_attempts 0", 100, id="limit-of-none"),
    ],
)
async def test_tries_are_bounded(option: str, tries: int) -> None:
    world = scripted(f"forward . {ONE} {TWO} {{\nmax_fails 0\n{option}\n}}")
    world.behavior = {ONE: "refused", TWO: "refused"}
    assert text_of(await world.outcome(query(NAME))) == "connection refused"
    assert len(world.asked) == tries


async def test_silence_costs_two_seconds_a_try() -> None:
    world = scripted(f"forward . {ONE} {TWO} {{\npolicy sequential\nmax_fails 0\n}}")
    world.behavior = {ONE: "silent"}
    task = world.asking(query(NAME))
    await world.world.clock.advance(1.9)
    assert not task.done()
    await world.world.clock.advance(0.1)
    assert texts(task.result().answer) == GOOD
    assert [sent.at for sent in world.sent] == [0, 2]


async def test_five_seconds_in_all() -> None:
    world = scripted(f"forward . {ONE} {{\nmax_fails 0\nmax_connect_attempts 0\n}}")
    world.behavior = {ONE: "silent"}
    task = world.asking(query(NAME))
    await world.world.clock.advance(4.9)
    assert not task.done()
    await world.world.clock.advance(0.1)
    error = task.exception()
    assert isinstance(error, DnsError)
    assert error.rcode == Rcode.SERVFAIL
    assert error.text == "read udp 127.0.0.1:40000->192.0.2.1:53: i/o timeout"
    assert [(sent.at, sent.timeout_s) for sent in world.sent] == [(0, 2), (2, 2), (4, 1)]


async def test_read_timeout() -> None:
    world = scripted(f"forward . {ONE} {{\nread_timeout 4s\nmax_fails 0\n}}")
    world.behavior = {ONE: "silent"}
    await world.outcome(query(NAME), 5)
    assert [(sent.at, sent.timeout_s) for sent in world.sent] == [(0, 4), (4, 1)]


# By rcode


@table(
    ("options", "first", "client_query", "rcode"),
    [
        ("next NXDOMAIN", "NXDOMAIN", [ONE, TWO], 0),
        ("next NXDOMAIN SERVFAIL", "SERVFAIL", [ONE, TWO], 0),
        ("next NXDOMAIN", "SERVFAIL", [ONE], 2),
        ("", "NXDOMAIN", [ONE], 3),
        ("next_on_nodata", "nodata", [ONE, TWO], 0),
        ("next_on_nodata", "NXDOMAIN", [ONE], 3),
        ("next NOERROR", "good", [ONE, TWO], 0),
    ],
)
async def test_the_next_line_is_asked_by_rcode(options: str, first: str, client_query: list[str], rcode: int) -> None:
    world = scripted(f"forward . {ONE} {{\n{options}\n}}\nforward . {TWO}")
    world.behavior = {ONE: first}
    response = await world.ask(query(NAME))
    assert (world.asked, response.rcode) == (client_query, rcode)


async def test_next_goes_to_another_forward_only() -> None:
    world = scripted(f"forward . {ONE} {{\nnext NXDOMAIN\nnext_on_nodata\n}}")
    world.behavior = {ONE: "NXDOMAIN"}
    assert (await world.ask(query(NAME))).rcode == Rcode.NXDOMAIN


async def test_the_next_line_may_not_be_for_the_name() -> None:
    world = scripted(f"forward . {ONE} {{\nnext NXDOMAIN\n}}\nforward net {TWO}")
    world.behavior = {ONE: "NXDOMAIN"}
    outcome = await world.outcome(query(NAME))
    assert text_of(outcome) == "plugin/forward: no next plugin found"


@table(
    ("behavior", "client_query", "rcode"),
    [
        ({ONE: "SERVFAIL"}, [ONE, TWO], 0),
        ({ONE: "SERVFAIL", TWO: "REFUSED"}, [ONE, TWO, THREE], 0),
        ({ONE: "SERVFAIL", TWO: "SERVFAIL", THREE: "SERVFAIL"}, [ONE, TWO, THREE], 2),
        ({ONE: "NXDOMAIN"}, [ONE], 3),
    ],
    ids=["second", "third", "the-last-is-final", "not-listed"],
)
async def test_failover(behavior: dict[str, str], client_query: list[str], rcode: int) -> None:
    world = scripted(f"forward . {ONE} {TWO} {THREE} {{\npolicy sequential\nfailover SERVFAIL REFUSED\n}}")
    world.behavior = behavior
    response = await world.ask(query(NAME))
    assert (world.asked, response.rcode) == (client_query, rcode)


# Limits


async def test_max_concurrent() -> None:
    world = scripted(f"forward . {ONE} {{\nmax_concurrent 2\nmax_fails 0\n}}")
    metric = "coredns_forward_max_concurrent_rejects_total"
    assert world.world.metrics.value(metric) == 0
    world.behavior = {ONE: "silent"}
    waiting = [world.asking(query(f"n{number}.example.org.")) for number in (1, 2)]
    await settle()
    error = await world.outcome(query(NAME))
    assert isinstance(error, DnsError)
    assert error.rcode == Rcode.REFUSED
    assert error.text == "concurrent queries exceeded maximum 2"
    assert world.world.metrics.value(metric) == 1
    await world.world.clock.advance(5)
    assert all(isinstance(waiter.exception(), DnsError) for waiter in waiting)
    world.behavior = {}
    assert texts((await world.ask(query(NAME))).answer) == GOOD
    assert len(world.checked) == 0  # a refusal is nobody's fault


async def test_probes_of_loop_are_never_one_anothers_answer() -> None:
    world = scripted(f"forward . {ONE}")
    world.behavior = {ONE: "hangs"}
    waiting = [world.asking(query("1.2.", "HINFO")) for _ in range(3)]
    await settle()
    assert len(world.sent) == 3
    await world.site.stop()
    await settle()
    assert [text_of(waiter.exception()) for waiter in waiting] == ["stopped while waiting"] * 3


async def test_the_time_a_reply_took_is_measured() -> None:
    world = scripted(f"forward . {ONE}")
    world.behavior = {ONE: "NXDOMAIN"}
    await world.ask(query(NAME))
    labels = {"proxy_name": "forward", "to": "192.0.2.1:53", "rcode": "NXDOMAIN"}
    name = "coredns_proxy_request_duration_seconds"
    assert world.world.metrics.value(name, labels) == 1
