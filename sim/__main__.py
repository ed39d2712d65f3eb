"""The command line of the simulation: one table of commands."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from minidns.commands.serve import show_version
from minidns.text.arguments import Parser
from minidns.text.program import Command, Program

_DESCRIPTION = """\
A simulated cluster on loopback: a Kubernetes API over HTTP, two DNS services with \
real minidns processes behind them, pods that look names up, an external resolver."""
_EXAMPLES = {
    "minidns-sim demo": "the purpose of minidns, step by step",
    "minidns-sim up": "a cluster for kubectl, until Ctrl-C",
    "minidns-sim exec app -- nslookup kubernetes.default": "look a name up in a pod",
}


def _command(name: str, summary: str) -> Command:
    return Command(name, summary, f"{__package__}.commands.{name}")


COMMANDS = (
    _command("demo", "run the demo and check every claim"),
    _command("up", "run a cluster for kubectl and exec"),
    _command("exec", "run a command in a pod of the running cluster"),
    _command("fault", "list, add and clear faults of the running cluster"),
    _command("run", "play scenarios and check them"),
    _command("lesson", "list the lessons, or take one"),
    _command("resolve", "show what a stub resolver sends for a name"),
    _command("walk", "show every step of a lookup, with both DNS services"),
    _command("web", "serve a page that shows every step, and breaks links"),
    _command("trial", "plant a cause of failures and find it as minidns trial does"),
    _command("explore", "play random clusters and faults; check every answer"),
)


def own_parser(notes: str) -> Parser:
    """Return the parser of the program without a command."""
    parser = Parser("minidns-sim", _DESCRIPTION, _EXAMPLES, notes)
    parser.usage = "minidns-sim COMMAND ..."
    return parser


def _no_command(parser: Parser, argv: Sequence[str]) -> NoReturn:
    parser.parse(argv)
    parser.error("a command is missing, such as demo or up")


_COMPLETERS = {
    dest: f"{__package__}.commands.completers:{function}"
    for dest, function in (("kind", "resolvers"), ("plant", "causes"), ("pod", "pods"))
}
PROGRAM = Program(
    "minidns-sim",
    COMMANDS,
    own_parser,
    _no_command,
    show_version,
    completers=_COMPLETERS,
)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
