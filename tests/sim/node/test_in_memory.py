"""Packets in memory, in virtual time, between a stub resolver and scripted servers."""

import asyncio
from dataclasses import dataclass, field
from random import Random

import pytest

from minidns.dns.model import Address, Query, Question, Rcode, Response
from minidns.dns.rdata import AAAA, A
from minidns.dns.wire import decode_query, encode_query
from minidns.server.answer import Answerer
from minidns.stub.glibc import Glibc
from minidns.stub.protocol import Lookup, Status
from minidns.upstream.upstream import Upstream
from sim.node.fault_words import parse
from sim.node.faults import HOP_S
from sim.node.in_memory import Packets
from sim.node.kube_proxy import Flow
from sim.node.links import Losses
from sim.node.over_sockets import LookupResult, Path
from sim.scenario import clock
from tests.table import table

CLIENT, VIRTUAL, REAL = "10.244.0.9", "10.96.0.10", ("10.244.0.2", 53)
QUESTION = Question("web.example.org.", A)


@dataclass
class Plane:
    """One server behind the virtual address; every other address is itself."""

    endpoint: Address | None = REAL
    replied_to: list[Flow] = field(default_factory=list)

    def route(self, flow: Flow) -> Path:
        if flow.server[0] != VIRTUAL:
            return Path(flow.server, None)
        return Path(self.endpoint, None, refused=self.endpoint is None)

    def client_of(self, flow: Flow) -> Address:
        return flow.client

    def race(self, flow: Flow, first: Path) -> Path:
        return first

    def replied(self, flow: Flow) -> None:
        self.replied_to.append(flow)

    def real_of(self, endpoint: Address, protocol: str) -> Address | None:
        return None


async def nothing_there(query: Query) -> Response:
    return Response(Rcode.NXDOMAIN, aa=True)


def packets(endpoint: Address | None = REAL) -> Packets:
    return Packets(Plane(endpoint), {REAL: Answerer("it", nothing_there)})


async def look_up(carrier: Packets) -> tuple[LookupResult, float]:
    """Look a name up; return what came of it and after how many seconds."""
    now = asyncio.get_running_loop().time
    start = now()
    resolver = Glibc(f"nameserver {VIRTUAL}\n", Random(1))
    lookup = Lookup(resolver, resolver.look_up("web.example.org.", (A,)))
    resolved = await carrier.resolve(lookup, CLIENT)
    return resolved, now() - start


def test_there_and_back() -> None:
    carrier = packets()
    resolved, seconds = clock.run(look_up(carrier))
    assert resolved.outcome.status is Status.NXDOMAIN
    assert seconds == pytest.approx(2 * HOP_S)
    (asked,) = resolved.queries
    assert asked.path.endpoint == REAL
    assert asked.ms == pytest.approx(2000 * HOP_S)
    assert isinstance(carrier.plane, Plane)
    (flow,) = carrier.plane.replied_to
    assert (flow.client[0], flow.server) == (CLIENT, (VIRTUAL, 53))


@pytest.mark.parametrize("what", ["query", "reply"])
def test_what_is_lost_is_lost_once(what: str) -> None:
    carrier = packets()
    carrier.links.losses["it"] = Losses(what, A, 1)
    resolved, seconds = clock.run(look_up(carrier))
    assert resolved.outcome.status is Status.NXDOMAIN
    assert seconds == pytest.approx(5 + 2 * HOP_S)
    assert carrier.links.losses["it"].left == 0


def test_another_type_is_not_lost() -> None:
    carrier = packets()
    carrier.links.losses["it"] = Losses("reply", AAAA, 1)
    _, seconds = clock.run(look_up(carrier))
    assert seconds < 1
    assert carrier.links.losses["it"].left


def test_silence_lasts_as_long_as_the_client_waits() -> None:
    carrier = packets()
    carrier.servers.silent.add(REAL)
    resolved, seconds = clock.run(look_up(carrier))
    assert resolved.outcome.status is Status.SILENT
    assert seconds == pytest.approx(10)


def test_an_address_without_anybody_is_silent() -> None:
    resolved, _ = clock.run(look_up(packets(("10.244.0.77", 53))))
    assert resolved.outcome.status is Status.SILENT


def test_no_endpoint_is_a_refusal_at_once() -> None:
    resolved, seconds = clock.run(look_up(packets(None)))
    assert resolved.outcome.status is Status.REFUSED
    assert seconds < 1


