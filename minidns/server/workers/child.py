"""The program of a worker: ``python -m minidns.server.workers.child FD``.

``FD`` is its end of the stream to the main process.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from minidns.corefile.blocks import ConfigError
from minidns.metrics.registry import Metrics
from minidns.plugins.site import HttpHandler
from minidns.server import edges, logs
from minidns.server.instance import Instance
from minidns.server.serving import Serving
from minidns.server.workers.metrics_delta import DeltaTracker
from minidns.server.workers.protocol import Channel, Load, Report

log = logging.getLogger("minidns")

REPORT_EVERY_S = 0.5
CHECK_EVERY_S = 0.05
"""Seconds between two checks whether the plugins are ready."""


class NoEndpoints:
    """HTTP endpoints that are never opened: the main process serves them."""

    def add(
        self, address: str, path: str, handler: HttpHandler
    ) -> Callable[[], Awaitable[None]]:
        """Do nothing."""
        return self.close

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class WorkerServer:
    """The server of a worker."""

    def __init__(self, channel: Channel[Load], load: Load) -> None:
        self._channel = channel
        self._load = load
        self._next: asyncio.Queue[Load] = asyncio.Queue()
        self._metrics = Metrics()
        self._tracker = DeltaTracker(self._metrics)
        self._edges = edges.real(self._metrics)
        self._serving = Serving(self._edges, self._metrics, self._instance)
        self._is_serving = False

    async def run(self) -> None:
        """Answer until the main process closes its end of the stream, or dies.

        Raises:
            ConfigError: the Corefile cannot be served.
            OSError: the main process has died.

        """
        tasks = [
            asyncio.ensure_future(work())
            for work in (self._receive, self._serve, self._report)
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._serving.close()
            self._send_report()
            await self._serving.stop()
            await self._edges.close()

    async def _receive(self) -> None:
        """Take Corefiles from the main process until it sends no more."""
        while True:
            try:
                self._next.put_nowait(await self._channel.receive())
            except EOFError:
                return

    async def _serve(self) -> NoReturn:
        self._serving.shared_ports = {}
        await (await self._serving.start()).serving()
        # until the plugins have read the cluster, the other processes answer
        while not self._is_ready():
            if self._next.empty():
                await asyncio.sleep(CHECK_EVERY_S)  # readiness checks have no event
            else:
                self._load = self._next.get_nowait()
                await self._serving.reload()
        self._serving.shared_ports = dict(self._load.listeners)
        await self._serving.open()
        self._is_serving = True
        self._send_report()
        while True:
            self._load = await self._next.get()
            self._serving.shared_ports = dict(self._load.listeners)
            await self._serving.reload()

    async def _report(self) -> NoReturn:
        while True:
            self._send_report()
            await self._channel.drain()
            await asyncio.sleep(REPORT_EVERY_S)

    def _send_report(self) -> None:
        deltas = self._tracker.changes()
        self._channel.send(Report(self._is_serving, self._is_ready(), deltas))

    def _is_ready(self) -> bool:
        instance = self._serving.instance
        return instance is not None and instance.is_ready()

    def _instance(self, serving: Serving) -> Instance:
        corefile = self._load.corefile
        return Instance(
            corefile,
            self._edges,
            self._metrics,
            read=lambda: corefile,
            reload=self._reload,
            fatal=self._fatal,
            forget=serving.invalidate,
            endpoints=NoEndpoints(),
            release=self._load.release,
            before=serving.instance,
        )

    async def _reload(self) -> None:
        """Do nothing: the main process watches the Corefile."""

    def _fatal(self, text: str) -> NoReturn:
        log.critical("%s", text, extra={"bare": True})
        os._exit(1)


async def _run(sock: socket.socket) -> int:
    channel = await Channel.connect(sock, Load)
    try:
        load = await channel.receive()
        logs.start(load.log_format)
        await WorkerServer(channel, load).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 1  # the main process has died
    except (ConfigError, OSError) as exc:
        log.error("Worker (pid %d) cannot serve the Corefile: %s", os.getpid(), exc)
        return 1
    finally:
        channel.close()
    return 0


def main() -> int:
    """Run the worker; the argument is the descriptor of its end of the stream."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the main process says when to end
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    return asyncio.run(_run(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    sys.exit(main())
