"""One server under one workload: queries a second, CPU per query, what went wrong."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from bench import workloads
from bench.process import LOAD_CORE, Subject
from bench.servers import compiled
from bench.workloads import Workload

_first = itertools.count(0, 1 << 22)
"""Where the counter of each run begins: no name of one is in another."""


class Run(Struct, frozen=True):
    """What one run of a generator brought."""

    answered: int
    lost: int
    wrong: int
    seconds: float
    cpu_s: float
    """Of the server."""
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    rcodes: dict[str, int]

    @property
    def cpu_us(self) -> float:
        """CPU per answered query."""
        return 1e6 * self.cpu_s / max(1, self.answered)

    @property
    def rate(self) -> float:
        """Answered queries a second."""
        return self.answered / self.seconds


def prepare(workload: Workload, services: int, folder: Path) -> Path:
    """Write the queries of ``workload``; return the file."""
    path = folder / f"{workload.name}.queries"
    if not path.exists():
        workloads.write(workload.make(services), path)
    return path


def run(
    subject: Subject, queries: Path, transport: str, seconds: float, rate: int = 0
) -> Run:
    """Ask ``subject`` for so long, as fast as it answers or ``rate`` times a second."""
    command = [*_generator(transport), str(subject.port), str(queries), str(seconds)]
    command += ["core", str(LOAD_CORE), "first", str(next(_first) & 0x7FFFFFFF)]
    command += ["rate", str(rate)] if rate else []
    command += [] if subject.is_dns else ["any"]
    before = subject.cpu_s()
    told = subprocess.run(command, check=True, capture_output=True).stdout
    used = subject.cpu_s() - before
    found: dict[str, float] = json.loads(told)
    found.pop("sent")
    return Run(cpu_s=used, **found)  # type: ignore[arg-type]  # as load.c prints them


def _generator(transport: str) -> list[str]:
    if transport == "tcp":
        return [sys.executable, "-m", "bench.load_tcp"]
    binary = compiled("load")
    return [str(binary)] if binary else [sys.executable, "-m", "bench.load"]
