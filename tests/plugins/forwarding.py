"""*forward* over real sockets, and what stands behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from minidns.dns.model import DnsError, Handler, Query, Rcode, Response
from minidns.metrics.registry import Metrics
from minidns.plugins import cache, forward
from minidns.plugins.site import Site
from minidns.upstream.exchange import Sockets
from tests.world import World, chain, directives, handler_of


async def nothing_behind(query: Query) -> Response:
    raise DnsError("plugin/forward: no next plugin found")


@dataclass
class Forwarding:
    """A chain that forwards to resolvers on loopback."""

    handler: Handler
    site: Site
    metrics: Metrics

    async def ask(self, query: Query) -> Response:
        return await self.handler(query)


@asynccontextmanager
async def forwarding(body: str) -> AsyncIterator[Forwarding]:
    """Set up the ``forward`` and ``cache`` lines of ``body``, with real time."""
    world = World()
    sockets = Sockets(world.metrics)
    world.edges = replace(world.edges, exchange=sockets, now=asyncio.get_running_loop().time, sleep=asyncio.sleep)
    site = world.site(f". {{\n{body}\n}}\n")
    plugins = [handler_of(forward.PLUGIN, site)]
    if directives(site, "cache"):
        plugins.insert(0, handler_of(cache.PLUGIN, site))
    handler = chain(*plugins, last=nothing_behind)
    yield Forwarding(handler, site, world.metrics)
    await site.stop()
    await sockets.close()


async def until(condition: Callable[[], object], deadline_s: float = 5.0) -> None:
    """Wait until ``condition`` holds."""
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


def failed(error: DnsError) -> tuple[int, str]:
    return int(error.rcode), error.text


SERVFAIL = int(Rcode.SERVFAIL)
