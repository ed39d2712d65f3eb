"""Compares two processes (*multisocket*) with one: ``python -m bench.workers``.

Without a core for the generator, the rate mostly shows the cost of the generator.
Therefore the CPU time is shown as well, in three measurements:

* capacity: the highest rate, with all processes on one core and the generator on
  another. The ratio of CPU per query of two processes and of one is the cost of
  distributing the work.
* throttled: the same at a rate far below capacity, where two processes wake up more
  often for fewer queries each.
* cores: one process on one core with the generator on another, and two processes on two
  cores, which they share with the generator.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import NamedTuple

from bench import servers, speed
from bench.machine import Machine
from bench.process import LOAD_CORE, SERVER_CORE, Subject
from bench.workloads import WORKLOADS, Workload

CLIENTS = 16
"""Number of generators with a socket each: the kernel distributes by source port."""
WINDOW = 8
"""Queries in flight per generator."""
_first = count(0, 1 << 20)
"""The first counter of each generator, so that no name occurs twice."""


@dataclass(frozen=True)
class Run:
    """The results of one run."""

    answered: int
    lost: int
    seconds: float
    server_s: float
    """CPU seconds of all processes of the server."""
    generator_s: float

    @property
    def rate(self) -> float:
        """Answered queries per second."""
        return self.answered / self.seconds

    @property
    def server_us(self) -> float:
        """CPU time of the server per query in microseconds."""
        return 1e6 * self.server_s / max(1, self.answered)

    @property
    def generator_us(self) -> float:
        """CPU time of the generator per query in microseconds."""
        return 1e6 * self.generator_s / max(1, self.answered)

    @property
    def cores(self) -> float:
        """Number of cores that the server kept busy."""
        return self.server_s / self.seconds


def ask(
    subject: Subject, queries: Path, seconds: float, *, rate: int = 0, core: int | None
) -> Run:
    """Send queries from many sockets, as fast as possible or at ``rate``."""
    command = [str(servers.generator()), str(subject.port), str(queries), str(seconds)]
    command += ["rate", str(rate // CLIENTS)] if rate else ["window", str(WINDOW)]
    command += ["core", str(core)] if core is not None else []
    server_s, generator_s = subject.cpu_s(), _children_s()
    started = [
        subprocess.Popen([*command, "first", str(first)], stdout=subprocess.PIPE)
        for first in islice(_first, CLIENTS)
    ]
    results = [json.loads(process.communicate()[0]) for process in started]
    return Run(
        sum(result["answered"] for result in results),
        sum(result["lost"] for result in results),
        statistics.mean(result["seconds"] for result in results),
        subject.cpu_s() - server_s,
        _children_s() - generator_s,
    )


def _children_s() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def serving(processes: int, cores: set[int], at: servers.Place) -> Iterator[Subject]:
    """Run minidns with a number of processes on ``cores``, once all of them answer."""
    with contextlib.ExitStack() as stack:
        with _corefile(processes):
            started = servers.serving(str(processes), servers.MINIDNS, at)
            subject = stack.enter_context(started)
        for pid in subject.pids():
            os.sched_setaffinity(pid, cores)
        yield subject


@contextlib.contextmanager
def _corefile(processes: int) -> Iterator[None]:
    """Add *multisocket* to the Corefile of servers."""
    plain = servers.COREFILE
    servers.COREFILE = plain.replace(
        "errors\n", f"errors\n    multisocket {processes}\n", 1
    )
    try:
        yield
    finally:
        servers.COREFILE = plain


def main() -> int:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser("bench.workers", description=__doc__)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--endpoints", type=int, default=150_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rate", type=int, default=8000)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORKLOAD")
    args = parser.parse_args()
    print(Machine.here())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workers"
        with servers.place(path, args.services, args.endpoints) as at:
            for how in MEASUREMENTS:
                _compare(args, at, how)
    return 0


class Measurement(NamedTuple):
    """The cores and the rate of a measurement."""

    name: str
    cores: set[int]
    """The cores of two processes; one process runs on the server's core."""
    is_throttled: bool = False


MEASUREMENTS = (
    Measurement("capacity", {SERVER_CORE}),
    Measurement("throttled", {SERVER_CORE}, True),
    Measurement("cores", {SERVER_CORE, LOAD_CORE}),
)


def _compare(args: argparse.Namespace, at: servers.Place, how: Measurement) -> None:
    """Measure one process and two processes in turn."""
    print(
        f"\n{how.name:24}{'processes':>10}{'queries/s':>11}{'CPU us/query':>14}", end=""
    )
    print(f"{'of generator':>14}{'cores busy':>12}{'lost':>6}")
    with (
        serving(1, {SERVER_CORE}, at) as one,
        serving(2, how.cores, at) as two,
    ):
        print(f"resident: {one.rss_mib():.0f} MiB, {two.rss_mib():.0f} MiB")
        for workload in WORKLOADS:
            wanted = not args.only or workload.name in args.only
            if workload.transport == "udp" and wanted:
                results = _runs(workload, (one, two), at, args, how)
                for subject, runs in zip((one, two), results, strict=True):
                    _show(workload.name, subject.name, runs)


def _runs(
    workload: Workload,
    subjects: Sequence[Subject],
    at: servers.Place,
    args: argparse.Namespace,
    how: Measurement,
) -> list[list[Run]]:
    queries = speed.prepare(workload, at.services, at.folder)
    rate = args.rate if how.is_throttled else 0
    results: list[list[Run]] = [[] for _ in subjects]
    for number in range(args.runs + 1):
        for subject, runs in zip(subjects, results, strict=True):
            alone = len(how.cores) == 1 or subject is subjects[0]
            core = LOAD_CORE if alone else None
            run = ask(subject, queries, args.seconds, rate=rate, core=core)
            if number:  # the first run warms up
                runs.append(run)
    return results


def _show(workload: str, name: str, runs: Sequence[Run]) -> None:
    def median(figure: str) -> float:
        return float(statistics.median(getattr(run, figure) for run in runs))

    print(
        f"{workload:16}{name:>10}{median('rate'):11,.0f}{median('server_us'):14.1f}"
        f"{median('generator_us'):14.1f}{median('cores'):12.2f}"
        f"{sum(run.lost for run in runs):6}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
