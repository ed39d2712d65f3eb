"""The main process: reads the Corefile, serves it, handles signals, runs workers.

It starts, reloads and stops in the order of CoreDNS: first the HTTP endpoints, then the
plugins' start hooks, then the DNS sockets. At the end readiness is withdrawn first, and
DNS is served to the last.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from minidns import __version__, plugins
from minidns.corefile import blocks
from minidns.corefile.blocks import ConfigError, Corefile, Directive
from minidns.corefile.releases import NEWEST, Release
from minidns.http.endpoint import HttpReply, split
from minidns.http.listener import ListeningSockets
from minidns.http.server import HttpEndpoints
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.server.instance import Instance
from minidns.server.serving import Serving
from minidns.system.tasks import Tasks
from minidns.upstream.upstream import joined

if TYPE_CHECKING:
    from minidns.server.workers.supervisor import Supervisor

log = logging.getLogger("minidns")


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the command line."""

    file: str = ""
    """Path of the Corefile; empty for ``text``."""
    text: str = ""
    """The text of a Corefile without a file; empty for CoreDNS's default."""
    name: str = "Corefile"
    """The name of ``text`` in error messages."""
    port: int = 53
    """The port of keys without one."""
    quiet: bool = False
    explain: str = ""
    """``host:port`` of the local endpoint for ``minidns why``; empty for none."""
    explain_required: bool = False
    """True if the process must not run without that endpoint."""
    release: Release = NEWEST
    """The release of CoreDNS to behave as."""
    shadow: tuple[str, ...] = ()
    """Arguments of the directive *shadow* that is added to the Corefile, if any."""
    log_format: str = "text"
    """The format of log lines: text or json."""


Started = Callable[["Server"], None]
"""Called once all sockets are open."""


