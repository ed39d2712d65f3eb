import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from minidns.dns.model import Address
from minidns.dns.rdata import TXT, A, rcode_name
from minidns.stub.protocol import BOTH, Lookup, Status
from sim.node.internet import Internet
from sim.node.kube_proxy import Flow
from sim.node.over_sockets import LookupResult, Path, resolve
from sim.resolver.kinds import GLIBC, Kind, find

MUSL = find("musl")
CLIENT = "10.244.1.5"
SERVER = ("192.0.2.53", 53)


@dataclass
class Wire:
    """One real server behind an address that is none here."""

    path: Path
    flows: list[Flow] = field(default_factory=list)
    replies: list[Flow] = field(default_factory=list)

    def route(self, flow: Flow) -> Path:
        self.flows.append(flow)
        return self.path

    def client_of(self, flow: Flow) -> Address:
        return flow.client

    def race(self, flow: Flow, first: Path) -> Path:
        return first

    def replied(self, flow: Flow) -> None:
        self.replies.append(flow)

    def real_of(self, endpoint: Address, protocol: str) -> Address | None:
        return None


async def look_up(
    network: Wire,
    name: str,
    kind: Kind = GLIBC,
    types: tuple[int, ...] = BOTH,
    options: str = "options timeout:1 attempts:1",
) -> LookupResult:
    resolver = kind.make(f"nameserver {SERVER[0]}\n{options}\n", Random(1))
    lookup = Lookup(resolver, resolver.look_up(name, types))
    return await resolve(lookup, CLIENT, network)


@asynccontextmanager
async def internet() -> AsyncIterator[Wire]:
    async with Internet().serving() as real:
        yield Wire(Path(SERVER, real))


@pytest.mark.parametrize("kind", [GLIBC, MUSL], ids=lambda kind: kind.name)
async def test_addresses_over_udp(kind: Kind) -> None:
    async with internet() as network:
        resolved = await look_up(network, "google.com", kind)
    assert resolved.outcome.status is Status.ANSWERED
    assert resolved.outcome.addresses == ("192.0.2.100", "2001:db8::100")
    assert len(resolved.queries) == 2
    for asked in resolved.queries:
        assert asked.reply is not None
        assert rcode_name(asked.reply.rcode) == "NOERROR"
        assert 0 < asked.ms < 1000
    (flow,) = set(network.flows)
    assert (flow.client[0], flow.server, flow.protocol) == (CLIENT, SERVER, "UDP")
    assert set(network.replies) == {flow}


@pytest.mark.parametrize("kind", [GLIBC, MUSL], ids=lambda kind: kind.name)
async def test_truncated_answer_comes_whole_over_tcp(kind: Kind) -> None:
    async with internet() as network:
        resolved = await look_up(network, "long.example.org", kind, (TXT,))
    assert [asked.send.transport for asked in resolved.queries] == ["udp", "tcp"]
    (reply,) = resolved.outcome.replies
    assert len(reply.answer[0].rdata) == 12
    assert [flow.protocol for flow in network.flows] == ["UDP", "TCP"]


async def test_both_questions_on_one_connection() -> None:
    async with internet() as network:
        resolved = await look_up(network, "google.com", options="options use-vc")
    assert len(resolved.outcome.addresses) == 2
    assert len(network.flows) == 1


async def test_service_without_endpoints_refuses_glibc_at_once() -> None:
    network = Wire(Path(None, None, refused=True))
    resolved = await look_up(network, "google.com", options="options timeout:30")
    assert resolved.outcome.status is Status.REFUSED
    assert network.replies == []


@pytest.mark.slow
async def test_musl_waits_for_a_service_without_endpoints() -> None:
    network = Wire(Path(None, None, refused=True))
    resolved = await look_up(network, "google.com", MUSL)
    assert resolved.outcome.status is Status.SILENT


@pytest.mark.slow
async def test_lost_packets_are_silence() -> None:
    resolved = await look_up(Wire(Path(SERVER, None)), "google.com", types=(A,))
    assert resolved.outcome.status is Status.SILENT
    assert [asked.reply for asked in resolved.queries] == [None]


def unused() -> Address:
    """An address of this machine where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        host, port = sock.getsockname()
        return host, port


@pytest.mark.slow
async def test_dead_pod_is_silent_over_udp_and_refuses_over_tcp() -> None:
    network = Wire(Path(SERVER, unused()))
    resolved = await look_up(network, "google.com")
    assert resolved.outcome.status is Status.SILENT
    resolved = await look_up(network, "google.com", options="options use-vc")
    assert resolved.outcome.status is Status.REFUSED


async def test_connection_that_ends_early() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        network = Wire(Path(SERVER, (host, port)))
        resolved = await look_up(network, "google.com", options="options use-vc")
    assert resolved.outcome.status is Status.CLOSED


async def test_cancelling_leaves_nothing_open() -> None:
    network = Wire(Path(SERVER, unused()))
    before = asyncio.all_tasks()
    task = asyncio.create_task(look_up(network, "google.com", options="options timeout:30"))
    while not network.flows:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
