"""Scenarios: text that says what happens, and is played to see whether it does.

A line is a command; indented lines below it are what it shows, or what it is given. A
scenario holds when every command shows exactly what is written, no line more or less.
In Markdown each block fenced as ``scenario`` is one; ``scenario continued`` goes on
where the block before it ended.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple, TextIO

from minidns.dns.model import DnsError

from ..api.status import ApiError
from . import clock, setup_words, show_words
from .stage import Stage, staged

_FENCE = re.compile(
    r"^```scenario(?P<continued> continued)?\n(?P<text>.*?)^```$", re.M | re.S
)
_INDENT = "  "
COMMANDS = {**setup_words.COMMANDS, **show_words.COMMANDS}


class Step(NamedTuple):
    """A command and what is written below it."""

    line: int
    """In the file, counted from 1."""
    command: str
    body: tuple[str, ...]
    """Without their common indent."""


class Scenario(NamedTuple):
    """Steps that are played one after another on a stage of their own."""

    file: str
    steps: tuple[Step, ...]

    @property
    def title(self) -> str:
        """Where it is, and how long."""
        line = self.steps[0].line if self.steps else 1
        return f"{self.file}:{line}, {len(self.steps)} steps"


@dataclass(frozen=True, slots=True)
class Played:
    """A step and what came of it."""

    step: Step
    shown: tuple[str, ...] | None = None
    """What a command that shows something has shown."""
    problem: str = ""
    """Why the command could not be carried out."""

    @property
    def holds(self) -> bool:
        """Whether what is written is what happened."""
        if self.problem:
            return False
        return self.shown is None or _are_alike(self.step.body, self.shown)


def _are_alike(said: Sequence[str], shown: Sequence[str]) -> bool:
    return len(said) == len(shown) and all(map(_is_alike, said, shown))


def _is_alike(said: str, shown: str) -> bool:
    """Return whether a line says what was shown; ``...`` stands for anything."""
    parts = [re.escape(" ".join(part.split())) for part in said.split("...")]
    return re.fullmatch(" ?.* ?".join(parts), " ".join(shown.split())) is not None


def scenarios(text: str, file: str) -> Iterator[Scenario]:
    """Yield the scenarios of a Markdown file; of any other, the one it is.

    Raises:
        ValueError: the first block of a file cannot continue anything.

    """
    if not file.endswith(".md"):
        yield Scenario(file, tuple(steps(text, 1)))
        return
    found: list[Scenario] = []
    for block in _FENCE.finditer(text):
        first = text.count("\n", 0, block.start("text")) + 1
        more = tuple(steps(block["text"], first))
        if not block["continued"]:
            found.append(Scenario(file, more))
        elif not found:
            raise ValueError(f"{file}:{first - 1}: there is nothing to continue")
        else:
            found[-1] = Scenario(file, found[-1].steps + more)
    yield from found


def steps(text: str, first: int) -> Iterator[Step]:
    """Yield the steps of a scenario whose first line has the number ``first``."""
    line, command, body = 0, "", list[str]()
    for number, each in enumerate(text.splitlines(), first):
        if command and (each.startswith(_INDENT) or not each.strip()):
            body.append(each)
        elif each.strip() and not each.startswith("#"):
            if command:
                yield _step(line, command, body)
            line, command, body = number, each.strip(), []
    if command:
        yield _step(line, command, body)


def _step(line: int, command: str, body: list[str]) -> Step:
    text = dedent("\n".join(body)).strip("\n")
    return Step(line, command, tuple(text.splitlines()))


def play(scenario: Scenario) -> tuple[Played, ...]:
    """Play a scenario in virtual time, to its end or the first problem."""
    return clock.run(_play(scenario))


async def _play(scenario: Scenario) -> tuple[Played, ...]:
    played = []
    async with staged() as stage:
        for step in scenario.steps:
            played.append(await _one(stage, step))
            if played[-1].problem:
                break
    return tuple(played)


async def _one(stage: Stage, step: Step) -> Played:
    verb, *words = step.command.split()
    command = COMMANDS.get(verb)
    if command is None:
        return Played(step, problem=f"{verb} is not one of {', '.join(COMMANDS)}")
    body = "".join(f"{line}\n" for line in step.body)
    try:
        shown = await command.act(stage, words, body)
        await stage.settle()
    except (ApiError, DnsError) as error:
        return Played(step, problem=str(error))
    except (LookupError, ValueError) as error:
        usage = f"{verb} {command.usage}".rstrip()
        return Played(step, problem=f"{error} (usage: {usage})")
    return Played(step, None if shown is None else tuple(shown))


def main(files: Sequence[str], out: TextIO, *, as_happened: bool = False) -> int:
    """Play the scenarios of ``files``, tell of it on ``out``; return 0 if all hold.

    Raises:
        OSError: a file cannot be read.
        ValueError: it has a block that continues nothing.

    """
    failed = 0
    for file in files:
        for scenario in scenarios(Path(file).read_text(), file):
            played = play(scenario)
            wrong = [each for each in played if not each.holds]
            failed += bool(wrong)
            if as_happened:
                lines = [*happened(played), ""]
            else:
                lines = [line for each in wrong for line in complaint(scenario, each)]
                lines = lines or [f"ok {scenario.title}"]
            out.write("".join(f"{line}\n" for line in lines))
    return 0 if as_happened or not failed else 1


def complaint(scenario: Scenario, played: Played) -> Iterator[str]:
    """Yield what to tell people of a step that does not hold."""
    yield f"{scenario.file}:{played.step.line}: {played.step.command}"
    if played.problem:
        yield f"  {played.problem}"
        return
    yield "  it says:"
    yield from (f"    {line}" for line in played.step.body or ("(nothing)",))
    yield "  what happens:"
    yield from (f"    {line}" for line in played.shown or ("(nothing)",))


def happened(played: Iterable[Played]) -> Iterator[str]:
    """Yield the lines of a scenario with what happened instead of what it says."""
    for each in played:
        yield each.step.command
        yield from (_INDENT + line for line in each.shown or each.step.body if line)
        if each.problem:
            yield f"{_INDENT}! {each.problem}"
