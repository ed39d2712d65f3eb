"""``minidns-sim explore``: plays many seeds and shrinks the first one that fails."""

import os
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context

from minidns.text.arguments import Parser

from ..scenario.explore import plan, run, shrink
from .common import count

_EXAMPLES = {
    "minidns-sim explore --seeds 200": "a short run",
    "minidns-sim explore --from 4711 --seeds 1": "one seed again",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim explore",
        "Play random clusters, faults and orders of events; check every answer, and "
        "shrink what fails.",
        _EXAMPLES,
    )
    for option, default, help_ in (
        ("--seeds", 1000, "number of seeds"),
        ("--from", 1, "first seed"),
        ("--jobs", os.cpu_count() or 1, "number of processes"),
    ):
        parser.add_argument(
            option,
            type=count,
            default=default,
            metavar="N",
            dest=option[2:] if option != "--from" else "first",
            help=help_,
        )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return 1 if an invariant is broken."""
    args = parser().parse(argv)
    start, failed = time.monotonic(), 0
    seeds = range(args.first, args.first + args.seeds)
    with get_context("spawn").Pool(args.jobs) as pool:
        results = pool.imap(violations, seeds, chunksize=5)
        for seed, kinds in zip(seeds, results, strict=True):
            failed += bool(kinds)
            for kind in kinds[:1]:
                for line in report(seed, kind):
                    print(line, flush=True)
    took_s = time.monotonic() - start
    print(f"{args.seeds} seeds, {failed} failed, {took_s:.0f} s")
    return 1 if failed else 0


def violations(seed: int) -> list[str]:
    """Return the kinds of invariants that a seed breaks, each once."""
    found = run.run(plan.draw(seed))
    return list(dict.fromkeys(violation.kind for violation in found))


def report(seed: int, kind: str) -> Iterator[str]:
    """Yield the shortest plan of ``seed`` that breaks an invariant of ``kind``."""

    def breaks(candidate: plan.Plan) -> bool:
        return any(violation.kind == kind for violation in run.run(candidate))

    shortest = shrink.shrink(plan.draw(seed), breaks)
    yield f"seed {seed} fails ({kind}); the shortest plan that does:"
    yield from (f"  {line}" for line in shortest.lines())
    for violation in run.run(shortest):
        if violation.kind == kind:
            yield f"  {violation.kind}: {violation.text}"
    yield f"  again: minidns-sim explore --from {seed} --seeds 1"
