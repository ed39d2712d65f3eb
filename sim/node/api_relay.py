"""The connections of one DNS pod to the API server, byte by byte over their link.

The bytes are TLS, so a fault acts on what arrives together: a delay or loss makes it
late, and a partition holds it back until it ends, as TCP sends it again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

from minidns.dns.model import Address

from .api_link import ApiWay
from .kind_corefile import HOST

_CHUNK = 1 << 16
_AHEAD = 64
"""Chunks on their way at the same time; more wait at the sender, as for a window."""


@dataclass(slots=True)
class ApiRelay:
    """Listens on loopback for one pod, and connects to the API server."""

    server: Address
    way: ApiWay
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _own: set[Address] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Address]:
        """Relay connections in the block; yield the address for the pod."""
        # cancelled while it starts outside of the block, it would leave its socket open
        listener = await asyncio.start_server(
            self._connected, HOST, 0, start_serving=False
        )
        try:
            await listener.start_serving()
            yield listener.sockets[0].getsockname()[:2]
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def is_own(self, peer: Address) -> bool:
        """Return whether a client of the API server is a connection of this pod."""
        return peer in self._own

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # a task of asyncio's own would print a traceback when it is cancelled
        task = asyncio.create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        own = HOST, 0
        others = []
        try:
            to_server = await asyncio.open_connection(*self.server)
            others.append(to_server[1])
            own = to_server[1].get_extra_info("sockname")[:2]
            self._own.add(own)
            async with asyncio.TaskGroup() as group:
                there = partial(self._pump, to_api=True)
                group.create_task(there(reader, to_server[1]))
                group.create_task(self._pump(to_server[0], writer))
        except* OSError:
            pass  # a reset passes on to the other side
        finally:
            self._own.discard(own)
            for each in (writer, *others):
                each.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        to_api: bool = False,
    ) -> None:
        """Carry bytes in one direction until the sender closes it."""
        arrivals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_AHEAD)
        now = asyncio.get_running_loop().time

        async def deliver() -> None:
            while True:
                at, data = await arrivals.get()
                if at > now():
                    await asyncio.sleep(at - now())
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.write_eof()

        delivering = asyncio.ensure_future(deliver())
        try:
            last, data = now(), b"-"
            while data:
                data = await reader.read(_CHUNK)
                last = await self.way.arrival(now(), last, to_api=to_api)
                await arrivals.put((last, data))
            await delivering
        finally:
            delivering.cancel()
