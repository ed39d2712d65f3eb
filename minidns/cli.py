"""The command line: one table of commands, and the program that runs one of them.

Without a command's name minidns serves DNS (`minidns.commands.serve`). The module of a
command is imported only when it is run or its parser is needed.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from minidns.commands import serve
from minidns.text.arguments import USAGE, Parser, did_you_mean
from minidns.text.terminal import escaping

GLOBAL_FLAGS = ("--kubeconfig", "--context", "-n", "--namespace")
"""Flags that may also stand before the command, as with kubectl; each has a value."""


class Runnable(Protocol):
    """A module that implements a command."""

    def parser(self) -> Parser:
        """Return the parser of the command."""
        ...

    def main(self, argv: Sequence[str]) -> int:
        """Run the command; return its exit status."""
        ...


class Command(NamedTuple):
    """A command of minidns."""

    name: str
    """The word after ``minidns``."""
    summary: str
    """One line of ``--help``."""
    module: str
    alias: str = ""
    """Another spelling of the name."""

    def load(self) -> Runnable:
        """Return the module of the command, imported."""
        return cast(Runnable, import_module(self.module))


COMMANDS = (
    Command("up", "answer for a cluster's names on a laptop", "minidns.commands.up"),
    Command("clone", "make a second cluster DNS", "minidns.second_dns.clone"),
    Command(
        "enrol", "point pods at a second DNS", "minidns.second_dns.enrol", "enroll"
    ),
    Command(
        "unenrol", "undo what enrol changed", "minidns.second_dns.unenrol", "unenroll"
    ),
    Command("status", "show which pods use which DNS", "minidns.second_dns.status"),
    Command(
        "split-dns",
        "point a laptop's resolver at minidns",
        "minidns.laptop.split_dns.command",
    ),
    Command("why", "explain why an answer is what it is", "minidns.commands.why"),
    Command(
        "probe",
        "look names up at servers, steadily, and count what fails",
        "minidns.commands.probe",
    ),
    Command(
        "relay",
        "pass DNS on to pods, byte by byte",
        "minidns.commands.relay",
    ),
    Command(
        "compare",
        "ask several servers the same questions",
        "minidns.commands.compare",
    ),
    Command("check", "check a Corefile without serving it", "minidns.commands.check"),
    Command(
        "healthcheck",
        "report whether a server answers correctly",
        "minidns.commands.healthcheck",
    ),
)
BUILT_IN = {"help": "show the help of a command", "version": "show the version"}
"""Commands that this module runs itself."""


def serving_parser() -> Parser:
    """Return the parser of minidns without a command; its help lists the commands."""
    summaries = {command.name: command.summary for command in COMMANDS} | BUILT_IN
    lines = (f"  minidns {name:12} {text}" for name, text in summaries.items())
    return serve.parser("\n".join(("commands:", *lines)))


def split(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the command and its arguments; without a command it is empty.

    Flags that may stand before the command become the first of its arguments.

    >>> split(["--context", "kind", "status", "-o", "json"])
    ('status', ['--context', 'kind', '-o', 'json'])
    """
    start = 0
    while start < len(words) and words[start].partition("=")[0] in GLOBAL_FLAGS:
        start += 1 if "=" in words[start] else 2
    name = words[start] if start < len(words) else ""
    if not name or name.startswith("-"):
        return "", list(words)
    return name, [*words[:start], *words[start + 1 :]]


def find(name: str) -> Command | None:
    """Return the command with this name or alias."""
    return next((c for c in COMMANDS if name and name in (c.name, c.alias)), None)


@escaping
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names; return its exit status."""
    name, rest = split(list(sys.argv[1:] if argv is None else argv))
    try:
        if command := find(name):
            return command.load().main(rest)
        match name:
            case "":
                return serve.run(serving_parser().parse(rest))
            case "help":
                return _help(rest[0] if rest else "help")
            case "version":
                return serve.show_version()
        return _unknown(name)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader has closed the pipe (``| head``): so no message can reach it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _help(name: str) -> int:
    if command := find(name):
        command.load().parser().print_help()
    elif name in BUILT_IN:
        serving_parser().print_help()
    else:
        return _unknown(name)
    return 0


def _unknown(name: str) -> int:
    known = [*BUILT_IN, *(c.name for c in COMMANDS)]
    text = f'minidns: unknown command "{name}"{did_you_mean(name, known)}'
    print(f"{text}\nsee minidns --help", file=sys.stderr)
    return USAGE
