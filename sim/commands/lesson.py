"""``minidns-sim lesson``: list the lessons, or take one."""

import sys
from collections.abc import Sequence

from minidns.text.arguments import Parser

from ..lesson.page import LANGUAGES, Lesson, lessons
from ..lesson.session import SAID, Session
from .common import count

_EXAMPLES = {
    "minidns-sim lesson": "the lessons",
    "minidns-sim lesson 2": "take the second one",
    "minidns-sim lesson 2 --play": "run all its commands, and ask only the questions",
    r"printf '8\n4\n' | minidns-sim lesson 2 --play": "answer from a script",
}
_NOTES = """\
exit status: 0 every question was answered right, 1 one was not"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim lesson",
        "List the lessons about DNS in a cluster, or take one: its commands run on a "
        "simulated cluster in virtual time, and answers are compared with what that "
        "cluster does. A wrong answer gets a hint; ? shows the answer.",
        _EXAMPLES,
        _NOTES,
    )
    parser.add_argument(
        "--play",
        action="store_true",
        help="run the commands without waiting for Enter",
    )
    parser.add_argument(
        "--language",
        choices=tuple(LANGUAGES),
        default="en",
        help="language of the page",
    )
    parser.add_argument("number", nargs="?", type=count, metavar="N", help="the lesson")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    known = {lesson.number: lesson for lesson in lessons(args.language)}
    if args.number is None:
        print("\n".join(f"{each.title} ({each.minutes})" for each in known.values()))
        return 0
    if args.number not in known:
        arguments.error(f"{args.number}: no such lesson; there are 1 to {max(known)}")
    return 0 if _take(known[args.number], args.language, waits=not args.play) else 1


def _take(lesson: Lesson, language: str, *, waits: bool) -> bool:
    """Take a lesson at the terminal; return whether it was passed."""

    def read() -> str | None:
        return sys.stdin.readline() or None

    def write(text: str) -> None:
        print(text, end="", flush=True)

    return Session(read, write, SAID[language], waits).take(lesson)
