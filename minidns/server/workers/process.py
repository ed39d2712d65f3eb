"""One worker as the main process sees it, from its start to its end."""

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from typing import Self

from msgspec import DecodeError

from minidns.metrics.registry import Metrics
from minidns.server.serving import GRACE_S
from minidns.server.workers import metrics_delta
from minidns.server.workers.protocol import (
    Channel,
    Collect,
    Failed,
    FromWorker,
    Load,
    Report,
    Stop,
    to_worker,
)

SILENCE_S = 2.0
"""A worker that answers is killed after so many seconds without a report."""
START_S = 30.0
"""The same before it answers: it imports the program and reads a whole cluster."""
LATE_S = 0.5
"""If the main process itself wakes so much too late, silence proves nothing."""
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
    """A worker process; its messages are read until it ends."""

    def __init__(
        self,
        process: Process,
        channel: Channel[FromWorker],
        metrics: Metrics,
        silence_s: float,
    ) -> None:
        self.pid = process.pid
        self.is_serving = False
        self.is_ready = False
        self.is_stopping = False
        self.serving = asyncio.Event()
        """Set once the worker answers."""
        self.ended = asyncio.Event()
        self.reason = ""
        """Why the worker ended, for people."""
        self._process = process
        self._channel = channel
        self._metrics = metrics
        self._silence_s = silence_s
        self._collect = 0
        self._collected = 0
        self._reported = asyncio.Condition()
        metrics.workers.add(self.pid)
        self._life = asyncio.create_task(self._live())

    @classmethod
    async def start(
        cls, load: Load, metrics: Metrics, silence_s: float = SILENCE_S
    ) -> Self:
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
            channel = await to_worker(ours)
        except BaseException:
            ours.close()  # a process that was started all the same ends with it
            raise
        channel.send(load)
        return cls(process, channel, metrics, silence_s)

    def load(self, load: Load) -> None:
        """Have the worker serve ``load`` from now on."""
        self._channel.send(load)

    async def collect(self) -> None:
        """Wait for a report of all that the worker counted until now."""
        self._collect = number = self._collect + 1
        self._channel.send(Collect(number))
        async with self._reported:
            await self._reported.wait_for(
                lambda: self._collected >= number or self.ended.is_set()
            )

    async def stop(self) -> None:
        """Let the worker answer its queries in flight; return when it has ended."""
        self.is_stopping = True
        self._channel.send(Stop())
        await asyncio.wait((self._life,), timeout=GRACE_S + EXIT_S)
        if not self._life.done():
            self._kill()
            await asyncio.wait((self._life,))

    async def _live(self) -> None:
        """Read its messages until it ends."""
        try:
            while True:
                await self._take(await self._next_message())
        except TimeoutError:
            self._kill()
        except (EOFError, OSError, DecodeError):
            pass  # it has ended, or is about to
        await self._wait_for_exit()

    async def _next_message(self) -> FromWorker:
        """Return the next message of the worker.

        Raises:
            TimeoutError: it is silent for too long: stopped, or hung.
            EOFError, OSError, DecodeError: it has ended, or is about to.

        """
        clock = asyncio.get_running_loop().time
        receiving = asyncio.create_task(self._channel.receive())
        try:
            while True:
                limit_s = self._silence_s if self.is_serving else START_S
                due = clock() + limit_s
                await asyncio.wait((receiving,), timeout=limit_s)
                if receiving.done():
                    return receiving.result()
                if clock() < due + LATE_S and not self.is_stopping:
                    self.reason = f"no report for {limit_s:g} s"
                    raise TimeoutError
        finally:
            receiving.cancel()

    async def _take(self, message: FromWorker) -> None:
        match message:
            case Report(collect, is_serving, is_ready, deltas):
                metrics_delta.add(self._metrics, self.pid, deltas)
                self._collected = collect
                self.is_serving, self.is_ready = is_serving, is_ready
                if is_serving:
                    self.serving.set()
                async with self._reported:
                    self._reported.notify_all()
            case Failed(text):
                self.reason = text

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _wait_for_exit(self) -> None:
        """See the process end, and leave it out of the metrics."""
        try:
            async with asyncio.timeout(EXIT_S):
                status = await self._process.wait()
        except TimeoutError:
            self._kill()
            status = await self._process.wait()
        self._channel.close()
        self.reason = self.reason or _describe(status)
        self.is_serving = self.is_ready = False
        metrics_delta.forget(self._metrics, self.pid)
        self._metrics.workers.discard(self.pid)
        self.ended.set()
        async with self._reported:
            self._reported.notify_all()


def _describe(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
