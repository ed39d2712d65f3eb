"""``minidns-sim run``: play scenarios and compare their output with the text."""

import argparse
import sys
from collections.abc import Sequence
from typing import TextIO

from minidns.text.arguments import Parser
from minidns.text.files import describe

from ..scenario import play
from ..trial import word
from .common import count, fail

_EXAMPLES = {
    "minidns-sim run docs/how-resolution-works.md": "the scenarios of a page",
    "minidns-sim run --without-fault docs/incidents/oom-killed.md": "the healthy case",
    "minidns-sim run --print story.txt": "what is printed instead of what is expected",
}
_NOTES = """\
exit status: 0 all is as expected, 1 something differs or no file has a scenario"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim run",
        "Play scenarios in virtual time, and compare the output of every command with "
        "the lines below it. docs/scenarios.md has the commands.",
        _EXAMPLES,
        _NOTES,
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--print",
        action="store_true",
        help="print the scenarios with their actual output",
    )
    shown.add_argument(
        "--hash", action="store_true", help="print the hash of each trace, too"
    )
    shown.add_argument(
        "-o",
        dest="output",
        choices=("text", "json"),
        default="text",
        help="output format",
    )
    parser.add_argument(
        "--seed",
        type=count,
        metavar="N",
        help="draw chance, and the order of tasks that are ready, from this seed",
    )
    parser.add_argument(
        "--step",
        action="store_true",
        help="stop before each command until a line is entered; show its output",
    )
    parser.add_argument(
        "--without-fault",
        action="store_true",
        help='leave out the commands below "# the fault"',
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a scenario, or Markdown with some"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    args = parser().parse(argv)
    try:
        return play.main(
            args.files,
            sys.stdout,
            _show(args),
            args.seed,
            without_fault=args.without_fault,
            watch=stepping(sys.stdin, sys.stdout) if args.step else play.ignore,
            commands=word.COMMANDS,
        )
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail("run", describe(error))
    except ValueError as error:
        return fail("run", error)


def _show(args: argparse.Namespace) -> play.Show:
    if args.print:
        return play.Show.ACTUAL
    if args.hash:
        return play.Show.HASH
    return play.Show.JSON if args.output == "json" else play.Show.RESULT


def stepping(enter: TextIO, out: TextIO) -> play.Watch:
    """Return what shows each command, and plays it when a line comes from ``enter``.

    At the end of ``enter`` the rest is played without a stop.
    """

    def watch(step: play.Step | play.PlayedStep) -> None:
        if isinstance(step, play.PlayedStep):
            shown = list(play.actual_lines([step]))[1:]
            out.write("".join(f"{line}\n" for line in shown))
            return
        out.write(f"{step.line}: {step.command}")
        out.flush()
        if not enter.readline() or not enter.isatty():  # nobody has typed a new line
            out.write("\n")

    return watch
