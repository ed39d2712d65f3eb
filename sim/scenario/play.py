"""Parses and plays scenarios: texts with commands and their expected output.

A line is a command; the indented lines below it are its expected output or its input. A
scenario passes if the output of every command equals the text. In Markdown each block
fenced as ``scenario`` is a scenario; ``scenario continued`` continues the block before.
A blank, ``____``, stands for what the reader of a lesson is asked for.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple, TextIO, TypeAlias

from minidns.dns.model import DnsError
from minidns.text import terminal
from minidns.text.arguments import did_you_mean

from ..api.status import ApiError
from . import clock, setup_words, show_words
from .stage import Stage, staged

_FENCE = re.compile(
    r"^```scenario\b(?P<word>[^\n]*)\n(?P<text>.*?)(?P<end>^```[ \t]*$|\Z)", re.M | re.S
)
_INDENT = "  "
_COLORS = {r"^ok\b": terminal.GREEN, r"^\S+:\d+: .*": terminal.RED}
_WHERE = (
    "in Markdown it is a block fenced as ```scenario, in any other file a line is a "
    "command"
)
FAULT_MARK = "# the fault"
"""The comment above a command that is the fault of an incident."""
HINT_MARK = "# hint: "
"""How the comment above a command begins that helps to fill in its blank."""
BLANK = "____"
CONTINUED = "continued"
"""The word of a fence whose block goes on where the block before it ended."""
Commands: TypeAlias = Mapping[str, setup_words.Command]
COMMANDS: Commands = {**setup_words.COMMANDS, **show_words.COMMANDS}


class Step(NamedTuple):
    """A command and the lines below it."""

    line: int
    """Line number in the file."""
    command: str
    body: tuple[str, ...]
    """Lines without their common indent."""
    comments: tuple[str, ...] = ()
    """The lines of the comment above the command."""

    @property
    def is_fault(self) -> bool:
        """Whether the comment above the command marks it as the fault."""
        return FAULT_MARK in self.comments

    @property
    def has_blank(self) -> bool:
        """Whether the expected output has a blank."""
        return any(BLANK in line for line in self.body)

    @property
    def hint(self) -> str:
        """What helps to fill in the blank; empty if the comment is no hint."""
        comment = " # ".join(self.comments)
        if not comment.startswith(HINT_MARK):
            return ""
        return comment.removeprefix(HINT_MARK).replace(" # # ", " ")


class Block(NamedTuple):
    """A fenced block of a page."""

    above: str
    """The text of the page between the block before and this one."""
    line: int
    """Line number of the fence."""
    steps: tuple[Step, ...]
    continued: bool
    """Whether it goes on where the block before it ended."""


class Scenario(NamedTuple):
    """Steps that are played on their own stage."""

    file: str
    steps: tuple[Step, ...]

    def without_fault(self) -> "Scenario":
        """Return the scenario without the commands that are marked as the fault."""
        return Scenario(self.file, tuple(s for s in self.steps if not s.is_fault))

    @property
    def title(self) -> str:
        """The file, line and number of steps."""
        line = self.steps[0].line if self.steps else 1
        return f"{self.file}:{line}, {len(self.steps)} steps"


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """A step and its result."""

    step: Step
    shown: tuple[str, ...] | None = None
    """The output; None for commands without output."""
    problem: str = ""
    """The error of the command; empty if it succeeded."""

    @property
    def holds(self) -> bool:
        """Whether the output is as expected."""
        if self.problem:
            return False
        if self.shown is None or len(self.step.body) != len(self.shown):
            return self.shown is None
        return all(map(_match, self.step.body, self.shown))

    @property
    def filled(self) -> str:
        """What the output has in place of the blank; empty if it has none."""
        matches = map(_match, self.step.body, self.shown or ())
        found = (match["blank"] for match in matches if match and match.re.groups)
        return next(found, "").strip()


def _match(expected: str, actual: str) -> re.Match[str] | None:
    """Match a line; ``...`` and a blank stand for any text."""
    parts = re.split(r"(\.\.\.|____)", " ".join(expected.split()))
    any_text = {"...": " ?.* ?", BLANK: "(?P<blank>.*)"}
    pattern = "".join(any_text.get(part) or re.escape(part.strip()) for part in parts)
    return re.fullmatch(pattern, " ".join(actual.split()))


def scenarios(text: str, file: str) -> Iterator[Scenario]:
    """Yield the scenarios of a Markdown file, or the only one of another file.

    Raises:
        ValueError: a fence is wrong, or the first block is a continuation.

    """
    if not file.endswith(".md"):
        yield Scenario(file, tuple(steps(text, 1)))
        return
    result: list[Scenario] = []
    try:
        found = list(blocks(text))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    for block in found:
        if not block.continued:
            result.append(Scenario(file, block.steps))
        elif not result:
            raise ValueError(f"{file}:{block.line}: there is nothing to continue")
        else:
            result[-1] = Scenario(file, result[-1].steps + block.steps)
    yield from result


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a Markdown file that are fenced as ``scenario``.

    Raises:
        ValueError: a fence has another word than ``continued``, or no end.

    """
    end = 0
    for found in _FENCE.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        above, end = page[end : found.start()], found.end()
        word = found["word"].strip()
        if word not in ("", CONTINUED):
            usage = f"(usage: ```scenario [{CONTINUED}])"
            raise ValueError(f"line {line}: {word} is not {CONTINUED} {usage}")
        if not found["end"]:
            raise ValueError(f"line {line}: the block has no end: a line with ```")
        block = tuple(steps(found["text"], line + 1))
        yield Block(above, line, block, bool(word))


