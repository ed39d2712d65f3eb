"""The composition root: a Corefile becomes an Instance, an Instance gets sockets.

It starts, reloads and stops them in CoreDNS's order: HTTP endpoints first, then what
plugins must have before they can answer, then the DNS sockets; at the end the reverse,
with readiness withdrawn first and DNS answering to the last.
"""

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from minidns import __version__, plugins
from minidns.corefile import blocks
from minidns.corefile.blocks import ConfigError, Corefile
from minidns.corefile.releases import NEWEST, Release
from minidns.http.endpoint import HttpReply, split
from minidns.http.listener import ListeningSockets
from minidns.http.server import HttpEndpoints
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.server import explain
from minidns.server.instance import Instance, Listener
from minidns.server.listener import ListenerSockets
from minidns.system.tasks import Tasks
from minidns.upstream.upstream import joined

if TYPE_CHECKING:
    from minidns.server.workers.supervisor import Plan, Workers

log = logging.getLogger("minidns")

GRACE_S = 5.0
"""Seconds that queries under way get when their sockets close (CoreDNS)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says."""

    file: str = ""
    """Path of the Corefile; empty for ``text``."""
    text: str = ""
    """A Corefile that is no file; empty for CoreDNS's default."""
    name: str = "Corefile"
    """What errors call ``text``."""
    port: int = 53
    """For keys of the Corefile that name none."""
    quiet: bool = False
    explain: str = ""
    """``host:port`` of the local endpoint that ``minidns why`` asks; empty for none."""
    explain_required: bool = False
    """Whether the server must not run without it."""
    release: Release = NEWEST
    """The release of CoreDNS to behave as."""
    log_format: str = "text"
    """Of the lines of workers: text or json."""


Started = Callable[["Server"], None]
"""Told once everything is open."""


