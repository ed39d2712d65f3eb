"""All measurements in their order.

Servers that are compared run at the same time and are measured in turn, run by run, so
that a disturbance of the machine affects all of them.
"""

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import relist, rest, servers, simulation, speed, workloads
from bench.api import Api
from bench.changes import changes
from bench.figures import (
    CPU,
    CPU_S,
    MIB,
    MILLICORES,
    MS,
    OURS,
    P50,
    P99,
    RATE,
    SECONDS,
    Figures,
)
from bench.probe import Steady
from bench.process import LOAD_CORE, Subject, pinned
from bench.servers import MINIDNS, Place
from bench.workloads import DOT, EXPIRING, MANY_ENDPOINTS, WORKLOADS, Workload

SMALL = 20
"""Services of a small cluster."""
ASKED, ASKED_PER_S = 100_000, 20_000
"""Queries before the second measurement of memory, and their rate."""
CHANGES_PER_S = 100
MANY = 10_000
"""Endpoints of the Service in the questions for many endpoints."""
EXPIRY_S = 12.0
"""Seconds of a run in which external names expire twice."""
MIX = next(workload for workload in WORKLOADS if workload.name == "mix")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """The extent of the measurements."""

    services: int = 10_000
    endpoints: int = 150_000
    runs: int = 5
    seconds: float = 3.0
    """Seconds of each run."""
    changes: int = 500
    """Number of changes at 100 a second; a twentieth of them at 1 a second."""
    peers: tuple[tuple[str, str], ...] = ()
    """Name and command of each peer."""
    only: tuple[str, ...] = ()
    """Names of parts or workloads; empty for all."""

    @property
    def all(self) -> tuple[tuple[str, str], ...]:
        """Name and command of every DNS server."""
        return ((OURS, MINIDNS), *self.peers)

    def wants(self, *names: str) -> bool:
        """Return whether any of ``names`` is measured."""
        return not self.only or any(name in self.only for name in names)

    def workloads(self) -> list[Workload]:
        """Return the workloads that are measured."""
        return [load for load in WORKLOADS if self.wants(load.name, "speed")]


def measure(plan: Plan, folder: Path, figures: Figures, say: Say) -> None:
    """Run the measurements of ``plan``; report the progress to ``say``."""
    side_by_side = ("speed", "dot", "half-capacity", "expiring", "mix-changing")
    if plan.wants(*side_by_side, *_names()):
        with servers.place(folder / "speed", plan.services, plan.endpoints) as at:
            _side_by_side(plan, at, figures, say)
            if plan.wants("dot", "speed"):
                say("dot")
                _dot(plan, at, figures)
    if plan.wants("memory", "changes"):
        for name, command in plan.all:
            with servers.place(folder / name, plan.services, plan.endpoints) as at:
                say(f"memory, relists and changes of {name}")
                _alone(plan, name, command, at, figures)
    if plan.wants("many"):
        with servers.place(folder / "many", SMALL, 0, MANY) as at:
            for name, command in plan.all:
                say(f"{MANY:,} endpoints, {name}")
                _many(plan, name, command, at, figures)
    if plan.wants("small"):
        with servers.place(folder / "small", SMALL, 0) as at:
            for name, command in plan.all:
                say(f"small cluster, {name}")
                _small(plan, name, command, at, figures)
    if plan.wants("simulation"):
        say("start of the simulated cluster")
        simulation.measure(figures)


def _names() -> list[str]:
    return [workload.name for workload in WORKLOADS]


