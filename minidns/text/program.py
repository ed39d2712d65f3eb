"""A program with commands: ``PROGRAM COMMAND ...``, ``help``, ``version``, suggestions.

The module of a command is imported only when it is run or its parser is needed.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from minidns.text.arguments import USAGE, Parser, did_you_mean
from minidns.text.terminal import escaping

INTERRUPTED, BROKEN_PIPE = 130, 141
"""Exit statuses as of shells, for SIGINT and SIGPIPE."""
BUILT_IN = {"help": "show the help of a command", "version": "show the version"}
"""Commands that every program has."""


class Runnable(Protocol):
    """A module that implements a command."""

    def parser(self) -> Parser:
        """Return the parser of the command."""
        ...

    def main(self, argv: Sequence[str]) -> int:
        """Run the command; return its exit status."""
        ...


class Command(NamedTuple):
    """A command of a program."""

    name: str
    """The word after the program's name."""
    summary: str
    """One line of ``--help``."""
    module: str
    alias: str = ""
    """Another spelling of the name."""

    def load(self) -> Runnable:
        """Return the module of the command, imported."""
        return cast(Runnable, import_module(self.module))


@dataclass(frozen=True, slots=True)
class Program:
    """A program: its commands, and what it does without one."""

    name: str
    commands: tuple[Command, ...]
    own_parser: Callable[[str], Parser]
    """Makes the parser of the program without a command; takes the end of its help."""
    own_main: Callable[[Parser, Sequence[str]], int]
    """Runs the program without a command; returns the exit status."""
    show_version: Callable[[], int]
    global_flags: tuple[str, ...] = ()
    """Flags that may also stand before the command; each has a value."""

    def parser(self) -> Parser:
        """Return the parser of the program without a command; its help lists them."""
        summaries = {c.name: c.summary for c in self.commands} | BUILT_IN
        lines = (f"  {self.name} {name:12} {text}" for name, text in summaries.items())
        return self.own_parser("\n".join(("commands:", *lines)))

    def split(self, words: Sequence[str]) -> tuple[str, list[str]]:
        """Return the command and its arguments; without a command it is empty.

        Flags that stand before the command become the first of its arguments.
        """
        start = 0
        while (
            start < len(words) and words[start].partition("=")[0] in self.global_flags
        ):
            start += 1 if "=" in words[start] else 2
        name = words[start] if start < len(words) else ""
        if not name or name.startswith("-"):
            return "", list(words)
        return name, [*words[:start], *words[start + 1 :]]

    def find(self, name: str) -> Command | None:
        """Return the command with this name or alias."""
        matches = (c for c in self.commands if name and name in (c.name, c.alias))
        return next(matches, None)

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run the command that ``argv`` names; return its exit status."""
        try:
            return self._run(list(sys.argv[1:] if argv is None else argv))
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            # the reader has closed the pipe (``| head``): discard further output
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE

    @escaping
    def _run(self, argv: Sequence[str]) -> int:
        name, rest = self.split(argv)
        if command := self.find(name):
            return command.load().main(rest)
        match name:
            case "":
                return self.own_main(self.parser(), rest)
            case "help":
                return self._help(rest[0] if rest else "help")
            case "version":
                return self.show_version()
        return self._unknown(name)

    def _help(self, name: str) -> int:
        if command := self.find(name):
            command.load().parser().print_help()
        elif name in BUILT_IN:
            self.parser().print_help()
        else:
            return self._unknown(name)
        return 0

    def _unknown(self, name: str) -> int:
        known = [*BUILT_IN, *(c.name for c in self.commands)]
        text = f'{self.name}: unknown command "{name}"{did_you_mean(name, known)}'
        print(f"{text}\nsee {self.name} --help", file=sys.stderr)
        return USAGE
