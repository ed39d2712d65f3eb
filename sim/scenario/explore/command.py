"""``minidns-sim explore``: plays many seeds and shrinks the first one that fails."""

import time
from collections.abc import Iterator
from multiprocessing import get_context
from typing import TextIO

from . import plan, run, shrink


def main(out: TextIO, first: int, count: int, jobs: int) -> int:
    """Play ``count`` seeds from ``first`` on; return 1 if an invariant is broken."""
    start, failed = time.monotonic(), 0
    seeds = range(first, first + count)
    with get_context("spawn").Pool(jobs) as pool:
        results = pool.imap(violations, seeds, chunksize=5)
        for seed, kinds in zip(seeds, results, strict=True):
            failed += bool(kinds)
            for kind in kinds[:1]:
                for line in report(seed, kind):
                    print(line, file=out, flush=True)
    took_s = time.monotonic() - start
    print(f"{count} seeds, {failed} failed, {took_s:.0f} s", file=out)
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
