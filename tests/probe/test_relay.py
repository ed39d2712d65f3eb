"""The relay adds no failure and hides none; it names the pod of each message."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import pytest

from minidns.dns.model import Address, Question
from minidns.probe.exchange import FixedPorts, udp
from minidns.probe.lookup import Form, LookupResult, look_up
from minidns.probe.relay import Passed, relay
from minidns.probe.servers import Target
from tests.probe.fake_server import Behaviour, answers, serving, silence
from tests.process import free_port, minidns
from tests.table import table

A = Question("a.test.", 1)
QUICK = Form(timeout_s=0.2)


def says(number: int) -> Behaviour:
    return answers(f"a.test. 60 A 192.0.2.{number}")


@asynccontextmanager
async def relaying(*behaviours: Behaviour) -> AsyncIterator[tuple[Address, list[Passed]]]:
    """Relay to servers with these behaviours, called pod-1 and so on."""
    passed: list[Passed] = []
    async with AsyncExitStack() as stack:
        pods = [
            Target(f"pod-{number}", await stack.enter_async_context(serving(each)))
            for number, each in enumerate(behaviours, 1)
        ]
        running = await relay(("127.0.0.1", free_port()), lambda: pods, Random(1), passed.append)
        stack.push_async_callback(running.close)
        yield running.address, passed


def addresses(result: LookupResult) -> list[str]:
    return [line.split()[-1] for line in result.answer.lines()] if result.answer else []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_each_flow_goes_to_one_pod_drawn_at_random(transport: str) -> None:
    async with relaying(says(1), says(2)) as (address, passed):
        form = Form(transport, timeout_s=5.0)
        results = [await look_up(A, address, form) for _ in range(60)]
    counts = Counter(addresses(result)[0] for result in results)
    assert min(counts["192.0.2.1"], counts["192.0.2.2"]) > 15
    queries = [each for each in passed if not each.is_reply]
    replies = [each for each in passed if each.is_reply]
    assert len(replies) == 60
    # the report names the pod whose answer the client got
    by_port = {each.client[1]: each.pod for each in queries}
    if transport == "udp":
        for result in results:
            number = addresses(result)[0].rpartition(".")[2]
            assert by_port[result.source_port] == f"pod-{number}"


async def test_a_fixed_port_is_one_flow_and_stays_at_its_pod() -> None:
    ports = FixedPorts()
    async with relaying(says(1), says(2)) as (address, _):
        results = [await look_up(A, address, Form(), ports.udp) for _ in range(20)]
        ports.close()
    assert len({addresses(result)[0] for result in results}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_pod_that_drops_is_neither_avoided_nor_retried(transport: str) -> None:
    """*forward* would ask the other pod, and lose nothing."""
    async with relaying(says(1), silence) as (address, passed):
        form = Form(transport, timeout_s=1.0)
        results = await asyncio.gather(*(look_up(A, address, form) for _ in range(40)))
    lost = [result for result in results if result.failure]
    assert 5 < len(lost) < 35
    queries = [each for each in passed if not each.is_reply]
    replies = [each for each in passed if each.is_reply and each.size]
    assert len(queries) == 40
    assert len(replies) == 40 - len(lost)
    assert Counter(reply.pod for reply in replies) == {"pod-1": len(replies)}


async def test_messages_pass_unchanged_also_those_that_are_no_dns() -> None:
    seen: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as pod:
        pod.bind(("127.0.0.1", 0))
        target = Target("pod", pod.getsockname())
        running = await relay(("127.0.0.1", free_port()), lambda: [target], Random(1), lambda _: None)
        loop = asyncio.get_running_loop()
        for message in (b"\0", b"x" * 1400, bytes(range(256))):
            query = asyncio.ensure_future(udp(running.address, b"\1\2" + message, 1.0))
            wire, client = await loop.run_in_executor(None, pod.recvfrom, 65535)
            seen.append(wire[2:])
            pod.sendto(wire[:2] + bytes(12) + message, client)
            assert (await query).wire[14:] == message
        await running.close()
    assert seen == [b"\0", b"x" * 1400, bytes(range(256))]


FAILING: list[tuple[Sequence[Target], str, str]] = [
    ([], "udp", "no reply"),
    ([], "tcp", "closed"),
    ([Target("gone", ("127.0.0.1", 1))], "udp", "no reply"),
    ([Target("gone", ("127.0.0.1", 1))], "tcp", "closed"),
]


@table(("pods", "transport", "failure"), FAILING)
async def test_without_a_pod_that_listens_the_client_sees_it(
    pods: Sequence[Target], transport: str, failure: str
) -> None:
    passed: list[Passed] = []
    running = await relay(("127.0.0.1", free_port()), lambda: pods, Random(1), passed.append)
    # no reply is waited for in full; a connection is closed as soon as this machine can
    form = Form(transport, timeout_s=0.2 if failure == "no reply" else 10.0)
    result = await look_up(A, running.address, form)
    await running.close()
    assert result.failure == failure
    assert [each.failure for each in passed if each.failure] != []


@pytest.mark.slow
async def test_the_command_prints_a_line_for_each_message() -> None:
    async with serving(says(1)) as (host, port):
        place = free_port()
        words = ("relay", f"{host}:{port}", "--listen", f"127.0.0.1:{place}")
        async with minidns(*words) as running:
            await running.said("relay listens at ")
            result = await look_up(A, ("127.0.0.1", place), Form())
            await running.said('"reply": true')
            shown = [json.loads(each) for each in running.lines if each.startswith("{")]
    assert result.failure == ""
    assert [(each["reply"], each["id"]) for each in shown] == [(False, result.ident), (True, result.ident)]
