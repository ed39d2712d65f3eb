"""A TCP client that misbehaves: what it does, and how its connection ends."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from tests.process import DEADLINE_S
from tests.survival.world import HOST, query


class Ended(NamedTuple):
    """The end of a connection."""

    replies: list[bytes]
    seconds: float
    """Seconds from connecting to the end, or to the last reply if it has not ended."""
    is_closed: bool


def frame(message: bytes) -> bytes:
    """Return ``message`` with its length in front (RFC 1035 4.2.2)."""
    return len(message).to_bytes(2) + message


class Client:
    """A connection to the server, and how long it has lasted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._began = asyncio.get_running_loop().time()

    @property
    def seconds(self) -> float:
        """Seconds since it was opened."""
        return asyncio.get_running_loop().time() - self._began

    async def send(self, data: bytes) -> None:
        """Send ``data``, unless the server has hung up."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def reply(self) -> bytes:
        """Return the next reply."""
        size = int.from_bytes(await self.reader.readexactly(2))
        return await self.reader.readexactly(size)

    async def replies(self, count: int) -> Ended:
        """Read so many replies."""
        async with asyncio.timeout(DEADLINE_S):
            found = [await self.reply() for _ in range(count)]
        return Ended(found, self.seconds, False)

    async def end(self) -> Ended:
        """Read replies until the server hangs up."""
        found = []
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    found.append(await self.reply())
        return Ended(found, self.seconds, True)


@contextlib.asynccontextmanager
async def connected(port: int, source: str = HOST) -> AsyncIterator[Client]:
    """Connect to the server from a loopback address."""
    reader, writer = await asyncio.open_connection(HOST, port, local_addr=(source, 0))
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def is_answered(port: int, source: str = HOST) -> float:
    """Ask a good query on a new connection; return the seconds until its answer."""
    async with connected(port, source) as client:
        await client.send(frame(query(77)))
        return (await client.replies(1)).seconds


Play = Callable[[int], Awaitable[Ended]]
"""Plays a client against the server's port; returns the end of its connection."""


def sending(*pieces: bytes, pause_s: float = 0.0, eof: bool = False) -> Play:
    """Send pieces, then wait for the end."""

    async def play(port: int) -> Ended:
        async with connected(port) as client:
            ending = asyncio.ensure_future(client.end())
            for piece in pieces:
                await client.send(piece)
                await asyncio.wait((ending,), timeout=pause_s)
            if eof:
                client.writer.write_eof()
            return await ending

    return play


def asking(*messages: bytes, pause_s: float = 0.0) -> Play:
    """Send queries, in one piece or byte by byte, and read as many replies."""

    async def play(port: int) -> Ended:
        whole = b"".join(map(frame, messages))
        async with connected(port) as client:
            sending = asyncio.ensure_future(drip(client, whole, pause_s))
            ended = await client.replies(len(messages))
            await sending
            return ended

    return play


async def drip(client: Client, data: bytes, pause_s: float) -> None:
    """Send ``data``, byte by byte if there is to be a pause after each."""
    if not pause_s:
        await client.send(data)
        return
    for byte in data:
        await client.send(bytes((byte,)))
        await asyncio.sleep(pause_s)


async def never_reading(port: int) -> Ended:
    """Ask on and on, and read nothing, until the server hangs up."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, (HOST, port))
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    await loop.sock_sendall(sock, frame(query(1)) * 100)
    return Ended([], loop.time() - began, True)


async def resetting(port: int) -> Ended:
    """Ask what takes a while, and reset the connection meanwhile."""
    loop = asyncio.get_running_loop()
    for name in ("a", "b", "c"):
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (HOST, port))
            await loop.sock_sendall(sock, frame(query(1, f"{name}.slow.example.org.")))
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    return Ended([], 0.0, True)
