"""Edges for tests: a clock that is moved by hand, files in a dict, scripted upstreams.

They stand for the world outside minidns; nothing of minidns itself is replaced.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TypeVar

from minidns.corefile import blocks as corefile
from minidns.corefile import imports
from minidns.corefile.blocks import ConfigError, Corefile, Directive
from minidns.dns import names
from minidns.dns.model import Handler, Opt, Plugin, Query, Question, Response
from minidns.dns.rdata import type_number
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.resources import Access, ListWatch, Resource
from minidns.kubernetes.watcher import SharedWatcher
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges, HttpHandler, Site
from minidns.plugins.spec import PluginSpec
from minidns.upstream.acceptance import Doubtful
from minidns.upstream.upstream import Accept, Upstream

T = TypeVar("T")


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self, start: float = 1000.0) -> None:
        self.time = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass; whoever sleeps until then runs at its own time."""
        end = self.time + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.time, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self.time = end


async def settle() -> None:
    """Let everything that can run without time passing run."""
    for _ in range(20):
        await asyncio.sleep(0)


class FilesInMemory:
    """Files by path, with their text."""

    def __init__(self, texts: dict[str, str] | None = None) -> None:
        self.texts = texts or {}

    def read(self, path: str) -> str:
        if path not in self.texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.texts[path]

    def glob(self, pattern: str) -> list[str]:
        return imports.glob(pattern, self._names, self._exists)

    def _names(self, folder: str) -> list[str]:
        below = f"{folder.rstrip('/')}/" if folder else ""
        inside = (path[len(below) :] for path in self.texts if path.startswith(below))
        return sorted({path.split("/")[0] for path in inside})

    def _exists(self, path: str) -> bool:
        return path in self.texts or bool(self._names(path))


Answer = Callable[[Upstream, bytes], Awaitable[bytes]]


@dataclass
class Upstreams:
    """Resolvers to forward to; ``answer`` gives the reply's bytes or raises OSError."""

    answer: Answer | None = None
    asked: list[tuple[Upstream, bytes]] = field(default_factory=list)

    async def exchange(self, to: Upstream, wire: bytes, timeout_s: float, accept: Accept[T]) -> T:
        self.asked.append((to, wire))
        if self.answer is None:
            raise ConnectionRefusedError(111, "Connection refused")
        if (reply := accept(await self.answer(to, wire))) is None:
            raise TimeoutError("i/o timeout")
        return reply.settled() if isinstance(reply, Doubtful) else reply


@dataclass
class InstanceAlone:
    """A loaded Corefile without sockets."""

    corefile: Corefile
    sites: list[Site] = field(default_factory=list)
    endpoints: dict[tuple[str, str], HttpHandler] = field(default_factory=dict)
    watch_s: float | None = None
    on_disk: Corefile | Exception | None = None
    """The result or exception of ``read``; None for the loaded Corefile."""
    broken: ConfigError | None = None
    """The exception of ``reload``; None for none."""
    reloads: int = 0
    fatals: list[str] = field(default_factory=list)

    def http(self, address: str, path: str, handler: HttpHandler) -> Callable[[], Awaitable[None]]:
        self.endpoints[address, path] = handler

        async def close() -> None:
            del self.endpoints[address, path]

        return close

    def follower(self, options: KubernetesOptions, make: Callable[[], SharedWatcher]) -> SharedWatcher:
        return make()

    def read(self) -> Corefile:
        if isinstance(self.on_disk, Exception):
            raise self.on_disk
        return self.on_disk or self.corefile

    async def reload(self) -> None:
        self.reloads += 1
        if self.broken:
            raise self.broken

    def fatal(self, text: str) -> None:
        self.fatals.append(text)

    def waiting_for(self) -> tuple[str, ...]:
        return ()


def _no_api(access: Access, resource: Resource) -> ListWatch:
    raise AssertionError("this test has no API server")


class World:
    """Everything outside, with handles for the test."""

    def __init__(
        self,
        *,
        files: dict[str, str] | None = None,
        environ: dict[str, str] | None = None,
        answer: Answer | None = None,
        list_watch: Callable[[Access, Resource], ListWatch] = _no_api,
        seed: int = 1,
    ) -> None:
        self.clock = Clock()
        self.files = FilesInMemory(files)
        self.upstreams = Upstreams(answer)
        self.metrics = Metrics()
        self.edges = Edges(
            list_watch=list_watch,
            exchange=self.upstreams.exchange,
            now=self.clock.now,
            wall=lambda: 1_700_000_000 + self.clock.time,
            sleep=self.clock.sleep,
            random=Random(seed),
            files=self.files,
            environ=environ or {},
        )

    def site(self, text: str) -> Site:
        """Return the site of the first server block of Corefile ``text``, unbuilt."""
        parsed = corefile.parse(text, files=self.files, environ=self.edges.environ, known=None)
        instance = InstanceAlone(parsed)
        site = Site(parsed.blocks[0], self.edges, self.metrics, instance)
        instance.sites.append(site)
        return site


def directives(site: Site, name: str) -> tuple[Directive, ...]:
    """Return the occurrences of ``name`` in the site's block."""
    return tuple(d for d in site.block.directives if d.name == name)


def handler_of(spec: PluginSpec, site: Site) -> Plugin:
    """Set up the plugin ``spec`` from its directives in the site's block."""
    plugin = spec.set_up(site.block.named(spec.name), site)
    assert plugin is not None
    return plugin


def plugin(
    world: World, setup: Callable[[tuple[Directive, ...], Site], Plugin | None], name: str, body: str
) -> tuple[Plugin, Site]:
    """Set up the plugin ``name`` from the lines ``body`` of a block for the root."""
    site = world.site(f".:53 {{\n{body}\n}}\n")
    made = setup(directives(site, name), site)
    assert made is not None
    return made, site


def query(
    name: str,
    qtype: str = "A",
    *,
    opt: Opt | None = None,
    transport: str = "udp",
    peer: str = "192.0.2.53",
    qclass: int = 1,
) -> Query:
    """Return a query as a client would send it; ``name`` may be in mixed case."""
    spelled = name if name.endswith(".") else name + "."
    return Query(
        Question(names.absolute(spelled), type_number(qtype), qclass),
        id=4711,
        opt=opt,
        max_size=65535 if transport == "tcp" else max(512, opt.size if opt else 0),
        spelled="" if spelled == spelled.lower() else spelled,
        transport="tcp" if transport == "tcp" else "udp",
        peer=(peer, 40000),
    )


def always(response: Response) -> Handler:
    """Return a handler that gives ``response`` and keeps the queries it got."""

    async def handler(_: Query) -> Response:
        return response

    return handler


def chain(*plugins: Plugin, last: Handler) -> Handler:
    """Return the handler that runs ``plugins``, outermost first, and then ``last``."""
    for each in reversed(plugins):
        last = each(last)
    return last


def texts(rrsets: Iterable[object]) -> list[str]:
    """Return records as sorted zone-file lines ``owner ttl TYPE rdata``."""
    from minidns.dns.rdata import to_lines

    return sorted(line for rrset in rrsets for line in to_lines(rrset))  # type: ignore[arg-type]
