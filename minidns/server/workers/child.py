"""A worker: a process that answers a share of the queries (*multisocket*).

The supervisor in the main process starts it as
``python -m minidns.server.workers.child FD``, with one end of a stream between them; it
ends with that stream. It serves one loaded Corefile. The main process sends it what it
knows of the cluster, and handles HTTP endpoints, reloads and signals.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Hashable, Iterable
from itertools import count
from typing import NoReturn

from minidns.corefile.blocks import ConfigError, Corefile
from minidns.kubernetes.relayed import RelayedListWatch
from minidns.kubernetes.resources import Access, ListWatch, Resource
from minidns.metrics.registry import Metrics
from minidns.plugins.site import HttpHandler
from minidns.server import edges, logs
from minidns.server.instance import Instance
from minidns.server.listener import ListenerSockets
from minidns.server.workers.metrics_delta import Telling
from minidns.server.workers.protocol import (
    Counted,
    Failed,
    Link,
    Reply,
    Request,
    Serving,
    Share,
    Stop,
    ToWorker,
    Work,
    to_main,
)

log = logging.getLogger("minidns")

GRACE_S = 5.0
"""Seconds that queries under way get at the end (CoreDNS)."""
TELL_EVERY_S = 0.5
"""What is lost of the counts when a worker is killed."""
PATIENCE_S = 30.0
"""How long to wait for the cluster; the main process answers in our place."""
LOOK_EVERY_S = 0.05


class NoEndpoints:
    """Serves nothing over HTTP: that is the main process's affair."""

    def add(
        self, address: str, path: str, handler: HttpHandler
    ) -> Callable[[], Awaitable[None]]:
        """Serve nothing."""
        return self.close

    async def open(self) -> None:
        """Open nothing."""

    async def close(self) -> None:
        """End nothing."""


class Worker:
    """What the process does, from its work to its end."""

    def __init__(self, link: Link[ToWorker], work: Work) -> None:
        self._link = link
        self._work = work
        self._metrics = Metrics()
        self._telling = Telling(self._metrics)
        self._edges = edges.of_worker(self._metrics, self._list_watch)
        self._panics = self._metrics.counter("coredns_panics_total", "")
        self._metrics.before_scrape.append(self._tell_tallies)
        self._listening: list[ListenerSockets] = []
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = count()

    async def run(self) -> None:
        """Answer until told to stop.

        Raises:
            ConfigError: that is not possible.
            OSError: nor is it, or there is no main process any more.
            EOFError: as above.

        """
        loaded = Instance(
            self._work.corefile,
            self._edges,
            self._metrics,
            read=self._corefile,
            reload=self._reload,
            fatal=self._fatal,
            forget=self._forget,
            endpoints=NoEndpoints(),
            release=self._work.release,
        )
        hearing = asyncio.ensure_future(self._hear())
        serving = asyncio.ensure_future(self._serve(loaded))
        telling = asyncio.ensure_future(self._tell())
        tasks = (hearing, serving, telling)
        try:
            await asyncio.wait((hearing, serving), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            await hearing
            await asyncio.gather(*(each.close(GRACE_S) for each in self._listening))
            await self._link.send(Counted(self._telling.news()))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await loaded.stop()
            await self._edges.close()

    async def _hear(self) -> None:
        """Take in what the main process says, until it says stop."""
        while not isinstance(message := await self._link.receive(), Stop):
            if isinstance(message, Reply) and message.number in self._asked:
                asked = self._asked.pop(message.number)
                if not asked.done():
                    asked.set_result(message.body)

    async def _tell(self) -> NoReturn:
        """Tell what is counted; also that there is life."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            await self._link.send(Counted(self._telling.news()))

    async def _serve(self, loaded: Instance) -> None:
        # the main process has said the same already
        logging.disable(logging.ERROR)
        await loaded.start()
        await self._until_ready(loaded)
        for share in self._work.shares:
            await self._open(share, loaded)
        logging.disable(logging.NOTSET)
        await self._link.send(Serving())

    async def _until_ready(self, loaded: Instance) -> None:
        end = self._edges.now() + PATIENCE_S
        checks = [check for site in loaded.sites for check in site.checks.values()]
        while not all(check() for check in checks) and self._edges.now() < end:  # noqa: ASYNC110  # checks have no event
            await asyncio.sleep(LOOK_EVERY_S)

    async def _open(self, share: Share, loaded: Instance) -> None:
        if share.listener not in loaded.routes:
            raise ConfigError(f"{share.listener}: this machine's addresses changed")
        listening = ListenerSockets(
            share.listener, self._metrics, self._edges.now, self._panics.inc
        )
        loaded.answer(share.listener, listening.answerer)
        self._listening.append(listening)
        certificate = loaded.site_of(share.listener).certificate
        await listening.adopt(certificate, share.descriptors)

    def _list_watch(self, access: Access, resource: Resource) -> ListWatch:
        return RelayedListWatch(self._ask, access, resource)

    async def _ask(self, question: bytes) -> bytes:
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            await self._link.send(Request(number, question))
            return await answer
        finally:
            self._asked.pop(number, None)

    def _forget(self, keys: Iterable[Hashable]) -> None:
        stale = tuple(keys)
        for each in self._listening:
            each.memory.forget(stale)

    def _tell_tallies(self) -> None:
        for each in self._listening:
            each.memory.tell()

    def _corefile(self) -> Corefile:
        return self._work.corefile

    async def _reload(self) -> None:
        """Do nothing: the main process starts another worker in our place."""

    def _fatal(self, text: str) -> NoReturn:
        log.critical("%s", text, extra={"bare": True})
        os._exit(1)


async def _run(sock: socket.socket) -> int:
    link = await to_main(sock)
    try:
        work = await link.receive()
        assert isinstance(work, Work)
        logs.start(work.log_format)
        await Worker(link, work).run()
    except EOFError:
        return 1  # without a main process there is nothing to do, and nobody to tell
    except Exception as exc:
        logging.disable(logging.NOTSET)
        known = isinstance(exc, ConfigError | OSError)
        text = str(exc) if known else f"{type(exc).__name__}: {exc}"
        with contextlib.suppress(OSError):
            await link.send(Failed(text))
        return 1
    finally:
        link.close()
    return 0


def main() -> int:
    """Run the process; its argument is the descriptor of its end of the stream."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the main process says when to end
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    return asyncio.run(_run(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    sys.exit(main())
