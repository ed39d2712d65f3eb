"""One worker process, as the main process sees it."""

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from typing import Self

from msgspec import DecodeError

from minidns.kubernetes.relay import Desk
from minidns.metrics.registry import Metrics
from minidns.server.workers import metrics_delta
from minidns.server.workers.protocol import (
    Counted,
    Failed,
    FromWorker,
    Link,
    Reply,
    Request,
    Serving,
    Stop,
    Work,
    to_worker,
)

GRACE_S = 5.0
"""Seconds that queries under way get when their sockets close (CoreDNS)."""
SILENCE_S = 2.0
"""A worker that answers sends a heartbeat twice a second; after so many seconds without
one it is killed, and the main process answers what waits in its sockets."""
START_S = 30.0
"""The same before it answers: it has a whole cluster to read."""
LATE_S = 0.5
"""If the main process itself wakes so much too late, silence proves nothing."""
LINGER_S = 1.0
"""From its last word to its end."""
_FLAGS = [
    flag
    for flag, is_set in (
        ("-I", sys.flags.isolated),
        ("-B", sys.flags.dont_write_bytecode),
    )
    if is_set
]
"""With which Python was started, and a worker's is to be."""


class WorkProcess:
    """From its start to its end; it is heard all the time."""

    def __init__(
        self,
        process: Process,
        link: Link[FromWorker],
        work: Work,
        desk: Desk,
        metrics: Metrics,
        silence_s: float,
    ) -> None:
        self.pid = process.pid
        self.serving = asyncio.Event()
        """Set once it answers."""
        self.ended = asyncio.Event()
        self.why = ""
        """Why it ended, for people."""
        self._process = process
        self._link = link
        self._desk = desk
        self._metrics = metrics
        self._silence_s = silence_s
        self._answers: set[asyncio.Task[None]] = set()
        self._life = asyncio.create_task(self._live(work))
        metrics.workers.add(self.pid)

    @classmethod
    async def start(
        cls, work: Work, desk: Desk, metrics: Metrics, silence_s: float = SILENCE_S
    ) -> Self:
        """Start a process on ``work``; it is killed when it answers, and hangs so long.

        Raises:
            OSError: the machine does not give one.

        """
        ours, theirs = socket.socketpair()
        sockets = [fd for share in work.shares for fd in share.descriptors]
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *_FLAGS,
                    "-m",
                    "minidns.server.workers.child",
                    str(theirs.fileno()),
                    stdin=DEVNULL,
                    pass_fds=(theirs.fileno(), *sockets),
                    start_new_session=True,  # Ctrl-C is for the main process
                )
            link = await to_worker(ours)
        except BaseException:
            ours.close()  # which ends a process that came into being all the same
            raise
        return cls(process, link, work, desk, metrics, silence_s)

    async def stop(self) -> None:
        """Let it finish what is under way; return when it has ended."""
        saying = asyncio.create_task(self._say(Stop()))
        await asyncio.wait((self._life,), timeout=GRACE_S + 1)
        saying.cancel()
        if not self._life.done():
            self._kill()
            await asyncio.wait((self._life,))

    async def _say(self, message: Work | Reply | Stop) -> None:
        with contextlib.suppress(OSError):  # that it has ended is heard elsewhere
            await self._link.send(message)

    async def _live(self, work: Work) -> None:
        """Give it its work, and hear it to its end."""
        try:
            async with asyncio.timeout(START_S):
                await self._say(work)
            while True:
                self._hear(await self._next_message())
        except TimeoutError:
            self._kill()
        except (EOFError, OSError, DecodeError):
            pass  # it has ended, or is about to
        await self._bury()

    async def _next_message(self) -> FromWorker:
        """Return what the worker sends next.

        Raises:
            TimeoutError: it is silent for too long: stopped, or hung.
            EOFError, OSError, DecodeError: it has ended, or is about to.

        """
        clock = asyncio.get_running_loop().time
        receiving = asyncio.create_task(self._link.receive())
        try:
            while True:
                limit_s = self._silence_s if self.serving.is_set() else START_S
                due = clock() + limit_s
                await asyncio.wait((receiving,), timeout=limit_s)
                if receiving.done():
                    return receiving.result()
                if clock() < due + LATE_S:
                    self.why = f"it said nothing for {limit_s:g} s"
                    raise TimeoutError
        finally:
            receiving.cancel()

    def _hear(self, message: FromWorker) -> None:
        match message:
            case Serving():
                self.serving.set()
            case Counted(news):
                metrics_delta.add(self._metrics, self.pid, news)
            case Request():
                answer = asyncio.create_task(self._answer(message))
                self._answers.add(answer)
                answer.add_done_callback(self._answers.discard)
            case Failed(text):
                self.why = text

    async def _answer(self, request: Request) -> None:
        body = await self._desk.answer(request.body)
        await self._say(Reply(request.number, body))

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _bury(self) -> None:
        """See it end, and forget what ended with it."""
        for answer in self._answers:
            answer.cancel()
        try:
            async with asyncio.timeout(LINGER_S):
                status = await self._process.wait()
        except TimeoutError:
            self._kill()
            status = await self._process.wait()
        self._link.close()
        self.why = self.why or _told(status)
        metrics_delta.forget(self._metrics, self.pid)
        self._metrics.workers.discard(self.pid)
        self.ended.set()


def _told(status: int) -> str:
    """Return what an exit status says."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
