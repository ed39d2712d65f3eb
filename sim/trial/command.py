"""``minidns-sim trial``: plant a cause in the simulated cluster and find it."""

import argparse
import json
import sys
from fractions import Fraction

from minidns.trial.report.facts import Setup, report
from minidns.trial.report.formats import FORMATS, to_json

from ..node import fault_words

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
        default=Fraction(1, 20),
        help="rate of failures of all lookups, as a share of RATE (default: 1/20)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=_seed, default=1, help="seed (default: 1)"
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=tuple(FORMATS),
        default="text",
        help="format of the report (default: text)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; return its exit status."""
    from .causes import CAUSES
    from .play import play

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
    repeat = (
        f"minidns-sim trial --plant {args.plant} --rate {args.rate} "
        f"--background {args.background} --seed {args.seed}"
    )
    setup = Setup(played.started, repeat, f"simulated, with {args.plant} planted")
    facts = report(played.ledger, played.verdict, setup)
    if args.output == "json":
        result = {"planted": args.plant, **to_json(facts)}
        print(json.dumps(result, indent=2))
    else:
        print(FORMATS[args.output](facts))
    return FOUND if played.verdict.suspect == args.plant else NOT_FOUND


def _cause(word: str) -> str:
    from .causes import CAUSES

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
