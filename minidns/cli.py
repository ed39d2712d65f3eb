"""The commands of minidns: one table to run, complete and describe them by.

What has no word of its own here is the serving command (`minidns.__main__`). A module
is imported when its command is run or described, and not before.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, Protocol, cast


class Runnable(Protocol):
    """A module with a command in it."""

    def parser(self) -> argparse.ArgumentParser:
        """Return the parser of the command."""
        ...

    def main(self, argv: Sequence[str]) -> int:
        """Run the command; return its exit status."""
        ...


class Command(NamedTuple):
    """A word after ``minidns``."""

    name: str
    summary: str
    """One line, as ``--help`` has it."""
    module: str

    def load(self) -> Runnable:
        """Return the module of the command, imported."""
        return cast(Runnable, import_module(self.module))


COMMANDS = (
    Command("up", "answer for a cluster's names on a laptop", "minidns.laptop.up"),
    Command("clone", "make a second cluster DNS", "minidns.second_dns.clone"),
    Command("enrol", "point pods at a second DNS", "minidns.second_dns.enrol"),
    Command("unenrol", "put back what enrol changed", "minidns.second_dns.unenrol"),
    Command("status", "show who asks which DNS", "minidns.second_dns.status"),
    Command(
        "split-dns",
        "point a laptop's resolver at minidns",
        "minidns.laptop.split_dns.command",
    ),
    Command("why", "say why an answer is what it is", "minidns.commands.why"),
    Command("check", "check a Corefile without serving it", "minidns.commands.check"),
    Command(
        "healthcheck", "say whether a server is well", "minidns.commands.healthcheck"
    ),
    Command(
        "completion", "print completion for a shell", "minidns.commands.completion"
    ),
    Command("man", "print the manual page", "minidns.commands.manual"),
)


def find(argv: Sequence[str]) -> Command | None:
    """Return the command that the first word names."""
    first = argv[0] if argv else ""
    return next((each for each in COMMANDS if each.name == first), None)
