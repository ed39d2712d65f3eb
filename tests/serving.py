"""A Server of the tests' own in this process: real sockets, but time moves by hand."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass

from minidns.server.process import Server, Settings
from tests.world import World, settle

DEADLINE_S = 30.0


@dataclass
class Serving:
    """A running Server and the world it is in."""

    server: Server
    world: World
    running: "asyncio.Future[int]"

    def write(self, text: str) -> None:
        """Change the Corefile."""
        self.world.files.texts["Corefile"] = text

    async def pass_(self, seconds: float) -> None:
        """Let time pass, and what it sets off come to its end."""
        await self.world.clock.advance(seconds)
        await settle()


@contextlib.asynccontextmanager
async def serving(text: str, world: World | None = None, *, port: int = 53) -> AsyncIterator[Serving]:
    """Serve ``text`` until done."""
    world = world or World()
    world.files.texts["Corefile"] = text
    started = asyncio.Event()
    server = Server(
        Settings(file="Corefile", quiet=True, port=port), world.edges, world.metrics, lambda _: started.set()
    )
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGUSR2)}
    running = asyncio.ensure_future(server.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            waiting = asyncio.ensure_future(started.wait())
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        if running.done():
            running.result()
        yield Serving(server, world, running)
    finally:
        server.stop()
        async with asyncio.timeout(DEADLINE_S):
            await running
        for number, handler in before.items():
            signal.signal(number, handler)
