"""The instance that answers and the sockets of its listeners, across reloads.

Every process has one: the main process for all listeners, a worker (*multisocket*) for
those that it shares. A reload starts the new instance while the old one answers, opens
new listeners, switches the open ones to the new instance, and stops the old one.
"""

import asyncio
import ssl
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial

from minidns.corefile.blocks import ConfigError
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.server.instance import Instance, Listener
from minidns.server.listener import ListenerSockets
from minidns.system.tasks import Tasks

GRACE_S = 5.0
"""Seconds for queries in flight when their sockets close (CoreDNS)."""


class Serving:
    """The instance and the sockets of a process."""

    def __init__(
        self, edges: Edges, metrics: Metrics, load: Callable[["Serving"], Instance]
    ) -> None:
        """Prepare; ``load`` returns a new instance that replaces the present one."""
        self.instance: Instance | None = None
        self.sockets: dict[Listener, ListenerSockets] = {}
        self.shared_ports: Mapping[Listener, int] | None = None
        """In a worker, the listeners to open and their ports; None in the main process,
        which opens all of them."""
        self._edges = edges
        self._metrics = metrics
        self._load = partial(load, self)
        self._tasks = Tasks(edges, metrics)
        self._panics = metrics.counter(
            "coredns_panics_total", "Unexpected failures while answering."
        )
        metrics.before_scrape.append(self._count_remembered)

    async def start(self) -> Instance:
        """Load and start an instance; no DNS socket opens yet.

        Raises:
            ConfigError: the Corefile cannot be used.
            OSError: the Corefile cannot be read.

        """
        self.instance = await self._edges.aside(self._load)
        await self.instance.start()
        return self.instance

    async def open(self) -> None:
        """Open the sockets of the instance, and answer from now on.

        Raises:
            ConfigError: an address cannot be bound.

        """
        assert self.instance is not None
        self.sockets = await self._open(self.instance)

    async def reload(self) -> Instance:
        """Replace the instance by a new one; a broken Corefile changes nothing.

        Raises:
            ConfigError: the new Corefile cannot be used; the old instance stays.

        """
        old, new = self.instance, None
        try:
            new = await self._edges.aside(self._load)
            await new.start()
            opened = await self._open(new)
        except (ConfigError, OSError) as exc:
            if new is not None:
                await new.stop()
            if isinstance(exc, ConfigError):
                raise
            raise ConfigError(str(exc)) from exc
        unused = [sockets for key, sockets in self.sockets.items() if key not in opened]
        self.instance, self.sockets = new, opened
        for listener, sockets in opened.items():
            new.answer(listener, sockets.answerer)
            sockets.memory.clear()
        await new.serving()
        # in a task, because the old instance may be waiting for this call
        self._tasks.once("reload", _end(old, unused, opened.values()))
        return new

    async def close(self) -> None:
        """Stop reading, wait for queries in flight, close the sockets."""
        await self._tasks.stop()
        await _close(self.sockets.values())

    async def stop(self) -> None:
        """Stop the instance."""
        if self.instance is not None:
            await self.instance.stop()

    def invalidate(self, keys: Iterable[Hashable]) -> None:
        """Drop remembered replies that depend on one of ``keys``."""
        stale = tuple(keys)
        for sockets in self.sockets.values():
            sockets.memory.invalidate(stale)

    def _count_remembered(self) -> None:
        for sockets in self.sockets.values():
            sockets.memory.report()

    async def _open(self, instance: Instance) -> dict[Listener, ListenerSockets]:
        """Return the sockets of ``instance``: those already open, and new ones."""
        opened: dict[Listener, ListenerSockets] = {}
        try:
            for listener in instance.routes:
                if self.shared_ports is None or listener in self.shared_ports:
                    await self._open_listener(instance, listener, opened)
        except (OSError, ssl.SSLError) as exc:
            await _close(
                sockets for key, sockets in opened.items() if key not in self.sockets
            )
            raise ConfigError(str(exc)) from exc
        return opened

    async def _open_listener(
        self,
        instance: Instance,
        listener: Listener,
        opened: dict[Listener, ListenerSockets],
    ) -> None:
        ports = self.shared_ports
        sockets = self.sockets.get(listener)
        if sockets is not None:
            opened[listener] = sockets
        else:
            now, panicked = self._edges.now, self._panics.inc
            sockets = ListenerSockets(listener, self._metrics, now, panicked)
            opened[listener] = sockets
            instance.answer(listener, sockets.answerer)
            certificate = instance.site_of(listener).listen.certificate
            await sockets.open(certificate, ports[listener] if ports else None)
        if ports is None and instance.processes_at(listener) > 1:
            sockets.share()


async def _end(
    instance: Instance | None,
    unused: Iterable[ListenerSockets],
    kept: Iterable[ListenerSockets],
) -> None:
    """Stop an instance when the queries that came to it have been answered.

    It is stopped at once when this process ends meanwhile.
    """
    try:
        await _close(unused)
        await asyncio.gather(*(sockets.settle(GRACE_S) for sockets in kept))
    finally:
        if instance is not None:
            await instance.stop()


async def _close(all_sockets: Iterable[ListenerSockets]) -> None:
    await asyncio.gather(*(sockets.close(GRACE_S) for sockets in all_sockets))
