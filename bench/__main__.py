"""``make bench``: this tree's minidns beside an echo in C and any other server."""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench import report, scale, servers, suite, table
from bench.figures import Figures
from bench.machine import Machine
from bench.process import LOAD_CORE, SERVER_CORE
from bench.suite import Plan

_STARTED = time.monotonic()
QUICK = Plan(services=500, endpoints=2500, runs=1, seconds=0.7, changes=100)


def main() -> int:
    """Run the command."""
    args = _arguments()
    if args.command == "report":
        return report.main(args.folder, args.document)
    # a job in the background ignores SIGINT, and so would the processes it starts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.sched_setaffinity(0, {LOAD_CORE} & os.sched_getaffinity(0) or {0})
    figures = Figures(Machine.here(), {}, [])
    print(figures.machine, flush=True)
    try:
        with tempfile.TemporaryDirectory() as name:
            if args.command == "scale":
                scale.measure(args.sizes, Path(name), figures, _say)
            else:
                plan = _plan(args)
                figures.how = _how(plan)
                suite.measure(plan, Path(name), figures, _say)
        _say("done")
    finally:  # show what was measured before an error, too
        _show(figures, args.json)
    return 0


def _show(figures: Figures, json: Path | None) -> None:
    for key, value in figures.how.items():
        print(f"{key}: {value}")
    print(table.text(figures))
    if json:
        figures.write(json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    for name, help_ in (("run", "everything"), ("quick", "in less than a minute")):
        command = commands.add_parser(name, help=help_)
        _add_plan(command, QUICK if name == "quick" else Plan())
    command = commands.add_parser("scale", help="figures at several sizes")
    command.add_argument("--sizes", type=int, nargs="+", default=scale.SIZES)
    command.add_argument("--json", type=Path, metavar="FILE")
    command = commands.add_parser("report", help="write figures into the document")
    command.add_argument("--folder", type=Path, default=report.FOLDER)
    command.add_argument("--document", type=Path, default=report.DOCUMENT)
    return parser.parse_args(sys.argv[1:] or ["run"])


def _add_plan(parser: argparse.ArgumentParser, plan: Plan) -> None:
    parser.add_argument("--services", type=int, default=plan.services)
    parser.add_argument("--endpoints", type=int, default=plan.endpoints)
    parser.add_argument("--runs", type=int, default=plan.runs)
    parser.add_argument("--seconds", type=float, default=plan.seconds)
    parser.add_argument("--changes", type=int, default=plan.changes)
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        type=servers.peer,
        metavar="[NAME=]COMMAND",
        help="another server, such as 'coredns -conf {corefile}'",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="PART",
        help="workloads, speed, dot, mix-changing, half-capacity, expiring, memory,"
        " changes, many, small, simulation",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write them here too")


def _plan(args: argparse.Namespace) -> Plan:
    return Plan(
        args.services,
        args.endpoints,
        args.runs,
        args.seconds,
        args.changes,
        tuple(args.peer),
        tuple(args.only),
    )


def _how(plan: Plan) -> dict[str, str]:
    return {
        "cluster": f"{plan.services:,} Services, one in ten headless with 5 endpoints;"
        f" {plan.endpoints:,} endpoints in all",
        "runs": f"{plan.runs} of {plan.seconds:g} s after one to warm up;"
        " median (least to most)",
        "cores": f"servers on {SERVER_CORE}, everything else on {LOAD_CORE}",
        "generator": "in C, 64 queries in flight",
    }


def _say(text: str) -> None:
    """Print the progress to stderr."""
    print(f"{time.monotonic() - _STARTED:7.1f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
