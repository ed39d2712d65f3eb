"""What the main process and a worker say to one another, and the stream it goes over.

Messages are MessagePack with a length before them, over a pair of Unix sockets. Each
end takes the other's end of the stream for its end.
"""

import asyncio
import socket
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from minidns.corefile.blocks import Corefile
from minidns.corefile.releases import NEWEST, Release
from minidns.server.instance import Listener
from minidns.server.workers.metrics_delta import Growth

_LENGTH = 4


class Share(NamedTuple):
    """The sockets of a listener that are a worker's to answer at."""

    listener: Listener
    descriptors: tuple[int, ...]


class Work(Struct, tag=True, frozen=True):
    """To a worker, first of all: what to do."""

    corefile: Corefile
    shares: tuple[Share, ...]
    log_format: str = "text"
    release: Release = NEWEST
    """The release of CoreDNS to behave as."""


class Reply(Struct, tag=True, frozen=True):
    """To a worker: what it asked for."""

    number: int
    """Of the request."""
    body: bytes


class Stop(Struct, tag=True, frozen=True):
    """To a worker: read nothing more, finish what is under way, end."""


class Serving(Struct, tag=True, frozen=True):
    """From a worker: it answers."""


class Counted(Struct, tag=True, frozen=True):
    """From a worker, twice a second, as its heartbeat: what it counted, if anything."""

    news: tuple[Growth, ...]


class Request(Struct, tag=True, frozen=True):
    """From a worker: a question to the relay of the API."""

    number: int
    body: bytes


class Failed(Struct, tag=True, frozen=True):
    """From a worker: it cannot do its work, and ends."""

    text: str


ToWorker: TypeAlias = Work | Reply | Stop
FromWorker: TypeAlias = Serving | Counted | Request | Failed
T = TypeVar("T")


class Link(Generic[T]):
    """One end of the stream; ``T`` is what comes out of it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: msgspec.msgpack.Decoder[T],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decode = decoder.decode

    async def send(self, message: ToWorker | FromWorker) -> None:
        """Send ``message``, as soon as the other end has read most of what was sent.

        Raises:
            OSError: there is no other end any more.

        """
        body = msgspec.msgpack.encode(message)
        self._writer.write(len(body).to_bytes(_LENGTH) + body)
        await self._writer.drain()

    async def receive(self) -> T:
        """Return the next message.

        Raises:
            EOFError: the other end has ended.
            OSError: it has ended before it read all that was sent.

        """
        length = int.from_bytes(await self._reader.readexactly(_LENGTH))
        return self._decode(await self._reader.readexactly(length))

    def close(self) -> None:
        """End the stream."""
        self._writer.close()


async def to_worker(sock: socket.socket) -> Link[FromWorker]:
    """Return the main process's end."""
    decoder = msgspec.msgpack.Decoder(FromWorker)
    return Link(*await asyncio.open_connection(sock=sock), decoder)


async def to_main(sock: socket.socket) -> Link[ToWorker]:
    """Return the worker's end."""
    decoder = msgspec.msgpack.Decoder(ToWorker)
    return Link(*await asyncio.open_connection(sock=sock), decoder)