class Server:
    """The process's one server."""

    def __init__(
        self,
        settings: Settings,
        edges: Edges,
        metrics: Metrics,
        started: Started | None = None,
    ) -> None:
        self.settings = settings
        self.edges = edges
        self.metrics = metrics
        self.loaded: Instance | None = None
        self.listening: dict[Listener, ListenerSockets] = {}
        self._workers: Workers | None = None
        self._http_sockets = ListeningSockets()
        self._local = HttpEndpoints(sockets=self._http_sockets)
        self._started = started
        self._stopping: asyncio.Future[int] | None = None
        self._at_once = False
        self._shutting_down = False
        self._reloading = asyncio.Lock()
        self._panics = self.metrics.counter(
            "coredns_panics_total", "Unexpected failures while answering."
        )
        self._tasks = Tasks(edges, metrics)
        self.metrics.before_scrape.append(self._tell)

    def read(self) -> Corefile:
        """Return what the Corefile says now, whatever its directives are.

        Raises:
            ConfigError: it cannot be parsed.
            OSError: it cannot be read.

        """
        return self._parse(None)

    def _parse(self, known: tuple[str, ...] | None) -> Corefile:
        name = self.settings.file
        text = self.edges.files.read(name) if name else self.settings.text
        return blocks.parse(
            text,
            file=name or self.settings.name,
            files=self.edges.files,
            environ=self.edges.environ,
            known=known,
            port=self.settings.port,
            directory=os.getcwd(),
        )

    def _load(self) -> Instance:
        parsed = self._parse(plugins.order(self.settings.release))
        for warning in parsed.warnings:
            log.warning("%s", warning)
        return Instance(
            parsed,
            self.edges,
            self.metrics,
            read=self.read,
            reload=self.reload,
            fatal=self.fatal,
            forget=self._forget,
            endpoints=HttpEndpoints(sockets=self._http_sockets),
            release=self.settings.release,
            before=self.loaded,
        )

    async def run(self) -> int:
        """Serve until told to stop; return the exit status.

        Raises:
            ConfigError: the Corefile cannot be used, or an address cannot be had.
            OSError: the Corefile cannot be read.

        """
        loop = asyncio.get_running_loop()
        self._stopping = loop.create_future()
        self._watch_signals(loop)
        try:
            await self._until_stopped(self._begin())
            loaded = self.loaded
            if not self._stopping.done() and loaded is not None:
                self.listening = await self._open(loaded)
                await self._open_explain()
                self._say_what_is_served(loaded)
                await loaded.serving()
                self._share(loaded)
                del loaded  # nothing keeps it in memory after a reload
                if self._started is not None:
                    self._started(self)
            status = await self._stopping
            if not self._at_once and self.loaded is not None:
                self._shutting_down = True
                self._stopping = loop.create_future()
                await self._until_stopped(self.loaded.shut_down())
            return status
        finally:
            await self._local.close()
            await self._tasks.stop()
            await asyncio.gather(
                self._close(self.listening.values()), self._close_workers()
            )
            if self.loaded is not None:
                await self.loaded.stop()
            await self.edges.close()

    async def _begin(self) -> None:
        self.loaded = loaded = await self.edges.aside(self._load)
        await loaded.start()

    async def _until_stopped(self, work: Awaitable[None]) -> None:
        """Do ``work``, but let a signal end it early."""
        assert self._stopping is not None
        task = asyncio.ensure_future(work)
        await asyncio.wait((task, self._stopping), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        else:
            task.result()

    # -- sockets

    async def _open(self, loaded: Instance) -> dict[Listener, ListenerSockets]:
        opened: dict[Listener, ListenerSockets] = {}
        try:
            for listener in loaded.routes:
                opened[listener] = old = self.listening.get(
                    listener
                ) or ListenerSockets(
                    listener, self.metrics, self.edges.now, self._panics.inc
                )
                sockets = loaded.sockets(listener)
                if listener in self.listening:
                    await old.widen(sockets)
                else:
                    loaded.answer(listener, old.answerer)
                    certificate = loaded.site_of(listener).certificate
                    await old.open(certificate, sockets)
        except (OSError, ssl.SSLError) as exc:
            await self._close(
                each for key, each in opened.items() if key not in self.listening
            )
            raise ConfigError(str(exc)) from exc
        return opened

    async def _close(self, listening: Iterable[ListenerSockets]) -> None:
        await asyncio.gather(*(each.close(GRACE_S) for each in listening))

    def _share(self, loaded: Instance) -> "Plan | None":
        """Have workers do their share of the work, where there are to be any."""
        if self._workers is None:
            if loaded.processes == 1:
                return None
            from minidns.server.workers.supervisor import (
                Workers,  # one process does without
            )

            log_format = self.settings.log_format
            self._workers = Workers(self.edges, self.metrics, log_format)
        return self._workers.follow(loaded, self.listening)

    async def _close_workers(self) -> None:
        if self._workers is not None:
            await self._workers.close()

    async def _open_explain(self) -> None:
        """Serve ``minidns why`` where the settings say."""
        if not (address := self.settings.explain):
            return
        names = ("localhost", "127.0.0.1", "::1", split(address)[0])
        self._local.add(address, "/why", self._why, hosts=names)
        try:
            await self._local.open()
        except OSError as exc:
            if self.settings.explain_required:
                raise ConfigError(f"-explain: {exc}") from exc
            log.warning("minidns why cannot be asked: %s (-explain moves it)", exc)

    async def _why(
        self, parameters: Mapping[str, str], headers: Mapping[str, str]
    ) -> HttpReply:
        assert self.loaded is not None
        first = next(iter(self.listening.values()))
        at = joined(*self._local.bound(self.settings.explain))
        return await explain.why(self.loaded, first.answerer, parameters, at)

    def _forget(self, keys: Iterable[Hashable]) -> None:
        stale = tuple(keys)
        for each in self.listening.values():
            each.memory.forget(stale)

    def _tell(self) -> None:
        for each in self.listening.values():
            each.memory.tell()

    def _say_what_is_served(self, loaded: Instance) -> None:
        if self.settings.quiet:
            return
        for listener in loaded.routes:
            scheme = "" if listener.transport == "dns" else f"{listener.transport}://"
            on = f" on {listener.host}" if listener.host else ""
            for zone in loaded.zones_of(listener):
                print(f"{scheme}{zone}:{self.listening[listener].port}{on}")
        print(f"minidns-{__version__}")
        print(f"{sys.platform}, python{sys.version.split()[0]}", flush=True)

    # -- reload

    async def reload(self) -> None:
        """Take over to the Corefile as it is now; a broken one changes nothing.

        Raises:
            ConfigError: it cannot be used; the old one goes on.

        """
        async with self._reloading:
            log.info("Reloading")
            old = self.loaded
            new: Instance | None = None
            try:
                new = await self.edges.aside(self._load)
                await new.start()
                listening = await self._open(new)
            except (ConfigError, OSError) as exc:
                log.error("Restart failed: %s", exc)
                if new is not None:
                    await new.stop()
                raise (
                    exc if isinstance(exc, ConfigError) else ConfigError(str(exc))
                ) from exc
            gone = [
                each for key, each in self.listening.items() if key not in listening
            ]
            self.loaded, self.listening = new, listening
            for listener in new.routes:
                new.answer(listener, listening[listener].answerer)
                listening[listener].memory.clear()
            await new.serving()
            plan = self._share(new)
            # what ends here may be waiting for us: it is not waited for in turn
            self._tasks.once("reload", self._retire(old, gone, plan))
            log.info("Reloading complete")

    async def _retire(
        self, old: Instance | None, gone: list[ListenerSockets], plan: "Plan | None"
    ) -> None:
        await self._close(gone)
        if plan is not None:
            await plan.settled.wait()  # workers of the old one learn from it
        if old is not None:
            await old.stop()

    # -- the end

    def _watch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number, act in (
            (signal.SIGTERM, self._on_term),
            (signal.SIGINT, self._on_interrupt),
            (signal.SIGQUIT, self._on_quit),
            (signal.SIGUSR1, self._on_usr1),
        ):
            loop.add_signal_handler(number, act)
        for number in (signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)

    def stop(self, status: int = 0) -> None:
        """Begin to end the process."""
        if self._stopping is not None and not self._stopping.done():
            self._stopping.set_result(status)

    def fatal(self, text: str) -> None:
        """End the process with ``[FATAL] text`` and status 1."""
        log.critical("%s", text, extra={"bare": True})
        self._at_once = True
        self.stop(1)

    def _on_term(self) -> None:
        log.info("SIGTERM: Shutting down servers then terminating")
        self.stop()

    def _on_interrupt(self) -> None:
        if self._shutting_down:
            os._exit(2)  # the second one means it (CoreDNS)
        log.info("SIGINT: Shutting down")
        self.stop()

    def _on_quit(self) -> None:
        log.info("SIGQUIT: Quitting process immediately")
        self._at_once = True
        self.stop()

    def _on_usr1(self) -> None:
        log.info("SIGUSR1: Reloading")
        self._tasks.once("reload", self._reload_once())

    async def _reload_once(self) -> None:
        with contextlib.suppress(ConfigError):  # which has been logged
            await self.reload()
