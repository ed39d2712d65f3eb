"""The page of a simulated cluster over loopback, for tests."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientResponse, ClientSession

from minidns.web.server import PageServer
from minidns.web.source import Events
from sim.web.source import SimulatedSource

TOKEN = "a-token-for-tests-0123456789abcdef"


@asynccontextmanager
async def served(port: int = 0) -> AsyncIterator[str]:
    """Serve the page; yield its URL without path and token."""
    events = Events()
    source = SimulatedSource(events)
    await source.start()
    try:
        async with PageServer(source, events, TOKEN).serving(port=port) as url:
            parts = urlsplit(url)
            assert parts.query == f"token={TOKEN}"
            yield f"http://{parts.netloc}"
    finally:
        await source.close()


class Client:
    """A program that has the token."""

    def __init__(self, http: ClientSession, base: str) -> None:
        self.http, self.base = http, base

    async def get(self, path: str, **query: str) -> tuple[int, str]:
        """Return status and text."""
        async with self.http.get(self.base + path, params={"token": TOKEN, **query}) as reply:
            return reply.status, await reply.text()

    async def walks(self, **query: str) -> list[dict[str, Any]]:
        """Return the walks of a lookup as JSON."""
        status, text = await self.get("/walk", part="json", **query)
        assert status == 200, text
        sides: list[dict[str, Any]] = json.loads(text)["walks"]
        return sides

    async def do(self, name: str, **document: object) -> tuple[int, str]:
        """Carry out an action; return status and text."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.http.post(f"{self.base}/do/{name}", json=document, headers=headers) as reply:
            return reply.status, await reply.text()

    @asynccontextmanager
    async def events(self) -> AsyncIterator["Stream"]:
        """Open the stream of events."""
        async with self.http.get(f"{self.base}/events", params={"token": TOKEN}) as reply:
            assert reply.content_type == "text/event-stream"
            yield Stream(reply)


class Stream:
    """Server-sent events as a page receives them."""

    def __init__(self, reply: ClientResponse) -> None:
        self.reply = reply

    async def next(self, wanted: str) -> Any:
        """Return the value of the next event with this name."""
        name = ""
        async with asyncio.timeout(30):
            async for line in self.reply.content:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text[7:]
                if text.startswith("data: ") and name == wanted:
                    return json.loads(text[6:])
        raise ConnectionError("the stream has ended")
