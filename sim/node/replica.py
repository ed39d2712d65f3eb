"""A DNS server pod in this process: minidns, or a CoreDNS with its own faults.

Both are the real plugin chain of minidns with simulated edges. A CoreDNS runs it as the
flag ``-as`` does, with the order of plugins and the cache rules of its release; what
else its software does wrong are faults of the server (`server_faults`).
"""

import asyncio
import fnmatch
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from random import Random

from minidns import plugins
from minidns.corefile import blocks as corefile
from minidns.corefile.blocks import Corefile
from minidns.corefile.releases import NEWEST, Release
from minidns.dns.model import Address
from minidns.metrics.registry import Metrics
from minidns.plugins import chain
from minidns.plugins.site import Edges
from minidns.plugins.spec import Traits
from minidns.server.answer import Answerer
from minidns.server.instance import Instance, Listener
from minidns.server.remembered import Memory
from minidns.server.serving import GRACE_S
from minidns.walk.visits import observed

from .api_link import ApiLink
from .in_memory import Packets

LISTENER = Listener("dns", "", 53)
EPOCH = 1_700_000_000
"""Unix seconds at virtual second 0."""
_ENVIRON = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one pod."""

    texts: dict[str, str]

    def read(self, path: str) -> str:
        """Return the text of a file, or raise FileNotFoundError."""
        if path not in self.texts:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.texts[path]

    def glob(self, pattern: str) -> list[str]:
        """Return the matching paths, sorted."""
        return sorted(fnmatch.filter(self.texts, pattern))


@dataclass(slots=True)
class Replica:
    """One DNS server pod."""

    address: str
    files: Files
    """The pod's files, with its Corefile as ``Corefile``."""
    api: ApiLink
    packets: Packets
    rng: Random
    release: Release = NEWEST
    """The release of CoreDNS to behave as."""
    ended: str = ""
    """Reason of the end of the server; empty while it runs."""
    has_wrong_corefile: bool = False
    """Whether it has ended because its Corefile cannot be used."""
    memory: Memory = field(default_factory=Memory)
    """The remembered replies."""
    instance: Instance | None = None
    """The loaded Corefile, from the start of the server to its stop."""
    _reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Load the Corefile, start its plugins and answer queries.

        Raises:
            ConfigError: the Corefile is invalid.

        """
        self.instance = loaded = self._load()
        await _start_plugins(loaded)
        answerer = Answerer(str(LISTENER), loaded.routes.get(LISTENER, chain.refuse))
        self.packets.memories[self._at] = self.memory
        self.packets.hosts[self._at] = answerer
        self.packets.servers.closed.discard(self._at)
        await loaded.serving()

    async def reload(self) -> None:
        """Let a new instance of the Corefile answer, as a signal to the process does.

        The steps are those of `minidns.server.serving`: the new instance starts, and
        takes over the view of the cluster; then it answers, and the old one stops when
        the queries that came to it have had their time.
        """
        async with self._reloading:
            unused = await self._replace()
        if unused is not None:
            try:
                await asyncio.sleep(GRACE_S)
            finally:
                await unused.stop()

    async def _replace(self) -> Instance | None:
        """Let a new instance answer; return the old one.

        Return None if the server does not answer yet, or ends meanwhile.
        """
        answerer, old = self.packets.hosts.get(self._at), self.instance
        if answerer is None or old is None:
            return None
        new = unused = self._load(before=old)
        try:
            await _start_plugins(new)
            if self.packets.hosts.get(self._at) is not answerer:
                return None
            answerer.top = new.routes.get(LISTENER, chain.refuse)
            self.memory.clear()
            self.instance, unused = new, old
            await new.serving()
            return old
        finally:
            if unused is new:
                await new.stop()

    @property
    def _at(self) -> Address:
        return self.address, LISTENER.port

    @property
    def is_ready(self) -> bool:
        """Whether all readiness checks of plugins pass (*ready*)."""
        names = self.packets.links.names_of(self.address)
        if self.instance is None or self.ended or self.packets.faults.is_unready(names):
            return False
        checks = (
            check for site in self.instance.sites for check in site.readiness.values()
        )
        return all(check.is_ready() for check in checks)

    @property
    def state(self) -> str:
        """The state in words: ready, not ready, or ended with its reason."""
        if self.ended:
            return f"ended: {self.ended}"
        return "ready" if self.is_ready else "not ready"

    async def stop(self) -> None:
        """Stop the server."""
        self._leave()
        instance, self.instance = self.instance, None
        if instance is not None:
            await instance.stop()

    def _load(self, before: Instance | None = None) -> Instance:
        parsed = _parsed(tuple(self.files.texts.items()), self.release)
        return Instance(
            parsed,
            self._edges(),
            Metrics(),
            read=lambda: parsed,
            reload=_do_nothing,
            fatal=self.end,
            forget=self.memory.invalidate,
            release=self.release,
            before=before,
        )

    def end(self, cause: str) -> None:
        """End the server at once, without its lame duck time."""
        self.ended = cause
        self._leave()

    def _leave(self) -> None:
        """Answer no more queries."""
        self.packets.hosts.pop(self._at, None)
        self.packets.memories.pop(self._at, None)

    def _edges(self) -> Edges:
        now = asyncio.get_running_loop().time
        return Edges(
            list_watch=self.api.list_watch,
            exchange=partial(self.packets.exchange, self.address),
            now=now,
            wall=lambda: EPOCH + now(),
            sleep=asyncio.sleep,
            random=self.rng,
            entropy=self.rng.randbytes,
            files=self.files,
            environ=_ENVIRON,
            local_addresses=lambda: (self.address,),
            observe=observed,
        )


async def _do_nothing() -> None: ...


async def _start_plugins(instance: Instance) -> None:
    for site in instance.sites:
        for hook in site.hooks.start:
            await hook()


@lru_cache(maxsize=64)  # scenarios start many servers with the same files
def _parsed(files: tuple[tuple[str, str], ...], release: Release) -> Corefile:
    """Return the Corefile in ``files``, without what only a process can have.

    Raises:
        ConfigError: the Corefile is invalid.

    """
    texts = Files(dict(files))
    parsed = corefile.parse(
        texts.read("Corefile"),
        files=texts,
        environ=_ENVIRON,
        known=plugins.order(release),
    )
    return without_excluded(parsed)


def without_excluded(parsed: Corefile) -> Corefile:
    """Return a Corefile without plugins that need ports or the process of a server."""
    blocks = tuple(
        replace(
            block,
            directives=tuple(d for d in block.directives if not _is_excluded(d.name)),
        )
        for block in parsed.blocks
    )
    return replace(parsed, blocks=blocks)


def _is_excluded(name: str) -> bool:
    """Return whether a plugin opens a port, or configures the process (*reload*)."""
    if plugins.has_trait(name, Traits.HANDLES_QUERIES | Traits.ANSWERS):
        return plugins.has_trait(name, Traits.OPENS_PORT)
    return plugins.has_trait(name, Traits.OPENS_PORT | Traits.MAIN_PROCESS_ONLY)
