"""Measures costs by the size of the cluster: memory, start, changes, queries."""

import time
from collections.abc import Sequence
from pathlib import Path

from bench import servers, speed
from bench.api import Api
from bench.figures import CPU, CPU_S, MIB, OURS, SECONDS, Figures
from bench.process import Subject
from bench.servers import MINIDNS, Place
from bench.suite import MIX, Say
from bench.workloads import WORKLOADS

SIZES = (100, 1_000, 10_000, 50_000, 100_000)
ENDPOINTS = 15
"""Endpoints per Service."""
CHANGES = 500
PER_CHANGE = "CPU ms/change"
NEW = ", new names"
RUNS, SECONDS_EACH = 3, 2.0
NEW_NAMES = next(w for w in WORKLOADS if w.name == "new-endpoints")


def measure(sizes: Sequence[int], folder: Path, figures: Figures, say: Say) -> None:
    """Measure minidns at each size."""
    figures.how = {
        "clusters": f"{ENDPOINTS} endpoints for each Service, one in ten headless",
        "changes": f"{CHANGES}, each moving one endpoint, one after the other",
    }
    for services in sizes:
        say(f"{services} Services")
        size = (services, services * ENDPOINTS)
        with (
            servers.place(folder / str(services), *size) as at,
            servers.serving(OURS, MINIDNS, at) as subject,
        ):
            _measure(at, subject, figures)


def _measure(at: Place, subject: Subject, figures: Figures) -> None:
    what = f"{at.services:,} Services"
    figures.add(what, MIB, OURS, subject.rss_mib())
    figures.add(what, SECONDS, OURS, subject.ready_s)
    figures.add(what, CPU_S, OURS, subject.start_cpu_s)
    figures.add(what, PER_CHANGE, OURS, _per_change(at, subject))
    for workload, name in ((MIX, what), (NEW_NAMES, what + NEW)):
        queries = speed.prepare(workload, at.services, at.folder)
        speed.run(subject, queries, "udp", SECONDS_EACH)
        for _ in range(RUNS):
            run = speed.run(subject, queries, "udp", SECONDS_EACH)
            figures.add(name, CPU, OURS, run.cpu_us)


def _per_change(at: Place, subject: Subject) -> float:
    """Return the CPU time of the server per change, in milliseconds."""
    api = Api(at.kubeconfig, at.services, at.endpoints)
    before = subject.cpu_s()
    for number in range(CHANGES):
        api.move_endpoint(
            number * 37 % at.services, f"10.253.{number >> 8 & 255}.{number & 255}"
        )
    time.sleep(0.2)  # until the last events have arrived
    return (subject.cpu_s() - before) * 1e3 / CHANGES
