"""A program with commands: ``PROGRAM COMMAND ...``, ``help``, ``version``, suggestions.

The module of a command is imported only when it is run or its parser is needed.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import NamedTuple, Protocol, cast

from minidns.text import completion
from minidns.text.arguments import USAGE, Parser, did_you_mean
from minidns.text.completion import Candidate, Completer
from minidns.text.terminal import escaping

INTERRUPTED, BROKEN_PIPE = 130, 141
"""Exit statuses as of shells, for SIGINT and SIGPIPE."""
BUILT_IN = {
    "help": "show the help of a command",
    "version": "show the version",
    "completion": "print the completion of a shell: bash, zsh, fish",
}
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
    completers: Mapping[str, str] = field(default_factory=dict)
    """Functions that complete values: ``MODULE:FUNCTION`` by ``dest`` of arguments."""

    def parser(self) -> Parser:
        """Return the parser of the program without a command; its help lists them."""
        names = self._names().items()
        lines = (f"  {self.name} {name:12} {text}" for name, text in names)
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
                self._check_order(rest)
                return self.own_main(self.parser(), rest)
            case "help":
                return self._help(self.built_in("help").parse(rest).command)
            case "version":
                self.built_in("version").parse(rest)
                return self.show_version()
            case "completion":
                shell = self.built_in("completion").parse(rest).shell
                print(completion.script(self.name, shell), end="")
                return 0
            case completion.COMMAND:
                begun = rest[-1] if rest else ""
                print(completion.reply(self.complete(rest or [""]), begun))
                return 0
        return self._unknown(name)

    def _check_order(self, words: Sequence[str]) -> None:
        """End the program if a command stands after flags that it cannot follow."""
        flags = self.parser().flags()
        for number, (before, name) in enumerate(pairwise(words), 1):
            flag = flags.get(before)
            is_value = flag is not None and flag.nargs != 0
            if not is_value and self.find(name):
                others = [*words[:number], *words[number + 1 :]]
                line = shlex.join([self.name, name, *others])
                self.parser().error(
                    f"{name}: a command stands before its flags: {line}"
                )

    def _help(self, name: str) -> int:
        if command := self.find(name):
            command.load().parser().print_help()
        elif name in BUILT_IN:
            self.built_in(name).print_help()
        elif not name:
            self.parser().print_help()
        else:
            return self._unknown(name)
        return 0

    def built_in(self, name: str) -> Parser:
        """Return the parser of ``help``, ``version`` or ``completion``."""
        line = f"{self.name} {name}"
        some = self.commands[0].name
        bash = "~/.local/share/bash-completion/completions"
        fish = "~/.config/fish/completions"
        examples = {
            "help": {line: "all commands", f"{line} {some}": "the flags of a command"},
            "version": {line: "the versions of minidns and Python"},
            "completion": {
                f"{line} bash > {bash}/{self.name}": "for every bash",
                f"{line} fish > {fish}/{self.name}.fish": "for every fish",
            },
        }
        summary = f"{BUILT_IN[name][:1].upper()}{BUILT_IN[name][1:]}."
        parser = Parser(line, summary, examples[name])
        if name == "help":
            parser.add_argument("command", nargs="?", default="", metavar="COMMAND")
        if name == "completion":
            parser.add_argument("shell", choices=completion.SCRIPTS)
        return parser

    def complete(self, words: Sequence[str]) -> Iterator[Candidate]:
        """Yield what may stand at the end of ``words``, those after the program."""
        completers = {d: partial(_completed, at) for d, at in self.completers.items()}
        name, rest = self.split(words)
        command = self.find(name) if len(words) > 1 else None
        if len(words) > 1 and words[-2] in self.global_flags:
            dest = "namespace" if words[-2] == "-n" else words[-2].lstrip("-")
            if dest in completers:
                yield from map(Candidate, completers[dest](words[:-2]))
        elif command and rest:
            parser = command.load().parser()
            yield from completion.candidates(parser, rest, completers)
        elif words[-1].startswith("-"):
            yield from completion.candidates(self.parser(), words, completers)
        elif len(words) == 2 and name in ("help", "completion"):
            known = self._names() if name == "help" else completion.SCRIPTS
            yield from map(Candidate, known)
        elif self.split([*words[:-1], "word"])[0] == "word":
            yield from (Candidate(*each) for each in self._names().items())

    def _names(self) -> dict[str, str]:
        return {c.name: c.summary for c in self.commands} | BUILT_IN

    def _unknown(self, name: str) -> int:
        known = [*BUILT_IN, *(c.name for c in self.commands)]
        text = f'{self.name}: unknown command "{name}"{did_you_mean(name, known)}'
        print(f"{text}\nsee {self.name} --help", file=sys.stderr)
        return USAGE


def _completed(where: str, before: Sequence[str]) -> Iterable[str]:
    module, _, function = where.partition(":")
    completer = cast(Completer, getattr(import_module(module), function))
    return completer(before)