def test_a_dropped_query_has_no_reply() -> None:
    replies: list[bytes] = []

    async def ask() -> None:
        response = bytearray(encode_query(QUESTION, 1))
        response[2] |= 0x80
        path, flow = Path(REAL, None), Flow((CLIENT, 1), REAL)
        packets().carry(bytes(response), "udp", flow, path, replies.append)
        await asyncio.sleep(1)

    clock.run(ask())
    assert replies == []


def exchanged(carrier: Packets, to: Upstream, own: str = "10.244.0.3") -> bytes:
    async def exchange() -> bytes:
        query = encode_query(QUESTION, 7)
        return await carrier.exchange(own, to, query, 2.0, lambda reply: reply)

    return clock.run(exchange())


@table(
    ("to", "own"),
    [
        pytest.param(Upstream(*REAL), "10.244.0.3", id="pod-address"),
        pytest.param(Upstream(VIRTUAL, 53), "10.244.0.3", id="cluster-ip"),
        pytest.param(Upstream("127.0.0.53", 53), REAL[0], id="loopback-is-the-pod-itself"),
        pytest.param(Upstream(*REAL, transport="tcp"), "10.244.0.3", id="tcp"),
    ],
)
def test_servers_ask_too(to: Upstream, own: str) -> None:
    reply = exchanged(packets(), to, own)
    assert reply[:2] == b"\0\7"
    assert reply[3] & 15 == Rcode.NXDOMAIN


def test_a_silent_upstream_costs_the_deadline() -> None:
    with pytest.raises(TimeoutError, match=r"read udp 10.244.0.3:40000->192.0.2.9:53: i/o timeout"):
        exchanged(packets(), Upstream("192.0.2.9", 53))


def test_a_service_without_endpoints_refuses_servers() -> None:
    with pytest.raises(ConnectionRefusedError):
        exchanged(packets(None), Upstream(VIRTUAL, 53))


def test_blocked_tcp_lets_udp_through() -> None:
    carrier = packets()
    carrier.blocks_tcp = True
    assert decode_query(encode_query(QUESTION, 7)).question == QUESTION
    assert exchanged(carrier, Upstream(*REAL))
    with pytest.raises(TimeoutError):
        exchanged(carrier, Upstream(*REAL, transport="tcp"))


def test_replies_nobody_accepts_are_no_replies() -> None:
    async def exchange() -> bytes:
        query = encode_query(QUESTION, 7)
        return await packets().exchange("10.244.0.3", Upstream(*REAL), query, 2.0, lambda reply: None)

    with pytest.raises(TimeoutError):
        clock.run(exchange())


def test_a_wrong_reply_does_not_end_the_wait_for_the_right_one() -> None:
    carrier = packets()
    carrier.faults.add(parse(["duplicate", "link", f"{CLIENT}>{REAL[0]}"]))
    seen: list[bytes] = []

    def accept_second(reply: bytes) -> bytes | None:
        seen.append(reply)
        return reply if len(seen) == 2 else None

    async def exchange() -> tuple[bytes, float]:
        now = asyncio.get_running_loop().time
        start, query = now(), encode_query(QUESTION, 7)
        reply = await carrier.exchange(CLIENT, Upstream(*REAL), query, 2.0, accept_second)
        return reply, now() - start

    reply, took_s = clock.run(exchange())
    assert reply == seen[1]
    assert took_s < 1


def test_an_ended_server_refuses_as_its_node_does() -> None:
    carrier = packets()
    carrier.servers.closed.add(REAL)
    resolved, seconds = clock.run(look_up(carrier))
    assert resolved.outcome.status is Status.REFUSED
    assert seconds < 1
    with pytest.raises(ConnectionRefusedError):
        exchanged(carrier, Upstream(*REAL))


@pytest.mark.parametrize("port", [0, 5353])
def test_a_client_can_keep_its_source_port(port: int) -> None:
    carrier = packets()

    async def ports() -> set[int]:
        resolver = Glibc(f"nameserver {VIRTUAL}\n", Random(1))
        for _ in range(5):
            lookup = Lookup(resolver, resolver.look_up("web.example.org.", (A,)))
            await carrier.resolve(lookup, CLIENT, port)
        assert isinstance(carrier.plane, Plane)
        return {flow.client[1] for flow in carrier.plane.replied_to}

    assert (clock.run(ports()) == {port}) == bool(port)
