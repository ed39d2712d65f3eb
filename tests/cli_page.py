"""The tables of docs/cli.md, made of the parsers: ``python -m tests.cli_page``."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from minidns import cli
from minidns.text.arguments import Parser, help_of

PAGE = Path(__file__).parents[1] / "docs/cli.md"
HEAD = "| flag | meaning |\n| --- | --- |\n"
BEFORE = "## Exit statuses\n"
"""The heading that a section of a new command is put before."""


def parsers() -> dict[str, tuple[str, Parser]]:
    """Return description and parser of every command, by what is typed."""
    commands = {f"minidns {command.name}": (command, command.load().parser()) for command in cli.COMMANDS}
    return {"minidns": ("Serve.", cli.PROGRAM.parser())} | {
        name: (parser.description or command.summary, parser) for name, (command, parser) in commands.items()
    }


def table(parser: argparse.ArgumentParser) -> str:
    """Return the table of what ``parser`` understands."""
    rows = ((flag(each), meaning(each)) for each in _shown(parser))
    return HEAD + "".join(f"| {first} | {second} |\n" for first, second in rows)


def _shown(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (each for each in parser._actions if each.help != argparse.SUPPRESS)


def flag(action: argparse.Action) -> str:
    """Return all that may be typed for ``action``; what it takes is said once."""
    said = action.metavar or ("" if action.choices else action.dest.upper())
    value = "" if action.nargs == 0 else str(said)
    if not action.option_strings:
        return _code(str(action.metavar or action.dest))
    first, *others = action.option_strings
    return ", ".join(map(_code, (f"{first} {value}".rstrip(), *others)))


def meaning(action: argparse.Action) -> str:
    """Return what its help says, and what may be chosen."""
    text = help_of(action) % {"prog": "minidns", "default": action.default}
    choices = ", ".join(map(_code, map(str, action.choices or ())))
    return "; ".join(filter(None, (_escaped(" ".join(text.split())), choices)))


def _code(text: str) -> str:
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


def renewed(page: str) -> str:
    """Return ``page`` with the tables that the parsers make, and no section missing."""
    for name, (description, parser) in parsers().items():
        if f"\n## {name}\n" not in page:
            text = " ".join(description.split())
            new = f"## {name}\n\n{text}\n\n{HEAD}\n"
            page = page.replace(BEFORE, new + BEFORE)
        before = rf"(?<=\n)(?P<before>## {re.escape(name)}\n(?:(?!##).*\n)*?)"
        found = re.search(before + r"(?P<table>(?:\|.*\n)+)", page)
        assert found, f"the section {name} has no table"
        start, end = found.span("table")
        page = page[:start] + table(parser) + page[end:]
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
