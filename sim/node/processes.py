"""The processes of pods, which one process starts and ends (`fork_server`)."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import minidns

from .kind_corefile import HOST

_PASSED_ON = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|VIRTUAL_ENV|LD_LIBRARY_PATH|PYTHON\w+"
)
ENVIRON = {
    **{name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)},
    "PYTHONPATH": str(Path(minidns.__file__).parents[1]),
    "NO_PROXY": HOST,
    "no_proxy": HOST,
    "SSL_CERT_FILE": os.devnull,
}
"""Environment of the processes.

A Corefile can put variables into answers, so none that may be secret is passed on. A
proxy is never used for loopback. A pod trusts no authority but that of its API server,
and those of the machine take long to load.
"""


@dataclass(slots=True)
class Process:
    """A process that was started."""

    pid: int
    returncode: int | None = None
    """Exit status, or the negative number of a signal; None while it runs."""
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, status: int) -> None:
        """Note that the process has ended."""
        self.returncode = status
        self._ended.set()

    async def wait(self) -> None:
        """Wait for the end of the process."""
        await self._ended.wait()


class Processes:
    """Starts and ends processes.

    Make it early: it needs as long as a server needs to import minidns.
    """

    def __init__(self) -> None:
        package = __name__.rpartition(".")[0]
        self._server = subprocess.Popen(
            (sys.executable, "-P", "-m", f"{package}.fork_server"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=ENVIRON,
            start_new_session=True,  # Ctrl-C goes to this process only
        )
        self._running: dict[int, Process] = {}
        self._starting: deque[asyncio.Future[Process]] = deque()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Start processes and note their ends in the block; end them all after it."""
        replies = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(replies), self._server.stdout
        )
        receiving = asyncio.create_task(self._receive(replies))
        try:
            yield
        finally:
            assert self._server.stdin is not None
            self._server.stdin.close()
            await receiving
            transport.close()
            self._server.wait()

    async def start(self, command: list[str], folder: Path) -> Process:
        """Start a process with its log and working directory in ``folder``.

        Raises:
            OSError: no process can be started any more.

        """
        started: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        self._starting.append(started)
        self._request({"start": command, "folder": str(folder)})
        try:
            return await started
        except asyncio.CancelledError:
            if started.done() and not started.cancelled():
                self.signal(started.result().pid, signal.SIGKILL)
            raise

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process, if it has not ended."""
        assert self._server.stdin is not None
        if pid in self._running and not self._server.stdin.closed:  # it ends all else
            with contextlib.suppress(BrokenPipeError):  # then it has been ended
                self._request({"kill": pid, "signal": number})

    async def terminate(self, process: Process, stop_s: float) -> None:
        """Stop a process with SIGTERM, after ``stop_s`` with SIGKILL."""
        self.signal(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), stop_s)
        except TimeoutError:
            self.signal(process.pid, signal.SIGKILL)
            await process.wait()

    def _request(self, request: dict[str, object]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request).encode() + b"\n")

    async def _receive(self, replies: asyncio.StreamReader) -> None:
        async for line in replies:
            match json.loads(line):
                case {"pid": int(pid)}:
                    self._running[pid] = process = Process(pid)
                    if not (started := self._starting.popleft()).cancelled():
                        started.set_result(process)
                    else:
                        self.signal(process.pid, signal.SIGKILL)
                case {"ended": int(pid), "status": int(status)}:
                    self._running.pop(pid).end(status)
        for process in self._running.values():
            process.end(-signal.SIGTERM)
        for started in self._starting:
            started.set_exception(OSError("the process that starts pods has ended"))