def steps(text: str, first: int) -> Iterator[Step]:
    """Yield the steps of a scenario that starts at line ``first``."""
    line, command, body = 0, "", list[str]()
    comments, above = list[str](), list[str]()
    for number, text_ in enumerate(text.splitlines(), first):
        if command and (text_.startswith(_INDENT) or not text_.strip()):
            body.append(text_)
        elif text_.startswith("#"):
            above.append(" ".join(text_.split()))
        elif text_.strip():
            if command:
                yield _step(line, command, body, comments)
            line, command, body = number, text_.strip(), []
            comments, above = above, []
    if command:
        yield _step(line, command, body, comments)


def _step(line: int, command: str, body: list[str], comments: list[str]) -> Step:
    text = dedent("\n".join(body)).strip("\n")
    return Step(line, command, tuple(text.splitlines()), tuple(comments))


class Run(NamedTuple):
    """A played scenario."""

    scenario: Scenario
    steps: tuple[PlayedStep, ...]
    hash: str
    """The hash of the trace: the same for the same scenario and seed."""

    @property
    def wrong(self) -> list[PlayedStep]:
        """The steps whose output is not as expected."""
        return [step for step in self.steps if not step.holds]

    def to_json(self) -> dict[str, object]:
        """Return the run as a JSON value."""
        return {
            "scenario": self.scenario.title,
            "ok": not self.wrong,
            "hash": self.hash,
            "problems": [
                line
                for step in self.wrong
                for line in failure_lines(self.scenario, step)
            ],
        }


def play(scenario: Scenario) -> tuple[PlayedStep, ...]:
    """Play a scenario in virtual time until its end or the first error."""
    return run(scenario).steps


Watch: TypeAlias = Callable[[Step | PlayedStep], None]
"""Called with each step before it is played, and with its result after that."""


def ignore(step: Step | PlayedStep) -> None:
    """Do nothing about a step."""


def run(
    scenario: Scenario,
    seed: int | None = None,
    watch: Watch = ignore,
    commands: Commands = COMMANDS,
) -> Run:
    """Play a scenario; ``seed`` draws all chance and the order of ready tasks.

    Without a seed chance is the same in every run, and tasks run first come first
    served.
    """
    return clock.run(_run(scenario, 1 if seed is None else seed, watch, commands), seed)


async def _run(scenario: Scenario, seed: int, watch: Watch, commands: Commands) -> Run:
    played = []
    async with staged(seed) as stage:
        for step in scenario.steps:
            watch(step)
            played.append(await perform(stage, step, commands))
            watch(played[-1])
            if played[-1].problem:
                break
    return Run(scenario, tuple(played), stage.trace.hash)


