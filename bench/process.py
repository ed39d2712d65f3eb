"""The servers that are measured, as processes pinned to a core, and what they use."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from random import SystemRandom

SERVER_CORE, LOAD_CORE = 0, 1
CORES = os.sched_getaffinity(0)
"""Those that can be had; looked at before the bench goes to one of them itself."""
START_S = 120.0
"""How long a server may take until it is ready."""


@dataclass
class Subject:
    """A running server, with all its processes."""

    name: str
    port: int
    pid: int
    is_dns: bool = True
    """Whether its replies are to be right; an echo's are not."""
    ready_s: float = 0.0
    """From its start to ready and its first right answer."""
    start_cpu_s: float = 0.0
    """CPU it used for that."""

    def pids(self) -> list[int]:
        """Return its processes: the one started and all below it."""
        found, new = [], [self.pid]
        while new:
            found += new
            new = [child for pid in new for child in _children(pid)]
        return found

    def cpu_s(self) -> float:
        """Return the seconds of CPU used so far, in user and kernel mode."""
        return sum(map(_cpu_s, self.pids()))

    def rss_mib(self) -> float:
        """Return the memory that is resident."""
        return sum(_status(pid, "VmRSS:") for pid in self.pids())

    def peak_mib(self) -> float:
        """Return the most that was resident since the start or ``reset_peak``."""
        return sum(_status(pid, "VmHWM:") for pid in self.pids())

    def reset_peak(self) -> None:
        """Let the peak be what is resident now (proc(5), clear_refs)."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _children(pid: int) -> list[int]:
    text = ""
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            text += path.read_text()
    return [int(word) for word in text.split()]


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def free_port() -> int:
    """Return a port that nobody has just now, for UDP or TCP.

    Below those that the system gives to outgoing connections, which would take it
    before the server does.
    """
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
        ):
            port = SystemRandom().randrange(10_000, 32_000)
            with contextlib.suppress(OSError):
                datagrams.bind(("127.0.0.1", port))
                stream.bind(("127.0.0.1", port))
                return port


def pinned(command: Sequence[str], core: int) -> list[str]:
    """Return ``command`` such that it runs on ``core``, where that can be had."""
    if shutil.which("taskset") and core in CORES:
        return ["taskset", "-c", str(core), *command]
    return list(command)


@contextlib.contextmanager
def process(command: Sequence[str], core: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` on ``core`` until the block ends."""
    started = subprocess.Popen(
        pinned(command, core), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield started
    finally:
        started.kill()  # a server that is asked to end has lameduck seconds to wait
        started.wait()
        if started.stderr:
            started.stderr.close()


@dataclass(frozen=True)
class Ready:
    """How to tell that a server is ready: by HTTP, if it has that, and by an answer."""

    query: bytes
    """Less the id."""
    url: str = ""

    def holds(self, port: int) -> bool:
        """Return whether it is now."""
        return (not self.url or _is_ok(self.url)) and _answers(port, self.query)


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):  # who dials a port of its own may meet itself
        return False


def _answers(port: int, query: bytes) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1.0)
        sock.connect(("127.0.0.1", port))
        try:
            sock.send(b"\0\1" + query)
            return sock.recv(4096)[3] & 15 == 0
        except OSError:
            return False


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], port: int, ready: Ready, *, is_dns: bool = True
) -> Iterator[Subject]:
    """Start a server on its core; yield it once it is ready.

    Raises:
        SystemExit: it ended, or was not ready in time.

    """
    began = time.monotonic()
    with process(command, SERVER_CORE) as started:
        subject = Subject(name, port, started.pid, is_dns)
        while not ready.holds(port):
            if started.poll() is not None:
                said = started.stderr.read() if started.stderr else b""
                raise SystemExit(f"{name} ended: {said.decode().strip()[-400:]}")
            if time.monotonic() - began > START_S:
                raise SystemExit(f"{name} was not ready within {START_S:.0f} s")
            time.sleep(0.005)
        subject.ready_s = time.monotonic() - began
        subject.start_cpu_s = subject.cpu_s()
        yield subject