def _side_by_side(plan: Plan, at: Place, figures: Figures, say: Say) -> None:
    with contextlib.ExitStack() as stack:
        subjects = [
            subject
            for subject in (
                stack.enter_context(servers.echo()),
                *(
                    stack.enter_context(servers.serving(name, command, at))
                    for name, command in plan.all
                ),
            )
            if subject is not None
        ]
        by_tcp = [load for load in plan.workloads() if load.transport != "udp"]
        for workload in plan.workloads():
            if workload not in by_tcp:
                say(workload.name)
                compare(workload, subjects, at, plan, figures)
        dns = [subject for subject in subjects if subject.is_dns]
        if plan.wants("mix-changing"):
            for name, options in (("mix-beside", ["--unseen"]), ("mix-changing", [])):
                say(name)
                with _changing(at, plan, len(dns), options):
                    compare(MIX, dns, at, plan, figures, name)
        if plan.wants("half-capacity"):
            say("half-capacity")
            _half(dns, at, plan, figures)
        if plan.wants("expiring"):
            say("expiring")
            _expiring(dns, at, plan, figures)
        for workload in by_tcp:  # last, because it evicts remembered replies of UDP
            say(workload.name)
            compare(workload, dns, at, plan, figures)


def compare(
    workload: Workload,
    subjects: Sequence[Subject],
    at: Place,
    plan: Plan,
    figures: Figures,
    name: str = "",
) -> None:
    """Run ``workload`` against all in turn, several times; the first run warms up."""
    name = name or workload.name
    queries = speed.prepare(workload, at.services, at.folder)
    able = [s for s in subjects if s.is_dns or workload.transport == "udp"]
    for subject in able:
        speed.run(subject, queries, workload.transport, min(1.0, plan.seconds))
    for _ in range(plan.runs):
        for subject in able:
            run = speed.run(subject, queries, workload.transport, plan.seconds)
            figures.add(name, CPU, subject.name, run.cpu_us)
            figures.add(name, RATE, subject.name, run.rate)
            figure = figures.get(name, CPU, subject.name)
            assert figure is not None
            figure.wrong += run.wrong
            figure.lost += run.lost


def _dot(plan: Plan, at: Place, figures: Figures) -> None:
    """Measure DNS over TLS, with servers that have a second port for it."""
    with contextlib.ExitStack() as stack:
        subjects = [
            stack.enter_context(servers.serving(name, command, at, tls=True))
            for name, command in plan.all
        ]
        compare(DOT, subjects, at, plan, figures)


@contextlib.contextmanager
def _changing(
    at: Place, plan: Plan, subjects: int, options: Sequence[str]
) -> Iterator[None]:
    """Make changes for as long as the runs may take."""
    seconds = (plan.runs + 1) * (plan.seconds + 1) * subjects
    command = [sys.executable, "-m", "bench.churn", str(at.kubeconfig)]
    command += map(str, (at.services, at.endpoints, CHANGES_PER_S, seconds))
    command += options
    with subprocess.Popen(pinned(command, LOAD_CORE)) as churn:
        try:
            yield
        finally:
            churn.terminate()


def _half(subjects: Sequence[Subject], at: Place, plan: Plan, figures: Figures) -> None:
    """Measure latency at half of each server's capacity, then at one rate for all."""
    queries = speed.prepare(MIX, at.services, at.folder)
    halves = _halves(subjects, at, plan, figures)
    least = [min(halves)] * len(subjects)
    for what, rates in (("half-capacity", halves), ("same-rate", least)):
        for _ in range(plan.runs):
            for subject, rate in zip(subjects, rates, strict=True):
                run = speed.run(subject, queries, "udp", plan.seconds, rate)
                figures.add(what, P50, subject.name, run.p50_us / 1e3)
                figures.add(what, P99, subject.name, run.p99_us / 1e3)


def _halves(
    subjects: Sequence[Subject], at: Place, plan: Plan, figures: Figures
) -> list[int]:
    """Return half of each server's capacity for the mix, in queries a second."""
    queries = speed.prepare(MIX, at.services, at.folder)

    def capacity(subject: Subject) -> float:
        known = figures.median("mix", RATE, subject.name)
        return known or speed.run(subject, queries, "udp", plan.seconds).rate

    return [int(capacity(subject) / 2) for subject in subjects]


