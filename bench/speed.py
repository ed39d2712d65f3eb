"""Runs a workload against a server: rate, CPU per query, wrong and lost replies."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from bench import workloads
from bench.process import LOAD_CORE, Subject
from bench.servers import generator
from bench.workloads import Workload

CONNECTIONS = {
    "tls": ["tls", "1"],
    "tcp-nodelocal": ["connections", "100", "pipelined", "1"],
    "tcp-single": ["connections", "1", "pipelined", "1"],
    "tcp-once": ["connections", "10", "pipelined", "1", "once", "1"],
}
"""The words for the generator over TCP; see `bench.load_tcp`."""
_first = itertools.count(0, 1 << 22)
"""The first counter of each run, so that no name occurs in two runs."""


class Run(Struct, frozen=True):
    """The results of one run of a load generator."""

    answered: int
    lost: int
    wrong: int
    seconds: float
    cpu_s: float
    """CPU time of the server in seconds."""
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    rcodes: dict[str, int]

    @property
    def cpu_us(self) -> float:
        """CPU time per answered query in microseconds."""
        return 1e6 * self.cpu_s / max(1, self.answered)

    @property
    def rate(self) -> float:
        """Answered queries per second."""
        return self.answered / self.seconds


def prepare(workload: Workload, services: int, folder: Path) -> Path:
    """Write the queries of ``workload``; return the file."""
    path = folder / f"{workload.name}.queries"
    if not path.exists():
        workloads.write(workload.make(services), path)
    return path


def run(
    subject: Subject,
    queries: Path,
    transport: str,
    seconds: float,
    rate: int = 0,
    window: int = 64,
) -> Run:
    """Send queries for ``seconds``, as fast as they are answered or at ``rate``.

    ``window`` is the number in flight over UDP.
    """
    port = subject.tls_port if transport == "tls" else subject.port
    command = [*_generator(transport), str(port), str(queries), str(seconds)]
    command += ["core", str(LOAD_CORE), "first", str(next(_first) & 0x7FFFFFFF)]
    command += ["rate", str(rate)] if rate else ["window", str(window)]
    command += CONNECTIONS.get(transport, [])
    command += [] if subject.is_dns else ["any"]
    before = subject.cpu_s()
    output = subprocess.run(command, check=True, capture_output=True).stdout
    used = subject.cpu_s() - before
    results: dict[str, float] = json.loads(output)
    results.pop("sent")
    return Run(cpu_s=used, **results)  # type: ignore[arg-type]  # as load.c prints them


def _generator(transport: str) -> list[str]:
    if transport != "udp":
        return [sys.executable, "-m", "bench.load_tcp"]
    return [str(generator())]
