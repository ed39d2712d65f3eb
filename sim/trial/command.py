"""``minidns-sim trial``: plant a cause in the simulated cluster and find it."""

import argparse
import json
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from minidns.trial.verdict import Verdict

from ..node import fault_words
from .causes import CAUSES
from .play import BACKGROUND, Played, play

FOUND, NOT_FOUND = 0, 1
"""Exit status: whether the verdict is the planted cause."""
RAREST, MOST_FREQUENT = Fraction(1, 100_000), Fraction(1, 2)
_NOTES = """\
The exit status is 0 if the verdict is the planted cause, 1 if it is another one or
none, 2 if the command line is wrong."""


def add_to(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the parser of this command to those of ``minidns-sim``."""
    parser = verbs.add_parser(
        "trial",
        help="plant a cause of failures and find it as minidns trial does",
        epilog=_NOTES,
    )
    parser.add_argument(
        "--list", action="store_true", help="list the causes that can be planted"
    )
    parser.add_argument("--plant", metavar="CAUSE", type=_cause, help="the cause")
    parser.add_argument(
        "--rate",
        metavar="RATE",
        type=_rate,
        default=Fraction(1, 100),
        help="rate of failed lookups over kube-dns, such as 1/1000 (default: 1/100)",
    )
    parser.add_argument(
        "--background",
        metavar="SHARE",
        type=_share,
        default=BACKGROUND,
        help="rate of failures of all lookups, as a share of RATE (default: 1/20)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=_seed, default=1, help="seed (default: 1)"
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=tuple(_OUTPUTS),
        default="text",
        help="format of the report (default: text)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit status."""
    if args.list:
        width = max(map(len, CAUSES))
        for name, cause in CAUSES.items():
            print(f"{name:{width}}  {cause.description}")
        return FOUND
    if args.plant is None:
        print(
            "minidns-sim trial: --plant CAUSE is missing; see --list", file=sys.stderr
        )
        return 2
    played = play(args.plant, args.rate, args.seed, background=args.background)
    print(_OUTPUTS[args.output](played))
    return FOUND if played.verdict.suspect == played.planted else NOT_FOUND


def _cause(word: str) -> str:
    if word not in CAUSES:
        raise argparse.ArgumentTypeError(
            f"{word} is not a cause; choose from {', '.join(CAUSES)}"
        )
    return word


def _rate(word: str) -> Fraction:
    value = _share(word)
    if not RAREST <= value <= MOST_FREQUENT:
        raise argparse.ArgumentTypeError(
            f"{word} is not between {RAREST} and {MOST_FREQUENT}"
        )
    return value


def _share(word: str) -> Fraction:
    if word == "0":
        return Fraction(0)
    try:
        return fault_words.rate(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seed(word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise argparse.ArgumentTypeError(f"{word} is not a number such as 7")
    return int(word)


def _json(played: Played) -> str:
    return json.dumps(to_json(played), indent=2)


def to_json(played: Played) -> dict[str, Any]:
    """Return the outcome of a trial in the simulation as JSON."""
    verdict, ledger = played.verdict, played.ledger
    return {
        "planted": played.planted,
        "verdict": str(verdict.suspect),
        "odds": verdict.odds,
        "runner_up": _name(verdict),
        "lookups": ledger.ticks,
        "lookups_of_all_arms": sum(r.lookups for r in ledger.targets.values()),
        "seconds": round(ledger.seconds, 3),
    }


def _name(verdict: Verdict) -> str | None:
    return str(verdict.runner_up.accusation.suspect) if verdict.runner_up else None


def _text(played: Played) -> str:
    return "\n".join(f"{key}: {value}" for key, value in to_json(played).items())


_OUTPUTS: dict[str, Callable[[Played], str]] = {"text": _text, "json": _json}
