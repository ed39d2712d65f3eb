"""The messages between the main process and a worker, and the stream that carries them.

Messages are MessagePack with a length before them, over a pair of Unix sockets. Each
side ends when the other side's end of the stream closes.
"""

import asyncio
import socket
from typing import Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from minidns.corefile.blocks import Corefile
from minidns.corefile.releases import NEWEST, Release
from minidns.server.instance import Listener
from minidns.server.workers.metrics_delta import Delta

_LENGTH = 4


class Load(Struct, tag=True, frozen=True):
    """To a worker: serve this Corefile, in place of the one before."""

    corefile: Corefile
    listeners: tuple[tuple[Listener, int], ...]
    """Where to answer beside the main process, and the port in use there."""
    release: Release = NEWEST
    """The release of CoreDNS to behave as."""
    log_format: str = "text"


class Collect(Struct, tag=True, frozen=True):
    """To a worker: report at once."""

    number: int


class Stop(Struct, tag=True, frozen=True):
    """To a worker: stop reading, answer the queries in flight, end."""


class Report(Struct, tag=True, frozen=True):
    """From a worker, twice a second and when asked: its state; also its heartbeat."""

    collect: int
    """The number of the last ``Collect`` that the worker got."""
    is_serving: bool
    """Whether its sockets are open."""
    is_ready: bool
    """Whether all its plugins are ready."""
    deltas: tuple[Delta, ...]
    """The growth of its metrics since its last report."""


class Failed(Struct, tag=True, frozen=True):
    """From a worker that cannot serve, and ends."""

    text: str


ToWorker: TypeAlias = Load | Collect | Stop
FromWorker: TypeAlias = Report | Failed
T = TypeVar("T")


class Channel(Generic[T]):
    """One end of the stream; ``T`` is the type of the messages that arrive."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: msgspec.msgpack.Decoder[T],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decode = decoder.decode

    def send(self, message: ToWorker | FromWorker) -> None:
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
        return self._decode(await self._reader.readexactly(length))

    def close(self) -> None:
        """Close this end."""
        self._writer.close()


async def to_worker(sock: socket.socket) -> Channel[FromWorker]:
    """Return the main process's end."""
    decoder = msgspec.msgpack.Decoder(FromWorker)
    return Channel(*await asyncio.open_connection(sock=sock), decoder)


async def to_main(sock: socket.socket) -> Channel[ToWorker]:
    """Return the worker's end."""
    decoder = msgspec.msgpack.Decoder(ToWorker)
    return Channel(*await asyncio.open_connection(sock=sock), decoder)
