"""The messages between the main process and a worker, and the stream that carries them.

Messages are MessagePack with a length before them, over a pair of Unix sockets.
"""

import asyncio
import socket
from typing import Generic, Self, TypeVar

import msgspec
from msgspec import Struct

from minidns.corefile.blocks import Corefile
from minidns.corefile.releases import NEWEST, Release
from minidns.server.instance import Listener
from minidns.server.workers.metrics_delta import Delta

_LENGTH = 4


class Load(Struct, frozen=True):
    """To a worker: serve this Corefile instead of the one before."""

    corefile: Corefile
    listeners: tuple[tuple[Listener, int], ...]
    """The listeners to open beside the main process, with the port of each."""
    release: Release = NEWEST
    """The release of CoreDNS to behave as."""
    log_format: str = "text"


class Report(Struct, frozen=True):
    """From a worker: its state. It is also the heartbeat."""

    is_serving: bool
    """True if its sockets are open."""
    is_ready: bool
    """True if all its plugins are ready."""
    deltas: tuple[Delta, ...]
    """The growth of its metrics since its last report."""


T = TypeVar("T")


class Channel(Generic[T]):
    """One end of the stream; ``T`` is the type of the messages that arrive."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        received: type[T],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = msgspec.msgpack.Decoder(received)

    @classmethod
    async def connect(cls, sock: socket.socket, received: type[T]) -> Self:
        """Return the end of the stream that ``sock`` is."""
        return cls(*await asyncio.open_connection(sock=sock), received)

    def send(self, message: Load | Report) -> None:
        """Send ``message``; nothing happens if the other end has closed."""
        body = msgspec.msgpack.encode(message)
        self._writer.write(len(body).to_bytes(_LENGTH) + body)

    async def drain(self) -> None:
        """Wait until the other end has read most of what was sent.

        Raises:
            OSError: the other end has closed.

        """
        await self._writer.drain()

    async def receive(self) -> T:
        """Return the next message.

        Raises:
            EOFError: the other end has closed.
            OSError: it closed before it read all that was sent.

        """
        length = int.from_bytes(await self._reader.readexactly(_LENGTH))
        return self._decoder.decode(await self._reader.readexactly(length))

    def end(self) -> None:
        """Send nothing more; the other end can still send."""
        self._writer.write_eof()

    def close(self) -> None:
        """Close this end."""
        self._writer.close()
