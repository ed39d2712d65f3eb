"""``minidns man``: the manual page, made from the parsers.

To read it: ``minidns man | man -l -``.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence

from minidns import __version__
from minidns.commands.described import Described, Option, program

STATUS = (
    ("0", "it went as asked; a server was told to end"),
    ("1", "it could not be done: the reason is on standard error"),
    ("2", "the command line was not understood"),
    ("130", "interrupted"),
)
FILES = (
    ("Corefile", "what is served when no -conf names another file"),
    ("/etc/resolv.conf", "upstreams of forward . /etc/resolv.conf"),
    ("/var/run/secrets/kubernetes.io/serviceaccount", "token and authority in a pod"),
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    return argparse.ArgumentParser(
        "minidns man",
        description="Print the manual page. To read it: minidns man | man -l -",
    )


def main(argv: Sequence[str]) -> int:
    """Print the page."""
    parser().parse_args(argv)
    sys.stdout.write("\n".join(page(program())) + "\n")
    return 0


def page(commands: Sequence[Described]) -> Iterator[str]:
    """Yield the lines of the page, in the macros of man(7)."""
    serving, *others = commands
    yield f'.TH MINIDNS 1 "" "minidns {__version__}"'
    yield ".SH NAME"
    yield r"minidns \- a cluster DNS that reads a Corefile and says why"
    yield ".SH SYNOPSIS"
    for each in commands:
        yield ".PP"
        yield text(each.usage)
    yield ".SH DESCRIPTION"
    yield from _paragraphs(serving.description)
    yield ".SH OPTIONS"
    yield from _options(serving.options)
    yield ".SH COMMANDS"
    for each in others:
        yield f".SS {text(each.name)}"
        yield from _paragraphs(each.description or each.summary)
        yield from _options(each.options)
    yield ".SH EXIT STATUS"
    yield from _pairs(STATUS)
    yield ".SH FILES"
    yield from _pairs(FILES)


def _paragraphs(prose: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", prose.strip()):
        yield ".PP"
        yield text(" ".join(paragraph.split()))


def _options(options: Sequence[Option]) -> Iterator[str]:
    for option in options:
        names = ", ".join(rf"\fB{text(name)}\fR" for name in option.names)
        value = rf" \fI{text(option.value)}\fR" if option.value else ""
        yield ".TP"
        yield f"{names}{value}"
        yield text(option.help or " ".join(option.choices) or "see above")


def _pairs(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, meaning in pairs:
        yield ".TP"
        yield rf"\fB{text(name)}\fR"
        yield text(meaning)


def text(plain: str) -> str:
    """Return ``plain`` so that roff prints it as it is."""
    safe = plain.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{safe}" if safe.startswith((".", "'")) else safe