class Server:
    """The server of the main process."""

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
        self.serving = Serving(edges, metrics, self._load)
        self._workers: Supervisor | None = None
        self._http_sockets = ListeningSockets()
        self._local = HttpEndpoints(sockets=self._http_sockets)
        self._started = started
        self._stopping: asyncio.Future[int] | None = None
        self._at_once = False
        """True to end without the lame duck period."""
        self._shutting_down = False
        self._reloading = asyncio.Lock()
        self._tasks = Tasks(edges, metrics)

    # -- the Corefile

    def read(self) -> Corefile:
        """Return the Corefile on disk, with any directives.

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

    def _load(self, serving: Serving) -> Instance:
        parsed = self._parse(plugins.order(self.settings.release))
        if servers := self.settings.shadow:
            added = Directive("shadow", servers, "-shadow", 1)
            parsed = blocks.with_directive(parsed, added, beside="kubernetes")
        for warning in parsed.warnings:
            log.warning("%s", warning)
        return Instance(
            parsed,
            self.edges,
            self.metrics,
            read=self.read,
            reload=self.reload,
            fatal=self.fatal,
            forget=serving.invalidate,
            endpoints=HttpEndpoints(sockets=self._http_sockets),
            release=self.settings.release,
            before=serving.instance,
            waiting_for=self._waiting_for,
        )

    async def reload(self) -> None:
        """Reload the Corefile; a broken one changes nothing.

        Raises:
            ConfigError: it cannot be used; the old one stays.

        """
        async with self._reloading:
            log.info("Reloading")
            try:
                instance = await self.serving.reload()
            except ConfigError as exc:
                log.error("Restart failed: %s", exc)
                raise
            self._follow(instance)
            log.info("Reloading complete")

    # -- start and end

    async def run(self) -> int:
        """Serve until a signal or ``stop``; return the exit status.

        Raises:
            ConfigError: the Corefile cannot be used, or an address cannot be bound.
            OSError: the Corefile cannot be read.

        """
        loop = asyncio.get_running_loop()
        self._stopping = loop.create_future()
        self._watch_signals(loop)
        try:
            await self._until_stopped(self.serving.start())
            if not self._stopping.done():
                await self._open()
            status = await self._stopping
            if not self._at_once and self.serving.instance is not None:
                self._shutting_down = True
                self._stopping = loop.create_future()
                await self._until_stopped(self.serving.instance.shut_down())
            return status
        finally:
            await self._close()

    async def _open(self) -> None:
        await self.serving.open()
        instance = self.serving.instance
        assert instance is not None
        await self._open_explain()
        if not self.settings.quiet:
            self._print_zones(instance)
        await instance.serving()
        self._follow(instance)
        if self._started is not None:
            self._started(self)

    async def _close(self) -> None:
        await self._local.close()
        await self._tasks.stop()
        closing = [self.serving.close()]
        if self._workers is not None:
            closing.append(self._workers.close())
        await asyncio.gather(*closing)
        await self.serving.stop()
        await self.edges.close()

    async def _until_stopped(self, work: Awaitable[object]) -> None:
        """Run ``work``; a signal cancels it."""
        assert self._stopping is not None
        task = asyncio.ensure_future(work)
        await asyncio.wait((task, self._stopping), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        else:
            task.result()

    def _print_zones(self, instance: Instance) -> None:
        for listener in instance.routes:
            scheme = "" if listener.transport == "dns" else f"{listener.transport}://"
            on = f" on {listener.host}" if listener.host else ""
            for zone in instance.zones_of(listener):
                print(f"{scheme}{zone}:{self.serving.sockets[listener].port}{on}")
        print(f"minidns-{__version__}")
        print(f"{sys.platform}, python{sys.version.split()[0]}", flush=True)

    # -- workers

    def _follow(self, instance: Instance) -> None:
        """Run the workers of ``instance``, if any, with its Corefile."""
        if self._workers is None:
            if instance.processes == 1:
                return
            # imported late, because most servers have one process
            from minidns.server.workers.supervisor import Supervisor

            log_format = self.settings.log_format
            self._workers = Supervisor(self.edges, self.metrics, log_format)
        sockets = self.serving.sockets.items()
        ports = {listener: opened.port for listener, opened in sockets}
        self._workers.follow(instance, ports)

    def _waiting_for(self) -> tuple[str, ...]:
        """Return whose DNS sockets are not open yet; see `PluginHost`."""
        if not self.serving.sockets:
            return ("listeners",)
        if self._workers is not None and not self._workers.are_ready():
            return ("multisocket",)
        return ()

    # -- minidns why

    async def _open_explain(self) -> None:
        """Serve ``minidns why`` at the address of the settings."""
        if not (address := self.settings.explain):
            return
        names = ("localhost", "127.0.0.1", "::1", split(address)[0])
        self._local.add(address, "/why", self._why, hosts=names)
        self._local.add(address, "/shadow", self._shadow, hosts=names)
        self._local.add(address, "/journal", self._journal, hosts=names)
        try:
            await self._local.open()
        except OSError as exc:
            if self.settings.explain_required:
                raise ConfigError(f"-explain: {exc}") from exc
            log.warning(
                "minidns why is not available: %s (another address: -explain)", exc
            )

    async def _why(
        self, parameters: Mapping[str, str], headers: Mapping[str, str]
    ) -> HttpReply:
        from minidns.server import explain  # only a few servers are ever asked

        assert self.serving.instance is not None
        first = next(iter(self.serving.sockets.values()))
        return await explain.why(
            self.serving.instance,
            first.answerer,
            parameters,
            joined(*self._local.bound(self.settings.explain)),
            self.edges.wall(),
        )

    async def _journal(
        self, parameters: Mapping[str, str], headers: Mapping[str, str]
    ) -> HttpReply:
        from minidns.server import explain

        assert self.serving.instance is not None
        return await explain.journal(self.serving.instance, parameters)

    def _shadow(
        self, parameters: Mapping[str, str], headers: Mapping[str, str]
    ) -> HttpReply:
        from minidns.server import explain

        assert self.serving.instance is not None
        return explain.shadow(self.serving.instance)

    # -- signals

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
        """Begin to end the process with ``status``."""
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
            os._exit(2)  # a second SIGINT ends the process at once (CoreDNS)
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
        with contextlib.suppress(ConfigError):  # it has been logged
            await self.reload()
