"""The site of a server block, and the edges of the process: all a plugin may use.

A plugin's ``setup(options, site)`` gets the options that its directives in one server
block set, and this site (see `minidns.plugins.spec`). It returns the function from
handler to handler, or None when it answers no queries (health, ready, reload).
Everything it needs later (listeners, tasks, metrics) it registers with the site while
it is set up; nothing runs before the site starts.
"""

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from os import urandom
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from minidns.corefile.blocks import ConfigError, Corefile, Directive, Files, ServerBlock
from minidns.corefile.releases import NEWEST, Release
from minidns.dns import names
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Query,
    Question,
    Rcode,
    Response,
    replace,
)
from minidns.http.endpoint import HttpHandler as HttpHandler
from minidns.http.endpoint import HttpReply as HttpReply
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.resources import Access, ListWatch, Resource
from minidns.kubernetes.watcher import SharedWatcher
from minidns.metrics.registry import Metrics
from minidns.plugins.contracts import (
    Hook,
    Hooks,
    ListenSettings,
    Metadata,
    Offers,
    ReadinessCheck,
    Viewer,
)
from minidns.system.tasks import Tasks, Work
from minidns.system.threads import Aside, at_once
from minidns.upstream.upstream import Exchange

if TYPE_CHECKING:  # a spec's setup function takes a site
    from minidns.plugins.spec import PluginSpec

MAX_HOPS = 10
"""limit: internal queries for one query of a client; CoreDNS has none."""


async def _no_op() -> None: ...


@dataclass(frozen=True, slots=True)
class Edges:
    """The outside world; tests and the simulator pass in their own."""

    list_watch: Callable[[Access, Resource], ListWatch]
    """Raises ConfigError without such a file, context or service account."""
    exchange: Exchange
    now: Callable[[], float]
    """Monotonic seconds; every timer and TTL counts by it."""
    wall: Callable[[], float]
    """Unix seconds; only for what people and serials show."""
    sleep: Callable[[float], Awaitable[None]]
    random: Random
    files: Files
    environ: Mapping[str, str]
    close: Callable[[], Awaitable[None]] = _no_op
    """Give back what the edges hold open; when the process ends."""
    local_addresses: Callable[[], Sequence[str]] = tuple
    """IP addresses of this machine, loopback ones left out, as text."""
    interfaces: Callable[[], Mapping[str, Sequence[str]]] = dict
    """IP addresses of each interface by its name, loopback ones too, as text."""
    settle: Callable[[], None] = lambda: None
    """Called after about a hundred long-lived objects were created."""
    aside: Aside = at_once
    """Read and parse files while the loop goes on."""
    free_with: Callable[[object, list[object]], None] = lambda owner, parts: None
    """Free the parts of a large value step by step, once the value is freed."""
    entropy: Callable[[int], bytes] = urandom
    """Returns so many bytes that nobody can guess, for IDs and names of queries."""
    observe: Callable[[str, Handler], Handler] = lambda name, handler: handler
    """May wrap the handler of each plugin, to see what it decides."""
    cpus: Callable[[], int] = lambda: 1
    """Returns the number of processors that the process may use."""


class PluginHost(Protocol):
    """The running instance of a loaded Corefile, to which a site belongs."""

    corefile: Corefile
    sites: list["Site"]
    watch_s: float | None
    """Seconds between checks of the Corefile (*reload*); None if not watched."""

    def http(
        self, address: str, path: str, handler: HttpHandler
    ) -> Callable[[], Awaitable[None]]:
        """Serve ``path`` at ``address`` (``host:port``) from start-up on.

        Several plugins may share an address; a later path wins. Return what closes the
        address early; otherwise it closes when the instance stops.
        """
        ...

    def read(self) -> Corefile:
        """Return the Corefile on disk, without rejecting unknown directives.

        Raises:
            OSError: it cannot be read.
            ConfigError: it cannot be parsed.

        """
        ...

    def follower(
        self, options: KubernetesOptions, make: Callable[[], SharedWatcher]
    ) -> SharedWatcher:
        """Return the watcher of a cluster for ``options``.

        That of the Corefile before a reload, if it did the same; else what ``make``
        gives.
        """
        ...

    def reload(self) -> Awaitable[None]:
        """Reload the Corefile; a broken one changes nothing.

        Raises:
            ConfigError: the new Corefile cannot be used; the old one goes on.

        """
        ...

    def fatal(self, text: str) -> None:
        """End the process with ``[FATAL] text`` and status 1."""
        ...

    def waiting_for(self) -> tuple[str, ...]:
        """Return what must open its DNS sockets before the server can answer.

        It is ``listeners`` for this process at its start, ``multisocket`` for workers.
        """
        ...


