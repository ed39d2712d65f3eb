"""The command line: one table of commands, and the program that runs one of them.

Without a command's name minidns serves DNS (`minidns.commands.serve`). The module of a
command is imported only when it is run or its parser is needed.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from minidns.commands import serve
from minidns.text.terminal import escaping


class Runnable(Protocol):
    """A module that implements a command."""

    def parser(self) -> argparse.ArgumentParser:
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

    def load(self) -> Runnable:
        """Return the module of the command, imported."""
        return cast(Runnable, import_module(self.module))


COMMANDS = (
    Command("up", "answer for a cluster's names on a laptop", "minidns.commands.up"),
    Command("clone", "make a second cluster DNS", "minidns.second_dns.clone"),
    Command("enrol", "point pods at a second DNS", "minidns.second_dns.enrol"),
    Command("unenrol", "undo what enrol changed", "minidns.second_dns.unenrol"),
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


def find(argv: Sequence[str]) -> Command | None:
    """Return the command that the first word names."""
    first = argv[0] if argv else ""
    return next((command for command in COMMANDS if command.name == first), None)


def serving_parser() -> argparse.ArgumentParser:
    """Return the parser of minidns without a command; its help lists the commands."""
    parser = serve.parser()
    lines = (f"  minidns {command.name:12} {command.summary}" for command in COMMANDS)
    parser.epilog = "\n".join(("commands:", *lines))
    return parser


@escaping
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` names; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if command := find(words):
            return command.load().main(words[1:])
        return serve.run(serving_parser().parse_args(words))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader has closed the pipe (``| head``): so no message can reach it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
