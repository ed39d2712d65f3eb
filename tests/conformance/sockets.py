"""Queries over loopback sockets, and the upstream that the server under test asks."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.conformance import upstream

HOST = "127.0.0.1"
SILENCE_S = 2.0
"""After which there is no reply."""


class _Once(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.reply.done():
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def ask_udp(port: int, wire: bytes, silence_s: float = SILENCE_S) -> list[bytes]:
    """Return the reply, in a list; empty when none comes.

    Raises:
        OSError: nobody listens there.

    """
    loop = asyncio.get_running_loop()
    transport, once = await loop.create_datagram_endpoint(_Once, remote_addr=(HOST, port))
    try:
        transport.sendto(wire)
        return [await asyncio.wait_for(once.reply, silence_s)]
    except TimeoutError:
        return []
    finally:
        transport.close()


async def ask_tcp(port: int, wire: bytes, repeat: int = 1, *, transfers: bool = False) -> list[bytes]:
    """Return the replies to ``wire``, asked ``repeat`` times on one connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    replies: list[bytes] = []
    try:
        for _ in range(repeat):
            writer.write(struct.pack("!H", len(wire)) + wire)
            replies.append(await asyncio.wait_for(framed(reader), SILENCE_S))
        while transfers:
            replies.append(await asyncio.wait_for(framed(reader), SILENCE_S / 4))
    except (TimeoutError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return replies


async def framed(reader: asyncio.StreamReader) -> bytes:
    """Return one message of a stream (RFC 1035 4.2.2)."""
    (size,) = struct.unpack("!H", await reader.readexactly(2))
    return await reader.readexactly(size)


class _Upstream(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # what it is in fact

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(upstream.answer(data), addr)


async def _stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            reply = upstream.answer(await framed(reader))
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def forwarding_to(port: int) -> AsyncIterator[None]:
    """Run the upstream at ``port``, UDP and TCP, meanwhile."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Upstream, local_addr=(HOST, port))
    server = await asyncio.start_server(_stream, HOST, port)
    try:
        yield
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