async def perform(
    stage: Stage, step: Step, commands: Commands = COMMANDS
) -> PlayedStep:
    """Carry out one command; return its output or its problem."""
    verb, *words = step.command.split()
    command = commands.get(verb)
    if command is None:
        similar = did_you_mean(verb, commands)
        why = f'unknown command "{verb}"{similar}'
        return PlayedStep(step, problem=f"{why}; the commands: {', '.join(commands)}")
    body = "".join(f"{line}\n" for line in step.body)
    try:
        command.check(words, body)
        output = await command.act(stage, words, body)
        await stage.settle()
    except (ApiError, DnsError, LookupError, ValueError) as error:
        usage = f"{verb} {command.usage}".rstrip()
        return PlayedStep(step, problem=f"{error} (usage: {usage})")
    return PlayedStep(step, None if output is None else tuple(output))


class Show(StrEnum):
    """What ``minidns-sim run`` prints."""

    RESULT = "result"
    ACTUAL = "actual"
    """The scenarios with their actual output."""
    HASH = "hash"
    """The result, with the hash of the trace."""
    JSON = "json"


def main(
    files: Sequence[str],
    out: TextIO,
    show: Show = Show.RESULT,
    seed: int | None = None,
    *,
    without_fault: bool = False,
    watch: Watch = ignore,
    commands: Commands = COMMANDS,
) -> int:
    """Play the scenarios of ``files``; return 0 if all pass.

    Files without a scenario are named and passed over, if any other has one.
    ``without_fault`` leaves out the commands that are marked as the fault; ``watch``
    sees each step.

    Raises:
        OSError: a file cannot be read.
        ValueError: no file has a scenario, or one is not text, has a wrong fence, or
            begins with a continuation.

    """
    runs, without = [], []
    for file in files:
        if not (found := _read(file)):
            without.append(file)
            if len(without) == len(files):  # a page among others may have none
                raise ValueError(f"{', '.join(without)}: no scenario: {_WHERE}")
            if show is not Show.JSON:
                out.write(f"no scenario in {file}\n")
        for scenario in found:
            played = scenario.without_fault() if without_fault else scenario
            runs.append(run(played, seed, watch, commands))
            for line in _result_lines(runs[-1], show):
                terminal.show(line, _COLORS, out)
    if show is Show.JSON:
        document = {
            "runs": [result.to_json() for result in runs],
            "without_scenario": without,
        }
        out.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if show is Show.ACTUAL:  # other output is what it is for, an error is not
        return int(any(step.problem for result in runs for step in result.steps))
    return int(any(result.wrong for result in runs))


def _read(file: str) -> list[Scenario]:
    """Return the scenarios of a file; raises OSError and ValueError as `main`."""
    try:
        found = scenarios(Path(file).read_text(encoding="utf-8"), file)
    except UnicodeDecodeError:
        raise ValueError(f"{file}: not UTF-8 text") from None
    return [scenario for scenario in found if scenario.steps]


def _result_lines(played: Run, show: Show) -> Iterator[str]:
    """Yield the lines about a run."""
    if show is Show.JSON:
        return
    if show is Show.ACTUAL:
        yield from actual_lines(played.steps)
        yield ""
        return
    for step in played.wrong:
        yield from failure_lines(played.scenario, step)
    if not played.wrong:
        yield f"ok {played.scenario.title}"
    if show is Show.HASH:
        yield f"trace {played.hash}"


def failure_lines(scenario: Scenario, played: PlayedStep) -> Iterator[str]:
    """Yield the message about a failed step."""
    yield f"{scenario.file}:{played.step.line}: {played.step.command}"
    if played.problem:
        yield f"  {played.problem}"
        return
    yield "  expected:"
    yield from (f"    {line}" for line in played.step.body or ("(nothing)",))
    yield "  actual:"
    yield from (f"    {line}" for line in played.shown or ("(nothing)",))


def actual_lines(played: Iterable[PlayedStep]) -> Iterator[str]:
    """Yield the lines of a scenario with the actual output."""
    for step in played:
        yield step.step.command
        yield from (_INDENT + line for line in step.shown or step.step.body if line)
        if step.problem:
            yield f"{_INDENT}! {step.problem}"
