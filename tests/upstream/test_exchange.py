"""Exchanges over real sockets with resolvers that behave, and with some that do not."""

import asyncio
import itertools
import re
import socket
import ssl
import struct
from collections import Counter as Tally
from collections.abc import AsyncIterator, Callable

import dns.message
import pytest
import trustme

from minidns.dns.model import Question, replace
from minidns.dns.reply import Reply
from minidns.dns.wire import encode_query
from minidns.metrics.registry import Metrics
from minidns.upstream.acceptance import SentQuery
from minidns.upstream.exchange import Sockets
from minidns.upstream.upstream import Keep, Upstream, failure
from tests.server.resolvers import Call, Resolver, answer_well, good, say_nothing

QUESTION = Question("example.org.", 1)
WIRE = encode_query(QUESTION, 0x1234)
ASKED = SentQuery(QUESTION, WIRE)
QUICK_S = 0.2
"""For exchanges that are to time out."""
PATIENT_S = 5.0
"""For exchanges that are not."""


@pytest.fixture
async def sockets() -> AsyncIterator[Sockets]:
    sockets = Sockets()
    yield sockets
    await sockets.close()


async def ask(sockets: Sockets, to: Upstream, timeout_s: float = PATIENT_S) -> dict[str, int]:
    reply: Reply = await sockets(to, WIRE, timeout_s, ASKED.accept)
    return {rrset.rdata[0].hex(): rrset.ttl for rrset in reply.answer}


ANSWER = {"c0000201": 300}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_reply_comes_back(sockets: Sockets, transport: str) -> None:
    async with Resolver(tcp=answer_well) as resolver:
        assert await ask(sockets, resolver.upstream(transport)) == ANSWER
        assert [call.transport for call in resolver.asked] == [transport]
        assert resolver.asked[0].wire == WIRE


async def test_over_ipv6(sockets: Sockets) -> None:
    try:
        async with Resolver(host="::1") as resolver:
            assert await ask(sockets, resolver.upstream()) == ANSWER
    except OSError as exc:
        pytest.skip(f"no IPv6 loopback: {exc}")


async def free_port() -> int:
    """Return a port that nobody listens at, over UDP or TCP."""
    async with Resolver(tcp=answer_well) as resolver:
        return resolver.port


# The texts are Go's, as they stand in CoreDNS's log; people search for them.
FAILURES = [
    pytest.param("udp", "closed", r"read udp L->R: read: connection refused", id="udp-refused"),
    pytest.param("udp", "silent", r"read udp L->R: i/o timeout", id="udp-silent"),
    pytest.param("tcp", "closed", r"dial tcp R: connect: connection refused", id="tcp-refused"),
    pytest.param("tcp", "silent", r"read tcp L->R: i/o timeout", id="tcp-silent"),
    pytest.param("tcp", "hangs-up", r"EOF", id="tcp-ends-before-the-length"),
    pytest.param("tcp", "cut", r"unexpected EOF", id="tcp-ends-in-a-message"),
    pytest.param("tcp", "resets", r"read tcp L->R: read: connection reset by peer", id="tcp-reset"),
]


async def hang_up(call: Call) -> None:
    assert call.writer is not None
    call.writer.close()


async def cut(call: Call) -> None:
    assert call.writer is not None
    call.writer.write(good(call.wire)[:1] + b"\0\0")
    call.writer.close()


async def reset(call: Call) -> None:
    assert call.writer is not None
    sock = call.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.writer.transport.abort()


SCRIPTS = {"silent": say_nothing, "hangs-up": hang_up, "cut": cut, "resets": reset}


@pytest.mark.parametrize(("transport", "fault", "text"), FAILURES)
async def test_failures_are_told_as_go_tells_them(sockets: Sockets, transport: str, fault: str, text: str) -> None:
    script = SCRIPTS.get(fault, say_nothing)
    async with Resolver(say_nothing, script) as resolver:
        if fault == "closed":
            resolver.close()
            await asyncio.sleep(0)
        with pytest.raises(OSError) as caught:  # noqa: PT011  # the text is checked
            await ask(sockets, resolver.upstream(transport), QUICK_S)
    pattern = text.replace("L", r"127\.0\.0\.1:\d+").replace("R", re.escape(f"{resolver}"))
    assert re.fullmatch(pattern, failure(caught.value))
    assert isinstance(caught.value, TimeoutError) == text.endswith("timeout")


async def test_no_way_there_is_told(sockets: Sockets) -> None:
    to = Upstream("127.0.0.1", 53, source="192.0.2.1")
    with pytest.raises(OSError, match=r"dial udp .*: bind: cannot assign requested"):
        await ask(sockets, to)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_source_address_is_used(sockets: Sockets, transport: str) -> None:
    async with Resolver(tcp=answer_well) as resolver:
        to = replace(resolver.upstream(transport), source="127.0.0.9")
        assert await ask(sockets, to) == ANSWER
        assert resolver.asked[0].peer[0] == "127.0.0.9"


