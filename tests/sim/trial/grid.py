"""The figures of trials: every cause at a rate, with many seeds.

    python -m tests.sim.trial.grid --rate 1/1000 --seeds 8000 8020

It prints for each cause how many verdicts were right, and the lookups over each arm in
multiples of 1/rate, then how often CoreDNS was blamed and innocent. A whole grid of 20
seeds takes about 20 minutes at 1/100, and hours at 1/1000.
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from minidns.trial.suspects import Suspect
from sim.node.fault_words import rate
from sim.trial.causes import CAUSES
from sim.trial.play import play


class Run(NamedTuple):
    """One trial of the grid."""

    planted: str
    verdict: Suspect
    lookups: float
    """Lookups over each arm times the rate."""


def main() -> None:
    """Play the grid and print its figures as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=rate, default=rate("1/100"))
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 21))
    parser.add_argument("causes", nargs="*", default=list(CAUSES))
    args = parser.parse_args()
    runs: list[Run] = []
    for cause in args.causes:
        for seed in range(*args.seeds):
            played = play(cause, args.rate, seed)
            lookups = played.ledger.ticks * float(args.rate)
            runs.append(Run(cause, played.verdict.suspect, lookups))
        print(line(cause, [run for run in runs if run.planted == cause]), flush=True)
    print(line("all", runs))
    innocent = [run for run in runs if not CAUSES[run.planted].suspect.is_coredns]
    blamed = sum(run.verdict.is_coredns for run in innocent)
    print(f"CoreDNS blamed when innocent: {blamed} of {len(innocent)}")


def line(title: str, runs: Sequence[Run]) -> str:
    """Return one line of the table."""
    right = sum(run.verdict == run.planted for run in runs)
    lookups = [run.lookups for run in runs]
    mean = sum(lookups) / len(lookups)
    return f"{title:15} {right}/{len(runs)} right, lookups x rate: mean {mean:.1f}, most {max(lookups):.1f}"


if __name__ == "__main__":
    main()
