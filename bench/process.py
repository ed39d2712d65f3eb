"""The measured servers: processes pinned to a core, their CPU time and memory."""

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
"""The usable cores, read before the bench pins itself to one of them."""
START_S = 600.0
"""Maximum seconds until a server is ready."""


@dataclass
class Subject:
    """A running server, with all its processes."""

    name: str
    port: int
    pid: int
    tls_port: int = 0
    """The port of DNS over TLS; 0 without."""
    probes: tuple[str, ...] = ()
    """URLs of health and readiness."""
    is_dns: bool = True
    """True if its replies are checked; those of the echo are not."""
    ready_s: float = 0.0
    """Seconds from its start until it is ready and answers correctly."""
    start_cpu_s: float = 0.0
    """CPU seconds used until then."""

    def pids(self) -> list[int]:
        """Return the ids of its processes: the first one and its descendants."""
        pids, new = [], [self.pid]
        while new:
            pids += new
            new = [child for pid in new for child in _children(pid)]
        return pids

    def cpu_s(self) -> float:
        """Return the seconds of CPU used so far, in user and kernel mode."""
        return sum(map(_cpu_s, self.pids()))

    def rss_mib(self) -> float:
        """Return the resident memory."""
        return sum(_status(pid, "VmRSS:") for pid in self.pids())

    def peak_mib(self) -> float:
        """Return the peak of the resident memory since the start or ``reset_peak``."""
        return sum(_status(pid, "VmHWM:") for pid in self.pids())

    def reset_peak(self) -> None:
        """Reset the peak to the present resident memory (proc(5), clear_refs)."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _children(pid: int) -> list[int]:
    text = ""
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            text += path.read_text()
    return [int(word) for word in text.split()]


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process with that of its threads, ended ones, too."""
    clock = (~pid << 3) | 2  # clock_getcpuclockid(3); the ticks in /proc are 10 ms
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0


def _status(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def free_port() -> int:
    """Return a port that is free for UDP and TCP.

    It is below the range of outgoing connections, which could take it before the server
    does.
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
    """Return ``command`` with a prefix that pins it to ``core``, if possible."""
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
        started.kill()  # SIGTERM would start the lame duck period
        started.wait()
        if started.stderr:
            started.stderr.close()


@dataclass(frozen=True)
class Ready:
    """The conditions of readiness: an HTTP status, if any, and an answer."""

    query: bytes
    """A query without its ID."""
    url: str = ""
    health_url: str = ""
    """Not a condition; it is probed at rest."""

    def holds(self, port: int) -> bool:
        """Return whether the server at ``port`` is ready now."""
        return (not self.url or _is_ok(self.url)) and _answers(port, self.query)


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):  # a client may connect to its own port
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
        probes = tuple(filter(None, (ready.health_url, ready.url)))
        subject = Subject(name, port, started.pid, probes=probes, is_dns=is_dns)
        while not ready.holds(port):
            if started.poll() is not None:
                errors = started.stderr.read() if started.stderr else b""
                raise SystemExit(f"{name} ended: {errors.decode().strip()[-400:]}")
            if time.monotonic() - began > START_S:
                raise SystemExit(f"{name} was not ready within {START_S:.0f} s")
            time.sleep(0.005)
        subject.ready_s = time.monotonic() - began
        subject.start_cpu_s = subject.cpu_s()
        yield subject
