"""The way between a client and a server, which may go dead without a word."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from minidns.kubernetes.resources import Access
from sim.api.http import ApiServer


class Wire:
    """Forwards connections to an API server; while it is dead, nothing passes."""

    def __init__(self) -> None:
        self.is_dead = False
        self.port = 0
        """The port of the server, which may change."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def to(self, server: ApiServer) -> Access:
        """Return how to reach ``server`` by this way."""
        assert self._server is not None
        self.port = urlsplit(server.url).port or 0
        here = self._server.sockets[0].getsockname()[1]
        return Access(endpoint=f"http://127.0.0.1:{here}")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))
            finally:
                there[1].close()
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        was_dead = False
        while data := await reader.read(65536):
            was_dead = was_dead or self.is_dead
            if was_dead:
                await asyncio.Event().wait()  # what passed here then is lost
            writer.write(data)
            await writer.drain()
        if self.is_dead:
            await asyncio.Event().wait()
        writer.close()