async def test_cancelling_frees_the_socket(sockets: Sockets) -> None:
    async with Resolver(say_nothing) as resolver:
        task = asyncio.ensure_future(ask(sockets, resolver.upstream()))
        while not resolver.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        port = resolver.asked[0].peer[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", port))  # nobody has it any more


async def test_other_replies_are_dropped_until_the_right_one(sockets: Sockets) -> None:
    async def nine_wrong(call: Call) -> None:
        for each in range(1, 10):
            call.send((call.id ^ each).to_bytes(2) + good(call.wire)[2:])
        call.send(good(call.wire))

    async with Resolver(nine_wrong, nine_wrong) as resolver:
        assert await ask(sockets, resolver.upstream("udp")) == ANSWER
        assert await ask(sockets, resolver.upstream("tcp")) == ANSWER


async def test_ten_wrong_replies_over_udp_end_in_tcp(sockets: Sockets) -> None:
    async def flood(call: Call) -> None:
        for each in range(1, 21):
            forged = good(call.wire).replace(b"\xc0\0\2\1", b"\xc0\0\2\x66")
            call.send((call.id ^ each).to_bytes(2) + forged[2:])

    async with Resolver(flood, answer_well) as resolver:
        assert await ask(sockets, resolver.upstream()) == ANSWER
        assert [call.transport for call in resolver.asked] == ["udp", "tcp"]


async def test_wrong_replies_over_tcp_end_the_connection(sockets: Sockets) -> None:
    async def flood(call: Call) -> None:
        for _ in range(50):
            call.send(bytes(12))

    async with Resolver(None, flood) as resolver:
        with pytest.raises(ConnectionError, match="only replies to other queries"):
            await ask(sockets, resolver.upstream("tcp"))


# Connections that are kept


def keeping(resolver: Resolver, *keep: float) -> Upstream:
    idle_s, max_idle, max_age_s = (*keep, 0, 0, 0)[:3] if keep else (10.0, 0, 0)
    return replace(resolver.upstream("tcp"), keep=Keep(idle_s, int(max_idle), max_age_s))


async def test_a_connection_is_used_again(sockets: Sockets) -> None:
    async with Resolver(None, answer_well) as resolver:
        for _ in range(5):
            assert await ask(sockets, resolver.upstream("tcp")) == ANSWER
        assert resolver.connections == 1


async def test_queries_at_the_same_time_have_connections_of_their_own(sockets: Sockets) -> None:
    async with Resolver(None, answer_well) as resolver:
        to = resolver.upstream("tcp")
        await asyncio.gather(*(ask(sockets, to) for _ in range(4)))
        assert resolver.connections == 4


async def test_expire_0_keeps_none(sockets: Sockets) -> None:
    async with Resolver(None, answer_well) as resolver:
        for _ in range(3):
            await ask(sockets, keeping(resolver, 0))
        assert resolver.connections == 3


async def test_a_connection_expires(sockets: Sockets) -> None:
    async with Resolver(None, answer_well) as resolver:
        await ask(sockets, keeping(resolver, 0.05))
        writer = resolver.asked[0].writer
        assert writer is not None
        async with asyncio.timeout(PATIENT_S):
            while not writer.is_closing():
                await asyncio.sleep(0.01)
        await ask(sockets, keeping(resolver, 0.05))
        assert resolver.connections == 2


async def test_max_idle_conns(sockets: Sockets) -> None:
    async with Resolver(None, answer_well) as resolver:
        to = keeping(resolver, 10, 2)
        await asyncio.gather(*(ask(sockets, to) for _ in range(4)))
        await asyncio.gather(*(ask(sockets, to) for _ in range(4)))
        assert resolver.connections == 4 + 2


async def test_max_age(sockets: Sockets) -> None:
    async with Resolver(None, answer_well) as resolver:
        to = keeping(resolver, 0.05, 0, 0.05)
        await ask(sockets, to)
        loop = asyncio.get_running_loop()
        old = loop.time() + 0.06
        while loop.time() < old:
            await ask(sockets, to)  # never idle for long, yet it ends
        await ask(sockets, to)
        assert resolver.connections >= 2


async def test_a_kept_connection_that_ended_is_replaced_silently(sockets: Sockets) -> None:
    async def once_each(call: Call) -> None:
        await answer_well(call)
        assert call.writer is not None
        call.writer.close()

    async with Resolver(None, once_each) as resolver:
        for _ in range(3):
            assert await ask(sockets, resolver.upstream("tcp")) == ANSWER
        assert resolver.connections == 3


async def test_a_kept_connection_that_ends_when_asked_is_replaced(sockets: Sockets) -> None:
    calls: list[Call] = []

    async def ends_on_the_second(call: Call) -> None:
        calls.append(call)
        await (reset if len(calls) == 2 else answer_well)(call)

    async with Resolver(None, ends_on_the_second) as resolver:
        for _ in range(2):
            assert await ask(sockets, resolver.upstream("tcp")) == ANSWER
        assert len(calls) == 3


async def test_a_second_answer_is_not_taken_for_the_next(sockets: Sockets) -> None:
    async def twice(call: Call) -> None:
        call.send(good(call.wire))
        call.send(good(call.wire).replace(b"\xc0\0\2\1", b"\xc0\0\2\x66"))

    async with Resolver(None, twice) as resolver:
        to = resolver.upstream("tcp")
        for ident in range(1, 6):
            wire = encode_query(QUESTION, ident)
            reply = await sockets(to, wire, PATIENT_S, SentQuery(QUESTION, wire).accept)
            assert reply.answer[0].rdata == (b"\xc0\0\2\1",)


async def test_connections_are_counted_for_who_asks() -> None:
    metrics = Metrics()
    sockets = Sockets(metrics)
    async with Resolver(tcp=answer_well) as resolver:
        for transport in ("udp", "udp", "tcp", "tcp", "tcp"):
            to = resolver.upstream(transport)
            await ask(sockets, replace(to, owner="forward"))
            await ask(sockets, to)  # of no interest to anybody
        await sockets.close()

        def count(name: str, proto: str) -> float:
            labels = {"proxy_name": "forward", "to": str(resolver), "proto": proto}
            return metrics.value(f"coredns_proxy_conn_cache_{name}_total", labels)

        assert (count("misses", "udp"), count("hits", "udp")) == (2, 0)
        assert (count("misses", "tcp"), count("hits", "tcp")) == (1, 2)


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize(
    ("names", "servername"),
    [
        pytest.param(["dns.example.net"], "dns.example.net", id="by-name"),
        pytest.param(["127.0.0.1"], "", id="by-address"),
    ],
)
async def test_over_tls(sockets: Sockets, authority: trustme.CA, names: list[str], servername: str) -> None:
    server = serving(authority, *names)
    async with Resolver(None, answer_well, tls=server) as resolver:
        to = replace(resolver.upstream("tls"), servername=servername, tls=trusting(authority), owner="forward")
        for _ in range(3):
            assert await ask(sockets, to) == ANSWER
        assert resolver.connections == 1


UNTRUSTED: list[object] = [
    pytest.param(
        lambda own, other: ("dns.example.net", trusting(own)),
        "certificate: x509: Hostname mismatch.*dns.example.net",
        id="another-name",
    ),
    pytest.param(
        lambda own, other: ("", trusting(own)), "certificate: x509: IP address mismatch", id="no-name-for-the-address"
    ),
    pytest.param(
        lambda own, other: ("dns.example.org", trusting(other)),
        "certificate: x509: unable to get local issuer",
        id="unknown-authority",
    ),
    pytest.param(
        lambda own, other: ("dns.example.org", None),
        "certificate: x509: unable to get local issuer",
        id="not-trusted-by-the-system",
    ),
]


@pytest.mark.parametrize(("told", "text"), UNTRUSTED)
async def test_no_query_goes_to_who_cannot_be_trusted(
    sockets: Sockets,
    authority: trustme.CA,
    told: Callable[[trustme.CA, trustme.CA], tuple[str, ssl.SSLContext | None]],
    text: str,
) -> None:
    server = serving(authority, "dns.example.org")
    servername, context = told(authority, trustme.CA())
    async with Resolver(None, answer_well, tls=server) as resolver:
        to = replace(resolver.upstream("tls"), servername=servername, tls=context)
        with pytest.raises(ConnectionError, match=f"tls: failed to verify {text}"):
            await ask(sockets, to)
        assert resolver.asked == []


async def test_an_upstream_that_speaks_no_tls(sockets: Sockets, authority: trustme.CA) -> None:
    async with Resolver(None, answer_well) as resolver:
        to = replace(resolver.upstream("tls"), tls=trusting(authority))
        with pytest.raises(OSError, match=r"dial tcp|tls:"):
            await ask(sockets, to, QUICK_S)


# Chance: what a forger has to guess (RFC 5452)


@pytest.mark.slow
async def test_ports_are_drawn_at_random(sockets: Sockets) -> None:
    count = 600
    async with Resolver() as resolver:
        for _ in range(count // 50):
            await asyncio.gather(*(ask(sockets, resolver.upstream()) for _ in range(50)))
        ports = [call.peer[1] for call in resolver.asked]
    assert len(ports) == count
    # of 28,232 ports, the system's default range, 600 draws give 594 on average
    assert len(set(ports)) > 560
    steps = Tally(b - a for a, b in itertools.pairwise(ports))
    assert max(steps.values()) < 10  # nor does one follow from the last


async def test_a_query_is_one_message_as_dnspython_reads_it(sockets: Sockets) -> None:
    async with Resolver(tcp=answer_well) as resolver:
        await ask(sockets, resolver.upstream("tcp"))
        message = dns.message.from_wire(resolver.asked[0].wire)
    assert message.question[0].to_text() == "example.org. IN A"
