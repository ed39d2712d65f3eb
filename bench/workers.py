"""Two processes (*multisocket*) beside one: ``python -m bench.workers``.

Where the generator has no core of its own, a rate alone would mostly tell of the
generator. So what the processes use is told beside it, in three measurements:

* capacity: as many queries as are answered, all processes on one core, the generator on
  another. The CPU per query of two over that of one is what sharing the work costs; on
  as many free cores as there are processes, the rate is their number over that.
* throttled: the same with a rate far below capacity, where two processes wake up more
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
"""Generators, each with a socket: the kernel shares queries out by source port."""
WINDOW = 8
"""Queries that each has in flight."""
_first = count(0, 1 << 20)
"""Where the counter of each begins: no name of one run is in another."""


@dataclass(frozen=True)
class Run:
    """What one run brought."""

    answered: int
    lost: int
    seconds: float
    server_s: float
    """CPU of all processes of the server."""
    generator_s: float

    @property
    def rate(self) -> float:
        """Answered queries a second."""
        return self.answered / self.seconds

    @property
    def server_us(self) -> float:
        """CPU of the server per query."""
        return 1e6 * self.server_s / max(1, self.answered)

    @property
    def generator_us(self) -> float:
        """CPU of the generator per query."""
        return 1e6 * self.generator_s / max(1, self.answered)

    @property
    def cores(self) -> float:
        """How many cores the server kept busy."""
        return self.server_s / self.seconds


def ask(
    subject: Subject, queries: Path, seconds: float, *, rate: int = 0, core: int | None
) -> Run:
    """Ask from many sockets, as fast as is answered or ``rate`` times a second."""
    binary = servers.compiled("load")
    if binary is None:
        raise SystemExit("no C compiler: a generator in Python would tell of itself")
    command = [str(binary), str(subject.port), str(queries), str(seconds)]
    command += ["rate", str(rate // CLIENTS)] if rate else ["window", str(WINDOW)]
    command += ["core", str(core)] if core is not None else []
    server_s, generator_s = subject.cpu_s(), _children_s()
    started = [
        subprocess.Popen([*command, "first", str(first)], stdout=subprocess.PIPE)
        for first in islice(_first, CLIENTS)
    ]
    told = [json.loads(each.communicate()[0]) for each in started]
    return Run(
        sum(each["answered"] for each in told),
        sum(each["lost"] for each in told),
        statistics.mean(each["seconds"] for each in told),
        subject.cpu_s() - server_s,
        _children_s() - generator_s,
    )


def _children_s() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def serving(processes: int, cores: set[int], at: servers.Place) -> Iterator[Subject]:
    """Run minidns with so many processes on ``cores``."""
    with contextlib.ExitStack() as stack:
        with _corefile(processes):
            started = servers.serving(str(processes), servers.MINIDNS, at)
            subject = stack.enter_context(started)
        _wait_for_workers(subject, processes)
        for pid in subject.pids():
            os.sched_setaffinity(pid, cores)
        yield subject


@contextlib.contextmanager
def _corefile(processes: int) -> Iterator[None]:
    """Have servers started with *multisocket*."""
    plain = servers.COREFILE
    servers.COREFILE = plain.replace(
        "errors\n", f"errors\n    multisocket {processes}\n", 1
    )
    try:
        yield
    finally:
        servers.COREFILE = plain


def _wait_for_workers(subject: Subject, processes: int) -> None:
    """Wait until the processes are there and at rest: the last worker is in sync."""
    while len(subject.pids()) < processes:
        _pause(0.05)
    used = -1.0
    while subject.cpu_s() != used:
        used = subject.cpu_s()
        _pause(0.5)


def _pause(seconds: float) -> None:
    subprocess.run(["sleep", str(seconds)], check=True)


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
    """Where everything runs, and how fast is asked."""

    name: str
    cores: set[int]
    """Of two processes; one has the server's alone."""
    is_throttled: bool = False


MEASUREMENTS = (
    Measurement("capacity", {SERVER_CORE}),
    Measurement("throttled", {SERVER_CORE}, True),
    Measurement("cores", {SERVER_CORE, LOAD_CORE}),
)


def _compare(args: argparse.Namespace, at: servers.Place, how: Measurement) -> None:
    """Ask one process and two processes, in turn."""
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
            asked = not args.only or workload.name in args.only
            if workload.transport == "udp" and asked:
                runs = _runs(workload, (one, two), at, args, how)
                for subject, found in zip((one, two), runs, strict=True):
                    _show(workload.name, subject.name, found)


def _runs(
    workload: Workload,
    subjects: Sequence[Subject],
    at: servers.Place,
    args: argparse.Namespace,
    how: Measurement,
) -> list[list[Run]]:
    queries = speed.prepare(workload, at.services, at.folder)
    rate = args.rate if how.is_throttled else 0
    found: list[list[Run]] = [[] for _ in subjects]
    for number in range(args.runs + 1):
        for subject, runs in zip(subjects, found, strict=True):
            alone = len(how.cores) == 1 or subject is subjects[0]
            core = LOAD_CORE if alone else None
            run = ask(subject, queries, args.seconds, rate=rate, core=core)
            if number:  # the first warms up
                runs.append(run)
    return found


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
