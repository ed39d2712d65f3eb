"""``make bench``: queries per second and CPU per query, side by side in one run."""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.process import Subject, echo, free_port, minidns, running, server
from bench.workloads import WORKLOADS

SERVER_CORE, LOAD_CORE = 0, 1


def main() -> int:
    """Measure, print a table, and with --json write the figures to a file."""
    args = _arguments()
    with (
        tempfile.TemporaryDirectory() as name,
        _cluster(Path(name), args.services) as kubeconfig,
    ):
        folder = Path(name)
        queries = _write_queries(folder, args.services)
        with contextlib.ExitStack() as stack:
            subjects = [
                stack.enter_context(each)
                for each in _subjects(folder, kubeconfig, args.peer)
            ]
            _describe(args, subjects)
            figures = [
                _measure(subject, workload, path, args)
                for workload, path in queries.items()
                for subject in subjects
            ]
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="COMMAND",
        help="another server, such as 'coredns -conf {corefile}'",
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    return parser.parse_args()


@contextlib.contextmanager
def _cluster(folder: Path, services: int) -> Iterator[Path]:
    """Yield the kubeconfig of a simulated API server that serves the cluster."""
    kubeconfig = folder / "kubeconfig"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cluster", str(services), str(kubeconfig)]
    )
    try:
        deadline = time.monotonic() + 60
        while not kubeconfig.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the simulated API server did not start")
            time.sleep(0.05)
        yield kubeconfig
    finally:
        process.terminate()
        process.wait()


def _write_queries(folder: Path, services: int) -> dict[str, Path]:
    paths = {}
    for number, (workload, make) in enumerate(WORKLOADS.items()):
        paths[workload] = folder / f"queries.{number}"
        paths[workload].write_text("\n".join(q.hex() for q in make(services)))
    return paths


def _subjects(
    folder: Path, kubeconfig: Path, peers: list[str]
) -> Iterator[contextlib.AbstractContextManager[Subject]]:
    port = free_port()
    command = echo(folder)
    if command is None:
        print("no C compiler: no echo to compare with")
    else:
        yield running("echo in C", [*command, str(port)], port, SERVER_CORE)
    port = free_port()
    yield running(
        "minidns", server(minidns(), folder, kubeconfig, port), port, SERVER_CORE
    )
    for peer in peers:
        port = free_port()
        yield running(
            peer.split()[0], server(peer, folder, kubeconfig, port), port, SERVER_CORE
        )


def _describe(args: argparse.Namespace, subjects: list[Subject]) -> None:
    print(
        f"{platform.system()} {platform.release()} {platform.machine()},"
        f" {os.cpu_count()} cores, Python {platform.python_version()};"
        f" {args.services} Services, one in ten headless with 5 endpoints;"
        f" median (least to most) of {args.runs} runs of {args.seconds:g} s,"
        f" server on core {SERVER_CORE}, load on core {LOAD_CORE}\n"
    )
    for subject in subjects:
        print(
            f"{subject.name}: first answer after {subject.ready_s:.2f} s,"
            f" {subject.rss_mb():.0f} MB resident"
        )
    head = ("queries/s", "CPU us/query", "lost")
    print("\n{:24}{:16}{:>12}{:>28}{:>8}".format("workload", "server", *head))


def _measure(
    subject: Subject, workload: str, queries: Path, args: argparse.Namespace
) -> dict[str, object]:
    _run(subject, queries, 0.5)  # warm
    runs = [_run(subject, queries, args.seconds) for _ in range(args.runs)]
    rates, costs, lost, wrong = zip(*runs, strict=True)
    cost = f"{statistics.median(costs):.1f} ({min(costs):.1f} to {max(costs):.1f})"
    print(
        f"{workload:24}{subject.name:16}{statistics.median(rates):12,.0f}{cost:>28}"
        f"{sum(lost):8}{'  wrong: ' + str(sum(wrong)) if sum(wrong) else ''}",
        flush=True,
    )
    return {
        "workload": workload,
        "server": subject.name,
        "queries_per_s": rates,
        "cpu_us_per_query": costs,
        "lost": lost,
        "wrong": wrong,
        "rss_mb": subject.rss_mb(),
    }


def _run(
    subject: Subject, queries: Path, seconds: float
) -> tuple[float, float, int, int]:
    before = subject.cpu_s()
    command = [sys.executable, "-m", "bench.load", str(subject.port), str(queries)]
    command += [str(seconds), "--core", str(LOAD_CORE)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    used = subject.cpu_s() - before
    answered = told["answered"] or 1
    in_flight = 64
    lost = max(0, int(told["sent"] - told["answered"]) - in_flight)
    return answered / told["seconds"], used / answered * 1e6, lost, int(told["wrong"])


if __name__ == "__main__":
    sys.exit(main())
