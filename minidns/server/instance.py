"""A loaded Corefile: its server blocks (sites), and the handler of each listener."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, Protocol, TypeAlias

from minidns import plugins
from minidns.corefile.blocks import ConfigError, Corefile
from minidns.corefile.releases import NEWEST, Release
from minidns.dns.model import Handler, Name
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.watcher import SharedWatcher
from minidns.metrics.registry import Metrics
from minidns.plugins import chain
from minidns.plugins.reload import Watch
from minidns.plugins.site import Edges, HttpHandler, Site
from minidns.plugins.spec import Traits
from minidns.server.answer import Answerer
from minidns.system.limits import StreamLimits
from minidns.system.tasks import Tasks

Blocks: TypeAlias = list[tuple[Site, Handler]]
"""Server blocks of one zone at one listener, in the order of the Corefile."""
TRANSPORTS = ("dns", "tls")
"""Schemes of keys that minidns supports."""


class Listener(NamedTuple):
    """A transport at an address; all blocks with that key share its sockets."""

    transport: str
    host: str
    """The IP address; empty for all addresses of the machine."""
    port: int

    def __str__(self) -> str:
        """Return the label that metrics and logs use: ``dns://:53``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}"


class Endpoints(Protocol):
    """Serves HTTP endpoints; see `minidns.http.server.HttpEndpoints`."""

    def add(
        self, address: str, path: str, handler: HttpHandler
    ) -> Callable[[], Awaitable[None]]:
        """Serve ``path`` at ``address`` after ``open``; return a function to end it."""
        ...

    async def open(self) -> None:
        """Bind all addresses and begin to serve.

        Raises:
            OSError: an address cannot be bound.

        """
        ...

    async def close(self) -> None:
        """Close all endpoints."""
        ...


