"""``minidns-sim trial``: plant a cause in the simulated cluster and find it."""

import argparse
import json
from collections.abc import Sequence
from fractions import Fraction

from minidns.text.arguments import Parser, not_one_of
from minidns.trial.report.facts import Setup, report
from minidns.trial.report.formats import FORMATS, to_json

from ..node import fault_words

FOUND, NOT_FOUND = 0, 1
"""Exit status: whether the verdict is the planted cause."""
_EXAMPLES = {
    "minidns-sim trial --list": "the causes",
    "minidns-sim trial --plant one-replica --rate 1/100": "find one",
    "minidns-sim trial --plant path -o html >report.html": "a report with plots",
}
_NOTES = """\
exit status: 0 the verdict is the planted cause, 1 it is another one or none, 2 the
command line is wrong"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim trial",
        "Plant a cause of failures in the simulated cluster, and find it by the code "
        "of real trials, in virtual time.",
        _EXAMPLES,
        _NOTES,
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
        help="rate of failed lookups over kube-dns, such as 1/1000",
    )
    parser.add_argument(
        "--background",
        metavar="SHARE",
        type=_share,
        default=Fraction(1, 20),
        help="rate of failures of all lookups, as a share of RATE",
    )
    parser.add_argument("--seed", metavar="N", type=_seed, default=1, help="seed")
    parser.add_argument(
        "-o",
        "--output",
        choices=tuple(FORMATS),
        default="text",
        help="format of the report",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    from ..trial.causes import CAUSES
    from ..trial.play import play

    arguments = parser()
    args = arguments.parse(argv)

    if args.list:
        width = max(map(len, CAUSES))
        for name, cause in CAUSES.items():
            print(f"{name:{width}}  {cause.description}")
        return FOUND
    if args.plant is None:
        arguments.error("--plant CAUSE: missing; --list shows the causes")
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
    from ..trial.causes import CAUSES

    if word not in CAUSES:
        raise argparse.ArgumentTypeError(not_one_of(word, CAUSES))
    return word


def _rate(word: str) -> Fraction:
    from ..trial.play import rate_of

    try:
        return rate_of(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _share(word: str) -> Fraction:
    if word == "0":
        return Fraction(0)
    try:
        return fault_words.rate(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seed(word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise argparse.ArgumentTypeError(f"{word}: a whole number is needed")
    return int(word)
