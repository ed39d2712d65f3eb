"""Lookups from prober pods: what comes back is what a prober on this machine gets."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest

from minidns.dns.rdata import AAAA, A
from minidns.trial.arms import A as ARM_A
from minidns.trial.arms import Client, Manner, NameKind, R, Target
from minidns.trial.live import agent
from minidns.trial.live.remote import Flows, Lost, RemoteProber
from minidns.trial.live.sockets import SocketProber
from minidns.trial.lookup import Outcome, Subject
from tests.probe.fake_server import Behaviour, answers, serving, silence

CLIENT = Client("prober-1", "node-1")
SEARCH = ("default.svc.cluster.local",)


class Pipe:
    """The streams of an agent in this process."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.results: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def write(self, data: bytes) -> None:
        await self.requests.put(data)

    async def lines(self) -> AsyncIterator[bytes]:
        while (line := await self.results.get()) is not None:
            yield line

    async def _asked(self) -> AsyncIterator[bytes]:
        while (line := await self.requests.get()) is not None:
            yield line

    async def serve(self) -> None:
        await agent.serve(self._asked(), self.results.put, SocketProber(SEARCH, Random(1)))


ROWS: list[tuple[Behaviour, Subject, Outcome, int, Sequence[str]]] = [
    (answers("a.test. 60 A 192.0.2.1"), Subject("a.test.", NameKind.EXTERNAL), Outcome.REPLIED, 0, ["192.0.2.1"]),
    (answers(rcode=3), Subject("a.test.", NameKind.EXTERNAL), Outcome.REPLIED, 3, []),
    (
        answers("a.test. 60 AAAA 2001:db8::1"),
        Subject("a.test.", NameKind.EXTERNAL, types=(AAAA,)),
        Outcome.REPLIED,
        0,
        ["2001:db8::1"],
    ),
    (
        answers("web.default.svc.cluster.local. 60 A 192.0.2.1"),
        Subject("web", NameKind.CLUSTER, Manner.LIBC, (A, AAAA)),
        Outcome.REPLIED,
        0,
        ["192.0.2.1"],
    ),
]


@pytest.mark.parametrize(("behaviour", "subject", "outcome", "rcode", "addresses"), ROWS)
async def test_a_lookup_of_a_pod_is_that_of_its_sockets(
    behaviour: Behaviour, subject: Subject, outcome: Outcome, rcode: int, addresses: Sequence[str]
) -> None:
    pipe, flows = Pipe(), Flows()
    prober = RemoteProber({CLIENT: pipe}, flows)
    tasks = [asyncio.ensure_future(each) for each in (pipe.serve(), prober.run())]
    async with serving(behaviour) as (host, port):
        target = Target(ARM_A, host, port=port)
        near = await SocketProber(SEARCH, Random(1)).look_up(target, subject)
        far = await prober.look_up(CLIENT, target, subject)
    for got in (near, far):
        assert (got.outcome, got.rcode, sorted(got.addresses)) == (outcome, rcode, addresses)
        assert got.latency_s < 1
        assert got.source_port
    for task in tasks:
        task.cancel()


async def test_lookups_do_not_wait_for_each_other() -> None:
    pipe = Pipe()
    prober = RemoteProber({CLIENT: pipe}, Flows())
    tasks = [asyncio.ensure_future(each) for each in (pipe.serve(), prober.run())]
    subject = Subject("a.test.", NameKind.EXTERNAL)
    async with serving(silence) as silent, serving(answers("a.test. 60 A 192.0.2.1")) as good:
        slow = asyncio.ensure_future(prober.look_up(CLIENT, Target(ARM_A, silent[0], port=silent[1]), subject))
        got = await prober.look_up(CLIENT, Target(ARM_A, good[0], port=good[1]), subject)
        assert not slow.done()
    assert got.outcome is Outcome.REPLIED
    for task in (slow, *tasks):
        task.cancel()


async def test_a_prober_that_ends_loses_its_lookups_and_says_which() -> None:
    pipe = Pipe()
    prober = RemoteProber({CLIENT: pipe}, Flows())
    reading = asyncio.ensure_future(prober.run())
    target, subject = Target(ARM_A, "192.0.2.1"), Subject("a.test.", NameKind.EXTERNAL)
    waiting = asyncio.ensure_future(prober.look_up(CLIENT, target, subject))
    await pipe.requests.get()
    await pipe.results.put(b"Traceback: not a result")
    await pipe.results.put(None)
    for lookup in (waiting, prober.look_up(CLIENT, target, subject)):
        with pytest.raises(Lost, match="prober-1"):
            await lookup
    await reading


async def test_the_relay_names_the_pod_of_a_query_of_its_arm() -> None:
    pipe, flows = Pipe(), Flows()
    prober = RemoteProber({CLIENT: pipe}, flows)
    tasks = [asyncio.ensure_future(each) for each in (pipe.serve(), prober.run())]
    subject = Subject("a.test.", NameKind.EXTERNAL)

    def relayed(query: object, transport: str) -> bytes | None:
        return answers("a.test. 60 A 192.0.2.1")(query, transport)  # type: ignore[arg-type]

    async with serving(relayed) as (host, port):
        looking = asyncio.ensure_future(prober.look_up(CLIENT, Target(R, host, port=port), subject))
        line = json.loads(await asyncio.wait_for(_copy(pipe), 5))
        passed = {
            "client": f"10.244.0.9:{line['source_port']}",
            "pod": "coredns-1",
            "reply": False,
            "id": line["ident"],
        }
        flows.add(b"relay listens at 0.0.0.0:5301")
        flows.add(json.dumps(passed | {"reply": True, "pod": "wrong"}).encode())
        flows.add(json.dumps(passed).encode())
        got = await looking
    assert got.replica == "coredns-1"
    for task in tasks:
        task.cancel()


async def _copy(pipe: Pipe) -> bytes:
    """Return the next result of the agent, and let it pass on."""
    while not pipe.results.qsize():
        await asyncio.sleep(0)
    line = pipe.results.get_nowait()
    assert line is not None
    await pipe.results.put(line)
    return line
