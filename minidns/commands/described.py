"""A command line as data: what completion and manual page need of the parsers."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minidns.cli import COMMANDS


@dataclass(frozen=True, slots=True)
class Option:
    """An option with all its spellings."""

    names: tuple[str, ...]
    help: str
    value: str
    """What its value is called; empty when it takes none."""
    choices: tuple[str, ...] = ()
    is_path: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """One command, or a program without one."""

    name: str
    """Empty for the program without a command."""
    summary: str
    usage: str
    """Without the word usage."""
    description: str
    options: tuple[Option, ...]
    words: tuple[str, ...] = ()
    """What may stand for a positional argument, where that is known."""
    takes_path: bool = False


def program() -> tuple[Described, ...]:
    """Return minidns without a command, then every command."""
    from minidns.__main__ import parser

    serving = of_parser("", "serve DNS by a Corefile, as CoreDNS does", parser())
    return (
        serving,
        *(
            of_parser(each.name, each.summary, each.load().parser())
            for each in COMMANDS
        ),
    )


def of_parser(name: str, summary: str, parser: argparse.ArgumentParser) -> Described:
    """Return what ``parser`` understands."""
    actions = [a for a in parser._actions if a.help != argparse.SUPPRESS]
    positional = [a for a in actions if not a.option_strings]
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    return Described(
        name,
        summary,
        usage,
        parser.description or "",
        tuple(_options(actions)),
        tuple(str(word) for action in positional for word in action.choices or ()),
        any(map(_is_path, positional)),
    )


def _options(actions: list[argparse.Action]) -> Iterator[Option]:
    for action in actions:
        if not action.option_strings:
            continue
        value = ""
        if action.nargs != 0:
            value = str(action.metavar or action.dest.upper())
        yield Option(
            tuple(action.option_strings),
            (action.help or "") % {"prog": "minidns", "default": action.default},
            value,
            tuple(map(str, action.choices or ())),
            _is_path(action),
        )


def _is_path(action: argparse.Action) -> bool:
    called = str(action.metavar or action.dest).upper()
    return action.type is Path or called in ("FILE", "FOLDER")