class Instance:
    """The sites of a Corefile, set up but not started."""

    def __init__(
        self,
        corefile: Corefile,
        edges: Edges,
        metrics: Metrics,
        *,
        read: Callable[[], Corefile],
        reload: Callable[[], Awaitable[None]],
        fatal: Callable[[str], None],
        forget: Callable[[Iterable[Hashable]], None],
        endpoints: Endpoints | None = None,
        release: Release = NEWEST,
        before: "Instance | None" = None,
        waiting_for: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.corefile = corefile
        self.release = release
        """The release of CoreDNS to behave as."""
        self._endpoints = endpoints or _endpoints()
        self._edges = edges
        # what plugins may ask of the process, see `PluginHost`
        self.read, self.reload, self.fatal = read, reload, fatal
        self.http = self._endpoints.add
        self.waiting_for = waiting_for
        self._inherited = list(before.watchers) if before is not None else []
        """Watchers of the instance before, which this one may take over."""
        self.watchers: list[SharedWatcher] = []
        """The watchers of clusters for this Corefile."""
        self.watch_s: float | None = before.watch_s if before is not None else None
        """Seconds between checks of the Corefile; see `PluginHost`."""
        self._metrics = metrics
        self._tasks = Tasks(edges, metrics)
        self.sites: list[Site] = []
        self.routes: dict[Listener, Handler] = {}
        self._zones: dict[Listener, dict[Name, Blocks]] = {}
        for block in corefile.blocks:
            site = Site(block, edges, metrics, self, release)
            site.forget = forget
            handler = _handler(site)
            self.sites.append(site)
            self._serve(site, handler)
        for listener, zones in self._zones.items():
            router = _router(zones)
            self.routes[listener] = router
            for site in _sites(zones):
                site.top = site.top or router

    @property
    def processes(self) -> int:
        """Number of processes, including this one (*multisocket*)."""
        return max(map(self.processes_at, self.routes), default=1)

    def processes_at(self, listener: Listener) -> int:
        """Return the number of processes that serve ``listener``."""
        return self.site_of(listener).listen.sockets

    def _serve(self, site: Site, handler: Handler) -> None:
        for key in site.block.keys:
            if key.transport not in TRANSPORTS:
                text = f"{key}: {key.transport} is not supported by minidns"
                raise ConfigError.plain(site.block, text)
            if key.transport == "tls" and site.listen.certificate is None:
                text = f"{key}: needs a tls line with certificate and key"
                raise ConfigError.plain(site.block, text)
            for host in site.listen.addresses or ("",):
                listener = Listener(key.transport, host, key.port)
                zones = self._zones.setdefault(listener, {})
                blocks = zones.setdefault(key.zone, [])
                if site.view is None and any(s.view is None for s, _ in blocks):
                    text = f"cannot serve {key} - it is already defined"
                    raise ConfigError.plain(site.block, text)
                blocks.append((site, handler))

    def answer(self, listener: Listener, answerer: Answerer) -> None:
        """Let ``answerer``, of ``listener``, answer by this Corefile from now on."""
        answerer.top = self.routes[listener]
        answerer.limits = self._limits(listener)
        sites = list(_sites(self._zones[listener]))
        shed = (s.listen.count_shed for s in sites if s.listen.count_shed)
        count_shed = next(shed, None)
        answerer.shed = count_shed and partial(count_shed, str(listener))
        samplers = (s.listen.sampler for s in sites if s.listen.sampler)
        answerer.sampler = next(samplers, None)

    def _limits(self, listener: Listener) -> StreamLimits:
        """Return the limits of *timeouts* at ``listener``; the last block counts."""
        read_s, write_s, idle_s, most = StreamLimits()
        for site in _sites(self._zones[listener]):
            own = site.listen.timeouts
            read_s, write_s = own.read or read_s, own.write or write_s
            idle_s, most = own.idle or idle_s, own.max_queries or most
        return StreamLimits(read_s, write_s, idle_s, most)

    def site_of(self, listener: Listener) -> Site:
        """Return the first site of ``listener``, which has the certificate."""
        return next(_sites(self._zones[listener]))

    def sites_at(self, listener: Listener, zone: Name) -> tuple[Site, ...]:
        """Return the sites that serve ``zone`` at ``listener``, in file order."""
        return tuple(site for site, _ in self._zones[listener][zone])

    def is_ready(self) -> bool:
        """Return whether all plugins with a readiness check are ready."""
        return all(
            check.is_ready() for site in self.sites for check in site.readiness.values()
        )

    def zones_of(self, listener: Listener) -> tuple[Name, ...]:
        """Return the zones that are served at ``listener``, sorted."""
        return tuple(sorted(self._zones[listener]))

    def follower(
        self, options: KubernetesOptions, make: Callable[[], SharedWatcher]
    ) -> SharedWatcher:
        """Return the watcher of a cluster for ``options``; see `PluginHost`."""
        usable = (watcher for watcher in self._inherited if watcher.follows(options))
        watcher = next(usable, None)
        if watcher is None:
            watcher = make()
        else:
            self._inherited.remove(watcher)
        self.watchers.append(watcher)
        return watcher

    async def start(self) -> None:
        """Open the HTTP endpoints, then run the start hooks; DNS is not served yet.

        Raises:
            ConfigError: an address, file or other resource cannot be used.

        """
        try:
            await self._endpoints.open()
        except OSError as exc:
            raise ConfigError(str(exc)) from exc
        for site in self.sites:
            for hook in site.hooks.start:
                await hook()

    async def serving(self) -> None:
        """Run the hooks for open DNS sockets, and begin to watch the Corefile."""
        if self.watch_s is not None:
            watch = Watch(self, self._edges, self._metrics, self.watch_s)
            self._tasks.keep("reload", watch.run)
        for site in self.sites:
            for hook in site.hooks.serving:
                await hook()

    async def shut_down(self) -> None:
        """Run the shutdown hooks, while DNS is still served."""
        for site in self.sites:
            for hook in site.hooks.shutdown:
                await hook()

    async def stop(self) -> None:
        """Stop all tasks, hooks and endpoints of this Corefile."""
        await self._tasks.stop()
        for site in self.sites:
            await site.stop()
        await self._endpoints.close()
        # sites and their parts refer to one another: without these cycles their memory
        # is freed at once, not by a garbage collection
        for site in self.sites:
            site.release_all()
            await asyncio.sleep(0)  # thousands of sites take 50 ms
        self.sites.clear()
        self.routes.clear()
        self._zones.clear()


def _endpoints() -> Endpoints:
    from minidns.http.server import HttpEndpoints  # 12 MB that workers do not need

    return HttpEndpoints()


def _handler(site: Site) -> Handler:
    """Return the handler of one server block."""
    configured = plugins.configure(site)
    if not configured:
        return chain.refuse
    return chain.build(configured, site.edges.observe)


def _sites(zones: Mapping[Name, Blocks]) -> Iterator[Site]:
    return (site for blocks in zones.values() for site, _ in blocks)


def _router(zones: Mapping[Name, Blocks]) -> Handler:
    any_class = any(
        Traits.ANY_CLASS in spec.traits for site in _sites(zones) for spec in site.chain
    )
    choices = {
        zone: [chain.Choice(handler, site.view) for site, handler in blocks]
        for zone, blocks in zones.items()
    }
    return chain.route(chain.by_zone(choices), any_class=any_class)
