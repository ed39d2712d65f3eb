import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import dns.message
import pytest
import trustme

from minidns.core import rdata
from minidns.core.metrics import Metrics
from minidns.core.model import Handler, Query, Response, RRset
from minidns.net import tcp, udp
from minidns.net.answer import Answerer
from tests.net import client


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[tcp.Streams, int]]:
    sock = udp.bound(socket.SOCK_STREAM, "127.0.0.1", 0)
    streams = tcp.Streams(sock, Answerer("dns://:0", handler), Metrics(), tls)
    await streams.start()
    try:
        yield streams, sock.getsockname()[1]
    finally:
        await streams.close(1.0)


def wire(name: str) -> bytes:
    return dns.message.make_query(name, "A").to_wire()


async def echo(query: Query) -> Response:
    return Response(
        answer=(RRset(query.question.qname, 1, 30, (rdata.a("192.0.2.1"),)),)
    )


def owners(replies: list[bytes]) -> list[str]:
    return [str(dns.message.from_wire(reply).question[0].name) for reply in replies]


async def test_several_queries_on_one_connection() -> None:
    async with serving(echo) as (_, port):
        replies = await client.tcp(port, wire("a.org."), wire("b.org."), wire("c.org."))
    assert sorted(owners(replies)) == ["a.org.", "b.org.", "c.org."]


async def test_byte_by_byte() -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        message = wire("a.org.")
        for byte in len(message).to_bytes(2) + message:
            writer.write(bytes((byte,)))
            await writer.drain()
        assert owners([await client.read_frame(reader)]) == ["a.org."]
        writer.close()
        await writer.wait_closed()


async def test_the_fast_one_overtakes_the_slow_one() -> None:
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        if query.question.qname == "slow.org.":
            await go.wait()
        return await echo(query)

    async with serving(handler) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for message in (wire("slow.org."), wire("fast.org.")):
            writer.write(len(message).to_bytes(2) + message)
        assert owners([await client.read_frame(reader)]) == ["fast.org."]
        go.set()
        assert owners([await client.read_frame(reader)]) == ["slow.org."]
        writer.close()
        await writer.wait_closed()


async def test_many_pipelined_queries_are_all_answered() -> None:
    async with serving(echo) as (_, port):
        names = [f"n{number}.org." for number in range(500)]
        replies = await client.tcp(port, *map(wire, names))
    assert sorted(owners(replies)) == sorted(names)


async def test_half_closed_after_the_query_is_answered() -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        message = wire("a.org.")
        writer.write(len(message).to_bytes(2) + message)
        writer.write_eof()
        assert owners([await client.read_frame(reader)]) == ["a.org."]
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\0\0", id="length-zero"),
        pytest.param(b"\0\1x", id="shorter-than-a-header"),
        pytest.param(b"\0", id="half-a-length-then-fin"),
        pytest.param(
            len(wire("a.")).to_bytes(2) + wire("a.")[:2] + b"\x80" + wire("a.")[3:],
            id="a-response",
        ),
    ],
)
async def test_hung_up_on(sent: bytes) -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(client.DEADLINE_S):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_garbage_gets_an_error_and_the_end() -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\0\x0c" + bytes(12))
        assert len(await client.read_frame(reader)) == 12
        async with asyncio.timeout(client.DEADLINE_S):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_an_answer_too_big_for_udp() -> None:
    async def big(query: Query) -> Response:
        data = tuple(rdata.a(f"10.0.{n >> 8}.{n & 255}") for n in range(1500))
        return Response(answer=(RRset(query.question.qname, 1, 30, data),))

    async with serving(big) as (_, port):
        (reply,) = await client.tcp(port, wire("a.org."))
    assert len(dns.message.from_wire(reply).answer[0]) == 1500


async def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("dns.example.org")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made.private_key_pem.write_to_path(key)
    for blob in made.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serving(echo, tcp.context(str(cert), str(key))) as (_, port):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="dns.example.org"
        )
        message = wire("a.org.")
        writer.write(len(message).to_bytes(2) + message)
        assert owners([await client.read_frame(reader)]) == ["a.org."]
        writer.close()
        await writer.wait_closed()