def _expiring(
    subjects: Sequence[Subject], at: Place, plan: Plan, figures: Figures
) -> None:
    """Measure latency at half capacity while 1,000 external names expire together."""
    halves = _halves(subjects, at, plan, figures)
    queries = speed.prepare(EXPIRING, at.services, at.folder)
    for _ in range(plan.runs):
        for subject, rate in zip(subjects, halves, strict=True):
            run = speed.run(subject, queries, "udp", EXPIRY_S, rate)
            figures.add("expiring", P50, subject.name, run.p50_us / 1e3)
            figures.add("expiring", P99, subject.name, run.p99_us / 1e3)


def _many(plan: Plan, name: str, command: str, at: Place, figures: Figures) -> None:
    """Measure questions for many endpoints, and how long others wait meanwhile."""
    other = workloads.query(workloads.owner(0))
    with servers.serving(name, command, at) as subject:
        for workload in MANY_ENDPOINTS:
            queries = speed.prepare(workload, at.services, at.folder)
            for _ in range(plan.runs):
                with Steady(subject.port, other) as steady:
                    run = speed.run(
                        subject, queries, workload.transport, plan.seconds, window=1
                    )
                figures.add(workload.name, CPU, name, run.cpu_us)
                figures.add(workload.name, MS, name, max(steady.took_ms))


def _alone(plan: Plan, name: str, command: str, at: Place, figures: Figures) -> None:
    """Measure what needs the server and the API server for itself."""
    api = Api(at.kubeconfig, at.services, at.endpoints)
    with servers.serving(name, command, at) as subject:
        figures.add("start", SECONDS, name, subject.ready_s)
        figures.add("start", CPU_S, name, subject.start_cpu_s)
        figures.add("memory-ready", MIB, name, subject.rss_mib())
        if plan.wants("changes"):
            _changes(plan, api, subject, figures)
        if plan.wants("memory"):
            _memory(api, subject, at, figures)


def _changes(plan: Plan, api: Api, subject: Subject, figures: Figures) -> None:
    for per_second, count in ((1, max(5, plan.changes // 20)), (100, plan.changes)):
        made = changes(api, subject.port, len(api.counts), count, per_second)
        what = f"change-{per_second}"
        _add_times(
            figures, what, subject.name, [change.after_write_ms for change in made]
        )
        what = f"event-{per_second}"
        _add_times(
            figures, what, subject.name, [change.after_event_ms for change in made]
        )


def _add_times(figures: Figures, what: str, name: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    figures.add(what, P50, name, cuts[49])
    figures.add(what, P99, name, cuts[98])


def _memory(api: Api, subject: Subject, at: Place, figures: Figures) -> None:
    queries = speed.prepare(MIX, at.services, at.folder)
    speed.run(subject, queries, "udp", ASKED / ASKED_PER_S, ASKED_PER_S)
    figures.add("memory-asked", MIB, subject.name, subject.rss_mib())
    number = relist.headless(at.services)
    for suffix, streaming in (("", True), ("-pages", False)):
        result = relist.relist(api, subject, number, streaming=streaming)
        number -= 10
        figures.add(f"memory-peak{suffix}", MIB, subject.name, result.peak_mib)
        figures.add(f"stall{suffix}", MS, subject.name, result.stall_ms)
        figures.add(f"relist{suffix}", CPU_S, subject.name, result.cpu_s)
        stall = figures.get(f"stall{suffix}", MS, subject.name)
        assert stall is not None
        stall.wrong, stall.lost = result.wrong, result.lost


def _small(plan: Plan, name: str, command: str, at: Place, figures: Figures) -> None:
    for _ in range(plan.runs):
        with servers.serving(name, command, at) as subject:
            figures.add("start-small", SECONDS, name, subject.ready_s)
            figures.add("memory-small", MIB, name, subject.rss_mib())
            figures.add("rest-small", MILLICORES, name, rest.millicores(subject))
