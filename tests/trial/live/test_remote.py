"""Lookups from client pods: what comes back, and whom a result belongs to."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import dns.message
import pytest

from minidns.dns.rdata import AAAA, A
from minidns.trial.arms import A as ARM_A
from minidns.trial.arms import Client, Manner, NameKind, R, Target
from minidns.trial.live import client
from minidns.trial.live.remote import Flows, Lost, RemoteProber
from minidns.trial.lookup import Outcome, Subject, is_doubtful
from sim.scenario import clock
from tests.probe.fake_server import Behaviour, answers, serving
from tests.table import table

CLIENT = Client("client-1", "node-1")
COREDNS = {"10.244.0.2": "coredns-1"}


class Pipe:
    """The streams of a client program in this process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.results: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.answered: asyncio.Queue[bytes] = asyncio.Queue()

    async def write(self, data: bytes) -> None:
        await self.requests.put(data)

    async def lines(self) -> AsyncIterator[bytes]:
        while (line := await self.results.get()) is not None:
            self.answered.put_nowait(line)
            yield line

    async def _asked(self) -> AsyncIterator[bytes]:
        while (line := await self.requests.get()) is not None:
            yield line

    async def serve(self) -> None:
        rng = Random(1)
        await client.serve(self._asked(), self.results.put, lambda asked: client.look_up(asked, rng, self.port))


@asynccontextmanager
async def probing(pipe: Pipe, flows: Flows | None = None) -> AsyncIterator[RemoteProber]:
    """Run a client program behind ``pipe``, and the end of the trial."""
    prober = RemoteProber({CLIENT: pipe}, flows or Flows(COREDNS))
    tasks = [asyncio.ensure_future(each) for each in (pipe.serve(), prober.run())]
    try:
        yield prober
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


NAME = Subject("a.test.", NameKind.EXTERNAL)
WEB = "web.shop.svc.cluster.local"
ROWS: list[tuple[str, Behaviour, Subject, Outcome, int, Sequence[str]]] = [
    ("an address", answers("a.test. 60 A 192.0.2.1"), NAME, Outcome.REPLIED, 0, ["192.0.2.1"]),
    ("NXDOMAIN", answers(rcode=3), NAME, Outcome.REPLIED, 3, []),
    ("SERVFAIL", answers(rcode=2), NAME, Outcome.REPLIED, 2, []),
    ("AAAA", answers("a.test. 60 AAAA 2001:db8::1"), NAME._replace(types=(AAAA,)), Outcome.REPLIED, 0, ["2001:db8::1"]),
    ("TCP after TC", answers("a.test. 60 A 192.0.2.1", truncated=True), NAME, Outcome.REPLIED, 0, ["192.0.2.1"]),
    (
        "as a C library, without search domains",
        answers(f"{WEB}. 60 A 192.0.2.1"),
        Subject(WEB, NameKind.CLUSTER, Manner.LIBC, (A, AAAA)),
        Outcome.REPLIED,
        0,
        ["192.0.2.1"],
    ),
]


@table(
    ("behaviour", "subject", "outcome", "rcode", "addresses"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
async def test_a_result_says_what_the_server_said(
    behaviour: Behaviour, subject: Subject, outcome: Outcome, rcode: int, addresses: Sequence[str]
) -> None:
    async with serving(behaviour) as (host, port), probing(Pipe(port)) as prober:
        got = await prober.look_up(CLIENT, Target(ARM_A, host), subject)
    assert (got.outcome, got.rcode, sorted(got.addresses)) == (outcome, rcode, addresses)
    assert got.latency_s < 1
    assert got.source_port


async def test_a_refused_port_is_unreachable() -> None:
    async with probing(Pipe(1)) as prober:
        got = await prober.look_up(CLIENT, Target(ARM_A, "127.0.0.1"), NAME)
    assert got.outcome is Outcome.UNREACHABLE


async def test_lookups_do_not_wait_for_each_other() -> None:
    answer = answers("b.test. 60 A 192.0.2.1")

    def chosen(query: dns.message.Message, transport: str) -> bytes | None:
        return answer(query, transport) if "b.test" in str(query.question[0]) else None

    async with serving(chosen) as (host, port), probing(Pipe(port)) as prober:
        slow = asyncio.ensure_future(prober.look_up(CLIENT, Target(ARM_A, host), NAME))
        got = await prober.look_up(CLIENT, Target(ARM_A, host), NAME._replace(name="b.test."))
        assert not slow.done()
        slow.cancel()
    assert got.outcome is Outcome.REPLIED


async def test_a_client_that_ends_loses_its_lookups_and_is_named() -> None:
    pipe = Pipe(53)
    prober = RemoteProber({CLIENT: pipe}, Flows({}))
    reading = asyncio.ensure_future(prober.run())
    waiting = asyncio.ensure_future(prober.look_up(CLIENT, Target(ARM_A, "192.0.2.1"), NAME))
    await pipe.requests.get()
    await pipe.results.put(b"Traceback: not a result")
    await pipe.results.put(None)
    for lookup in (waiting, prober.look_up(CLIENT, Target(ARM_A, "192.0.2.1"), NAME)):
        with pytest.raises(Lost, match="client-1"):
            await lookup
    await reading


async def test_the_relay_names_the_pod_of_a_query_of_its_arm() -> None:
    flows = Flows(COREDNS)
    async with serving(answers("a.test. 60 A 192.0.2.1")) as (host, port):
        pipe = Pipe(port)
        async with probing(pipe, flows) as prober:
            looking = asyncio.ensure_future(prober.look_up(CLIENT, Target(R, host), NAME))
            line = json.loads(await pipe.answered.get())
            passed = {"client": f"10.244.0.9:{line['source_port']}", "pod": "10.244.0.2", "id": line["ident"]}
            flows.add(b"relay listens at 0.0.0.0:5301")
            flows.add(json.dumps(passed | {"reply": False, "id": line["ident"] ^ 1}).encode())
            flows.add(json.dumps(passed | {"reply": False}).encode())
            got = await looking
    assert got.replica == "coredns-1"


async def stalling(asked: client.Request) -> client.Response:
    """Look up in a process that does not run for two seconds."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, clock.VirtualLoop)
    await asyncio.sleep(0.5)
    loop.stall(2.0)
    return client.Response(asked.number, 2.5, Outcome.REPLIED, 0, ("192.0.2.1",), 1, 1)


def test_a_client_says_how_late_it_was_itself() -> None:
    async def one() -> client.Response:
        results: asyncio.Queue[bytes] = asyncio.Queue()
        requests: asyncio.Queue[bytes] = asyncio.Queue()

        async def lines() -> AsyncIterator[bytes]:
            while True:
                yield await requests.get()

        serving = asyncio.ensure_future(client.serve(lines(), results.put, stalling))
        requests.put_nowait(client.request(1, Target(ARM_A, "192.0.2.1"), NAME))
        got = client.response(await results.get())
        serving.cancel()
        return got

    got = clock.run(one())
    assert got.late_s == pytest.approx(2.0, abs=0.1)
    assert is_doubtful(got.result(0.0, Target(ARM_A, "192.0.2.1")), NAME.expected)


def test_a_client_that_says_nothing_is_late() -> None:
    prober = RemoteProber({CLIENT: Pipe(0)}, Flows({}))
    got = clock.run(prober.look_up(CLIENT, Target(ARM_A, "192.0.2.1"), NAME))
    assert is_doubtful(got, NAME.expected)
