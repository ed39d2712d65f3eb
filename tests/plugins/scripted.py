"""Upstreams in hand-moved time: each address behaves as the test says."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import TypeVar

import dns.message

from minidns.dns.model import DnsError, Handler, Query, Response
from minidns.plugins import forward
from minidns.plugins.site import Site
from minidns.upstream.acceptance import Doubtful
from minidns.upstream.upstream import Accept, Upstream
from tests.server.resolvers import good, reply
from tests.world import World, chain, plugin, settle

T = TypeVar("T")

NS = 2


@dataclass
class Sent:
    """A query on its way to an upstream."""

    at: float
    to: Upstream
    wire: bytes
    timeout_s: float

    @property
    def message(self) -> dns.message.Message:
        return dns.message.from_wire(self.wire)

    @property
    def is_check(self) -> bool:
        return bool(self.message.question[0].rdtype == NS)


@dataclass
class Scripted:
    """A world with a *forward* in it; time begins at 0."""

    world: World
    behavior: dict[str, str] = field(default_factory=dict)
    """By host: good, silent, refused, hangs, bare (a header alone), or an rcode; good
    when nothing is said."""
    sent: list[Sent] = field(default_factory=list)
    handler: Handler = field(init=False)
    site: Site = field(init=False)

    async def exchange(self, to: Upstream, wire: bytes, timeout_s: float, accept: Accept[T]) -> T:
        clock = self.world.clock
        self.sent.append(Sent(clock.time, to, wire, timeout_s))
        match self.behavior.get(to.host, "good"):
            case "good":
                out = good(wire)
            case "refused":
                raise ConnectionRefusedError(111, "connection refused")
            case "silent":
                await clock.sleep(timeout_s)
                raise TimeoutError(f"read udp 127.0.0.1:40000->{to}: i/o timeout")
            case "hangs":
                await asyncio.Event().wait()
            case "bare":
                out = good(wire)[:12]
            case "nodata":
                out = reply(wire).to_wire()
            case rcode:
                out = reply(wire, rcode=rcode).to_wire()
        found = accept(out)
        assert found is not None
        return found.settled() if isinstance(found, Doubtful) else found

    @property
    def asked(self) -> list[str]:
        """Hosts that were asked, checks left out."""
        return [sent.to.host for sent in self.sent if not sent.is_check]

    @property
    def checked(self) -> list[tuple[float, str]]:
        """Times and hosts of health checks."""
        return [(sent.at, sent.to.host) for sent in self.sent if sent.is_check]

    def asking(self, query: Query) -> asyncio.Task[Response]:
        """Ask; let everything happen that can without time passing."""

        async def ask() -> Response:
            return await self.handler(query)

        return asyncio.get_running_loop().create_task(ask())

    async def ask(self, query: Query) -> Response:
        return await self.handler(query)

    async def outcome(self, query: Query, wait_s: float = 0) -> Response | DnsError:
        """Return what comes of ``query`` within ``wait_s`` seconds of hand time."""
        task = self.asking(query)
        await self.world.clock.advance(wait_s)
        await settle()
        assert task.done(), "it still waits"
        error = task.exception()
        assert error is None or isinstance(error, DnsError)
        return error if isinstance(error, DnsError) else task.result()


def scripted(
    body: str, *, files: dict[str, str] | None = None, last: Handler | None = None, **behavior: str
) -> Scripted:
    """Set up the ``forward`` lines of ``body``."""
    world = World(files=files)
    world.clock.time = 0
    result = Scripted(world)
    world.edges = replace(world.edges, exchange=result.exchange)
    tested, result.site = plugin(world, forward.PLUGIN.set_up, "forward", body)
    result.handler = chain(tested, last=last or nothing_behind)
    return result


async def nothing_behind(query: Query) -> Response:
    raise DnsError("plugin/forward: no next plugin found")
