"""The command: every lookup is counted and shown, and none is lost."""

import json
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import dns.message
import pytest

from tests.probe.fake_server import Behaviour, Reply, answers, serving, silence
from tests.process import call, minidns, run

ONE = answers("a.test. 60 A 192.0.2.1")


pytestmark = pytest.mark.slow  # lookups at a rate


def dropping(every: int) -> Behaviour:
    """Return a behaviour that answers all but one of ``every`` queries."""
    seen = 0

    def reply(query: dns.message.Message, transport: str) -> Reply:
        nonlocal seen
        seen += 1
        return None if seen % every == 0 else ONE(query, transport)

    return reply


async def probed(*words: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Return the exit status, the lookups and the summary of a probe."""
    status, out, err = await run("probe", *words, "-o", "json")
    *lookups, last = map(json.loads, out.splitlines())
    assert err == ""
    return status, lookups, last["summary"]


EXITS = [
    ((ONE,), 0),
    ((ONE, ONE), 0),
    ((ONE, answers(rcode=3)), 0),
    ((ONE, answers(rcode=2)), 1),
    ((ONE, dropping(4)), 1),
    ((ONE, silence), 4),
]


@pytest.mark.parametrize(("behaviours", "status"), EXITS)
async def test_the_exit_status_says_whether_lookups_failed(behaviours: Sequence[Behaviour], status: int) -> None:
    async with AsyncExitStack() as stack:
        served = [await stack.enter_async_context(serving(behaviour)) for behaviour in behaviours]
        places = [f"{host}:{port}" for host, port in served]
        words = ("--name", "a.test", "--count", "8", "--rate", "200", "--timeout", "0.5s")
        got, lookups, summary = await probed(*places, *words)
    assert got == status
    assert Counter(lookup["server"] for lookup in lookups) == {place: 8 for place in places}
    assert [each["lookups"] for each in summary["servers"]] == [8] * len(places)


@pytest.mark.parametrize("ports", ["fresh", "fixed"])
async def test_every_lookup_has_a_line_and_each_loss_is_counted(ports: str) -> None:
    words = ("--count", "100", "--rate", "300", "-t", "A", "--name", "a.test")
    async with serving(dropping(10)) as (host, port):
        _, lookups, summary = await probed(f"{host}:{port}", *words, "--timeout", "1s", "--ports", ports)
    failures = Counter(lookup["failure"] for lookup in lookups)
    assert failures == {"": 90, "no reply": 10}
    assert summary["servers"][0]["failures"] == {"no reply": 10}
    sources = {lookup["source_port"] for lookup in lookups}
    assert (len(sources) == 1) == (ports == "fixed")


async def test_interrupted_it_prints_the_summary() -> None:
    async with serving(ONE) as (host, port):
        words = ("probe", f"{host}:{port}", "--name", "a.test", "-o", "json")
        async with minidns(*words) as running:
            await running.said('"records": ["a.test. A 192.0.2.1"]')
            running.signal(signal.SIGINT)
            assert await running.ended() == 0
            assert any('"summary"' in line for line in running.lines)


async def test_all_servers_are_asked_at_the_same_moment_in_random_order() -> None:
    order: list[int] = []

    def at(number: int) -> Behaviour:
        def reply(query: dns.message.Message, transport: str) -> Reply:
            order.append(number)
            return ONE(query, transport)

        return reply

    async with serving(at(0)) as one, serving(at(1)) as two:
        places = [f"{host}:{port}" for host, port in (one, two)]
        words = ("--name", "a.test", "-t", "A", "--count", "60", "--rate", "100")
        _, lookups, _ = await probed(*places, *words)
    times = sorted(lookup["time"] for lookup in lookups)
    pairs = list(zip(times[::2], times[1::2], strict=True))
    apart = sorted(later - earlier for earlier, later in pairs)
    assert apart[len(apart) // 2] < 0.01  # most pairs: the machine may be busy now and then
    firsts = Counter(order[::2])
    assert min(firsts.values()) > 10


WRONG = [
    ("127.0.0.1:1",),
    ("127.0.0.1:1", "--name", "a..test"),
    ("127.0.0.1:1", "--name", "a.test", "--count", "0"),
    ("127.0.0.1:1", "--name", "a.test", "--rate", "-1"),
    ("127.0.0.1:1", "--name", "a.test", "--for", "soon"),
    ("127.0.0.1:1", "--name", "a.test", "--ports", "many"),
    ("localhost", "--name", "a.test"),
]


@pytest.mark.parametrize("words", WRONG)
async def test_wrong_usage_ends_with_2_and_the_cause(words: Sequence[str]) -> None:
    status, out, err = await call("probe", *words)
    assert (status, out) == (2, "")
    assert err.startswith(("minidns probe: ", "usage: minidns probe "))
    assert "Traceback" not in err
