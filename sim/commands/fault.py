"""``minidns-sim fault``: faults of the running cluster, in the words of scenarios."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from minidns.text.arguments import Parser

from ..cluster import state
from .common import add_folder, fail

_EXAMPLES = {
    "minidns-sim fault add 'lose 1/10 link app>node'": "lose every tenth datagram",
    "minidns-sim fault list -o json": "the faults, and what they affected",
    "minidns-sim fault clear": "remove all",
}
_NOTES = """\
actions:
  list    list the faults and how many messages they affected
  add     add a fault; docs/scenarios.md has the words
  clear   remove the fault with these words, or all"""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim fault",
        "List, add and clear faults of the cluster that is up.",
        _EXAMPLES,
        _NOTES,
    )
    parser.add_argument("action", choices=("list", "add", "clear"))
    parser.add_argument("words", nargs="*", metavar="WORD", help="words of a fault")
    parser.add_output("text", "json", help_="output format of list")
    add_folder(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    # a quoted fault is one argument: '>' means something to shells
    words = " ".join(args.words).split()
    if words and args.action == "list":
        arguments.error(f"list {words[0]}: list has no further words")
    if not words and args.action == "add":
        arguments.error("add: the words of a fault are needed, such as 'lose 1/10'")
    try:
        _act(args, words)
    except (state.NotUp, LookupError) as error:
        return fail("fault", error.args[0])
    return 0


def _act(args: argparse.Namespace, words: Sequence[str]) -> None:
    running = state.read(args.state)
    match args.action:
        case "add":
            state.add_fault(running, words)
        case "clear":
            state.clear_faults(running, words)
        case _:
            _print(state.list_faults(running), as_json=args.output == "json")


def _print(faults: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"faults": faults}, indent=2, ensure_ascii=False))
        return
    for fault in faults:
        hits = "" if fault["hits"] is None else f": {fault['hits']}"
        print(f"{fault['fault']}{hits}")
    if not faults:
        print("no faults")
