"""The figures of trials: every cause at a rate, with many seeds.

    python -m tests.sim.trial.grid grid.jsonl --rate 1/1000 --seeds 8000 8020

Each trial is appended to the file as one line of JSON when it is over, and a trial that
is in the file is not repeated: an interrupted grid goes on where it was. All causes
are played with one seed before the next seed. The table at the end is that of all trials
in the file with this rate and these seeds.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from minidns.trial.suspects import Suspect
from sim.node.fault_words import rate
from sim.trial.causes import CAUSES
from sim.trial.play import play

EXPECTED: Mapping[str, float] = {
    "software": 5.1,
    "configuration": 9.3,
    "one-replica": 3.5,
    "path": 6.1,
    "any-service": 5.1,
    "node": 4.4,
    "upstream": 8.4,
    "stale": 7.7,
    "client-resolver": 5.2,
    "everything": 15.8,
    "minidns": 4.1,
}
"""Mean lookups over each arm times the rate, if failures are drawn without packets."""


class Run(NamedTuple):
    """One trial of the grid."""

    planted: str
    rate: str
    seed: int
    verdict: str
    ticks: int
    """Lookups over each arm."""
    best: str
    """The likeliest suspect, also of a trial without a verdict."""
    runner_up: str
    odds: float | None
    cpu_s: float
    """Seconds of processor time."""

    @property
    def lookups(self) -> float:
        """Lookups over each arm times the rate."""
        return self.ticks * float(Fraction(self.rate))

    @property
    def is_innocent(self) -> bool:
        """Whether CoreDNS did not cause the failures."""
        return not CAUSES[self.planted].suspect.is_coredns

    @property
    def blames_coredns(self) -> bool:
        """Whether the verdict blames CoreDNS."""
        return Suspect(self.verdict).is_coredns


def main() -> None:
    """Play what is missing in the file, and print the table of its trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rate", type=rate, default=rate("1/100"))
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 21))
    parser.add_argument("causes", nargs="*", default=list(CAUSES))
    args = parser.parse_intermixed_args()
    wanted = [(c, str(args.rate), s) for s in range(*args.seeds) for c in args.causes]
    with suppress(KeyboardInterrupt):
        _play_missing(args.file, wanted)
    print("\n".join(table([r for r in _read(args.file) if r[:3] in wanted])))


def _play_missing(path: Path, wanted: Sequence[tuple[str, str, int]]) -> None:
    """Play the trials that are not in the file, and append them."""
    done = {run[:3] for run in _read(path)}
    with path.open("a") as file:
        for cause, of, seed in wanted:
            if (cause, of, seed) not in done:
                file.write(json.dumps(_run(cause, of, seed)._asdict()) + "\n")
                file.flush()


def _run(cause: str, of: str, seed: int) -> Run:
    started = time.process_time()
    played = play(cause, Fraction(of), seed)
    verdict = played.verdict
    best, runner_up = (str(ranked.accusation.suspect) if ranked else "" for ranked in (verdict.best, verdict.runner_up))
    spent = round(time.process_time() - started, 2)
    ticks = played.ledger.ticks
    suspect = str(verdict.suspect)
    return Run(cause, of, seed, suspect, ticks, best, runner_up, verdict.odds, spent)


def _read(path: Path) -> list[Run]:
    if not path.exists():
        return []
    return [Run(**json.loads(line)) for line in path.read_text().splitlines()]


def table(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the lines of the table of ``runs``."""
    yield (
        f"{'cause':15} {'right':>7} {'mean':>5} {'most':>5} {'x exp.':>6} "
        f"{'CPU s':>6}  wrong: seed verdict (best, second)"
    )
    for cause in dict.fromkeys(run.planted for run in runs):
        yield _line(cause, [run for run in runs if run.planted == cause])
    if runs:
        yield _line("all", runs)
    innocent = [run for run in runs if run.is_innocent]
    blamed = sum(run.blames_coredns for run in innocent)
    yield f"CoreDNS blamed when innocent: {blamed} of {len(innocent)}"


def _line(title: str, runs: Sequence[Run]) -> str:
    wrong = [run for run in runs if run.verdict != run.planted]
    lookups = [run.lookups for run in runs]
    mean = sum(lookups) / len(runs)
    times = f"{mean / EXPECTED[title]:.2f}" if title in EXPECTED else "-"
    spent = sum(run.cpu_s for run in runs) / len(runs)
    notes = (f"{r.seed} {r.verdict} ({r.best}, {r.runner_up})" for r in wrong)
    return (
        f"{title:15} {len(runs) - len(wrong):3}/{len(runs):3} {mean:5.1f} "
        f"{max(lookups):5.1f} {times:>6} {spent:6.1f}  "
        f"{'; '.join(notes) if title != 'all' else ''}"
    ).rstrip()


if __name__ == "__main__":
    main()
