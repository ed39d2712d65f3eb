"""One worker process as the main process sees it, from its start to its end."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from typing import Self

from msgspec import DecodeError

from minidns.metrics.registry import Metrics
from minidns.server.serving import GRACE_S
from minidns.server.workers import metrics_delta
from minidns.server.workers.protocol import Channel, Load, Report

log = logging.getLogger(__name__)

SILENCE_S = 2.0
"""A worker that serves is killed after so many seconds without a report."""
START_S = 30.0
"""The same before it serves: it imports the program and reads a whole cluster."""
LATE_S = 0.5
"""If the main process itself wakes up so much too late, silence proves nothing."""
EXIT_S = 1.0
"""Seconds from the end of its stream to the end of the process."""
_PYTHON_FLAGS = [
    flag
    for flag, is_set in (
        ("-I", sys.flags.isolated),
        ("-B", sys.flags.dont_write_bytecode),
    )
    if is_set
]


class WorkerProcess:
    """A worker process; its reports are read until it ends."""

    def __init__(
        self, process: Process, channel: Channel[Report], metrics: Metrics
    ) -> None:
        self.pid = process.pid
        self.is_serving = False
        self.is_ready = False
        self.is_stopping = False
        self.serving = asyncio.Event()
        """Set once the worker serves."""
        self.reason = ""
        """The reason why the worker ended, for people."""
        self._process = process
        self._channel = channel
        self._metrics = metrics
        metrics.workers.add(self.pid)
        self.life = asyncio.create_task(self._live())
        """Ends when the process has ended."""

    @classmethod
    async def start(cls, load: Load, metrics: Metrics) -> Self:
        """Start a worker that serves ``load``.

        Raises:
            OSError: the system cannot start a process.

        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *_PYTHON_FLAGS,
                    "-m",
                    "minidns.server.workers.child",
                    str(theirs.fileno()),
                    stdin=DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # Ctrl-C is for the main process
                )
            channel = await Channel.connect(ours, Report)
        except BaseException:
            ours.close()  # a process that was started nevertheless ends with it
            raise
        channel.send(load)
        return cls(process, channel, metrics)

    def load(self, load: Load) -> None:
        """Have the worker serve ``load`` from now on."""
        self._channel.send(load)

    async def stop(self) -> None:
        """Let the worker answer its queries in flight; return when it has ended."""
        self.is_stopping = True
        with contextlib.suppress(OSError):  # it has ended
            self._channel.end()
        await asyncio.wait((self.life,), timeout=GRACE_S + EXIT_S)
        self._kill()
        await asyncio.wait((self.life,))

    async def _live(self) -> None:
        """Read reports until the worker ends."""
        try:
            with contextlib.suppress(EOFError, OSError, DecodeError):
                while (report := await self._next_report()) is not None:
                    self._take(report)
        except Exception:  # without its reports the process would not be watched
            log.exception("Worker (pid %d): unexpected failure; replacing it", self.pid)
            self.reason = "its reports cannot be read"
            self._kill()
        status = await self._wait_for_exit()
        self._channel.close()
        self.reason = self.reason or _describe(status)
        self.is_serving = self.is_ready = False
        metrics_delta.forget(self._metrics, self.pid)
        self._metrics.workers.discard(self.pid)

    async def _next_report(self) -> Report | None:
        """Return the next report of the worker; None after killing a silent worker.

        Raises:
            EOFError, OSError, DecodeError: it has ended, or is about to.

        """
        clock = asyncio.get_running_loop().time
        receiving = asyncio.create_task(self._channel.receive())
        try:
            while True:
                limit_s = SILENCE_S if self.is_serving else START_S
                due = clock() + limit_s
                await asyncio.wait((receiving,), timeout=limit_s)
                if receiving.done():
                    return receiving.result()
                if clock() < due + LATE_S and not self.is_stopping:
                    self.reason = f"no report for {limit_s:g} s"
                    self._kill()
                    return None
        finally:
            receiving.cancel()

    def _take(self, report: Report) -> None:
        metrics_delta.add(self._metrics, self.pid, report.deltas)
        self.is_serving, self.is_ready = report.is_serving, report.is_ready
        if report.is_serving:
            self.serving.set()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _wait_for_exit(self) -> int:
        """Return the exit status; kill the process if it does not end by itself."""
        try:
            async with asyncio.timeout(EXIT_S):
                return await self._process.wait()
        except TimeoutError:
            self._kill()
            return await self._process.wait()


def _describe(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
