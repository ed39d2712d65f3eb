"""The program of a worker: ``python -m minidns.server.workers.child FD``.

``FD`` is its end of the stream to the main process.
"""

import asyncio
import contextlib
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
from minidns.server.workers.protocol import (
    Channel,
    Collect,
    Failed,
    Load,
    Report,
    Stop,
    ToWorker,
    to_main,
)

log = logging.getLogger("minidns")

REPORT_EVERY_S = 0.5
CHECK_EVERY_S = 0.05
"""Seconds between two looks whether the plugins are ready."""


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

    def __init__(self, channel: Channel[ToWorker], load: Load) -> None:
        self._channel = channel
        self._load = load
        self._next: asyncio.Queue[Load] = asyncio.Queue()
        self._metrics = Metrics()
        self._tracker = DeltaTracker(self._metrics)
        self._edges = edges.real(self._metrics)
        self._serving = Serving(self._edges, self._metrics, self._instance)
        self._is_serving = False
        self._collect = 0
        self._report_now = asyncio.Event()

    async def run(self) -> None:
        """Answer until told to stop.

        Raises:
            ConfigError: the Corefile cannot be served.
            OSError: the main process has ended; so does EOFError.

        """
        receiving = asyncio.ensure_future(self._receive())
        tasks = (
            receiving,
            asyncio.ensure_future(self._serve()),
            asyncio.ensure_future(self._report()),
        )
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
        """Take messages of the main process, until it says stop."""
        while not isinstance(message := await self._channel.receive(), Stop):
            if isinstance(message, Load):
                self._next.put_nowait(message)
            elif isinstance(message, Collect):
                self._collect = message.number
                self._report_now.set()

    async def _serve(self) -> NoReturn:
        self._serving.shared_ports = {}
        await (await self._serving.start()).serving()
        # until it knows the cluster, the other processes answer in its place
        while not self._is_ready():
            if self._next.empty():
                await asyncio.sleep(CHECK_EVERY_S)  # checks have no event
            else:
                self._load = self._next.get_nowait()
                await self._serving.reload()
        self._serving.shared_ports = dict(self._load.listeners)
        await self._serving.open()
        self._is_serving = True
        self._report_now.set()
        while True:
            self._load = await self._next.get()
            self._serving.shared_ports = dict(self._load.listeners)
            await self._serving.reload()

    async def _report(self) -> NoReturn:
        while True:
            self._send_report()
            await self._channel.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_EVERY_S):
                    await self._report_now.wait()
            self._report_now.clear()

    def _send_report(self) -> None:
        deltas = self._tracker.changes()
        report = Report(self._collect, self._is_serving, self._is_ready(), deltas)
        self._channel.send(report)

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
    channel = await to_main(sock)
    try:
        load = await channel.receive()
        assert isinstance(load, Load)
        logs.start(load.log_format)
        await WorkerServer(channel, load).run()
    except EOFError:
        return 1  # the main process has ended: nobody is left to tell
    except Exception as exc:
        known = isinstance(exc, ConfigError | OSError)
        channel.send(Failed(str(exc) if known else f"{type(exc).__name__}: {exc}"))
        with contextlib.suppress(OSError):
            await channel.drain()
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