@dataclass(slots=True)
class Site:
    """One running server block: everything that its plugins may use."""

    block: ServerBlock
    edges: Edges
    metrics: Metrics
    instance: PluginHost
    release: Release = NEWEST
    """The release of CoreDNS whose order of plugins and rules apply (``-as``)."""
    root: str = ""
    """The folder that relative file names are looked up in (*root*)."""
    listen: ListenSettings = field(default_factory=ListenSettings)
    stacktrace: bool = False
    """True if an unexpected failure is logged with its stack (*errors*)."""
    view: Viewer | None = None
    """The view that selects the queries of the block; None for all (*view*)."""
    chain: tuple["PluginSpec", ...] = ()
    """The plugins that handle queries, outermost first; set once configured."""
    chooses_records: bool = False
    """True if a plugin prefers some records, and so needs all of them."""
    readiness: dict[str, ReadinessCheck] = field(default_factory=dict)
    """The plugins that know whether they are ready (*ready*), by name."""
    metadata: Metadata = field(default_factory=Metadata)
    offers: Offers = field(default_factory=Offers)
    hooks: Hooks = field(default_factory=Hooks)
    top: Handler | None = None
    """The listener's router, once built; see ``ask``."""
    forget: Callable[[Iterable[Hashable]], None] = lambda keys: None
    """Tell the edge that remembered answers depending on these keys are stale."""
    _tasks: Tasks = field(init=False)

    def __post_init__(self) -> None:
        """Prepare for background tasks."""
        self._tasks = Tasks(self.edges, self.metrics)

    @property
    def handlers(self) -> tuple[str, ...]:
        """Names of the plugins in the chain, outermost first."""
        return tuple(spec.name for spec in self.chain)

    @property
    def zones(self) -> tuple[Name, ...]:
        """The block's zones, in file order, without repetition."""
        return tuple(dict.fromkeys(key.zone for key in self.block.keys))

    @property
    def servers(self) -> tuple[str, ...]:
        """Labels of the listeners of the first key, as metrics show them.

        Scheme, bound address or nothing, port; complete once *bind* is set up.
        """
        first = self.block.keys[0]
        hosts = (
            f"[{host}]" if ":" in host else host
            for host in self.listen.addresses or ("",)
        )
        return tuple(f"{first.transport}://{host}:{first.port}" for host in hosts)

    @property
    def server(self) -> str:
        """Label of the first listener."""
        return self.servers[0]

    @property
    def view_name(self) -> str:
        """Label of the view in metrics; empty without a *view*."""
        return self.view.name if self.view is not None else ""

    def known(self, query: Query, label: str) -> str:
        """Return the metadata ``label`` of ``query``; empty without one."""
        zone = names.longest(self.metadata.zones, query.question.qname)
        if zone is None or label not in self.metadata.labels:
            return ""
        return self.metadata.labels[label](query, None)

    def on_start(self, hook: Hook) -> None:
        """Run ``hook`` before the DNS sockets open; ConfigError from it is fatal."""
        self.hooks.start.append(hook)

    def on_serving(self, hook: Hook) -> None:
        """Run ``hook`` once the DNS sockets are open."""
        self.hooks.serving.append(hook)

    def on_shutdown(self, hook: Hook) -> None:
        """Run ``hook`` when the process ends, in order, while DNS still answers."""
        self.hooks.shutdown.append(hook)

    def on_stop(self, hook: Hook) -> None:
        """Run ``hook`` when this site is no longer used: at exit or after a reload."""
        self.hooks.stop.append(hook)

    def task(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run ``work`` in the background until it returns or the site stops.

        After an exception it is restarted; see ``Tasks.keep``.
        """
        return self._tasks.keep(name, work)

    def once(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work``, which belongs to one query or event, in the background."""
        return self._tasks.once(name, work)

    async def stop(self) -> None:
        """Run the stop hooks, then cancel what still runs in the background."""
        for hook in self.hooks.stop:
            await hook()
        await self._tasks.stop()

    def release_all(self) -> None:
        """Drop everything that plugins registered; the site is not used again."""
        self.top = self.view = None
        self.forget = lambda keys: None
        self.listen, self.metadata = ListenSettings(), Metadata()
        self.offers, self.hooks, self.readiness = Offers(), Hooks(), {}

    async def ask(self, query: Query, qname: Name, qtype: int) -> Response:
        """Answer another question for ``query``, from the top of the chain.

        The response is empty with an rcode where nothing was answered: SERVFAIL where
        too many questions led here.
        """
        if self.top is None or query.hops >= MAX_HOPS:
            # unlike CoreDNS: ExternalNames of two zones in a ring end its process
            return Response(Rcode.SERVFAIL)
        question = Question(qname, qtype, query.question.qclass)
        inner = replace(
            query, question=question, spelled="", wire=b"", hops=query.hops + 1
        )
        try:
            return await self.top(inner)
        except DnsError as error:  # the reason was logged where it was raised
            return Response(error.rcode, client_specific=error.client_specific)


def once(directives: tuple[Directive, ...]) -> Directive:
    """Return the only directive.

    Raises:
        ConfigError: the plugin is named twice in the block.

    """
    if len(directives) > 1:
        raise ConfigError("this plugin can only be used once per Server Block")
    return directives[0]
