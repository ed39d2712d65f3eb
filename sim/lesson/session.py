"""A lesson as it is taken: text, commands, questions, and answers that are checked.

An answer is compared with the output of the command on the cluster of the lesson. A
learner may type other commands, and change that cluster; if the output has another form
than on the page then, the question is not asked.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..scenario import clock
from ..scenario.play import BLANK, PlayedStep, Step, perform
from ..scenario.stage import Stage, staged
from ..trial.word import COMMANDS
from .page import Lesson

GIVE_UP = "?"
"""What a learner types to be told the answer."""


class Said(NamedTuple):
    """Words to a learner, by language."""

    run: str
    answer: str
    right: str
    wrong: str
    solution: str
    changed: str
    end: str


SAID = {
    "en": Said(
        "Enter runs it; or type another command: ",
        f"What belongs in place of {BLANK}? ",
        "Right: the cluster shows",
        "No.",
        "The cluster shows",
        "Your commands have changed the cluster; the question is not asked. It shows",
        "{right} of {questions} questions answered right.",
    ),
    "ja": Said(
        "Enterで実行します。別のコマンドも入力できます: ",
        f"{BLANK}に入るものは何ですか。 ",
        "正解です。クラスターの出力は次のとおりです。",
        "違います。",
        "クラスターの出力は次のとおりです。",
        "入力されたコマンドでクラスターの状態が変わったため、この問題は省略します。",
        "{questions}問中{right}問に正解しました。",
    ),
}


@dataclass(slots=True)
class Session:
    """A learner at a terminal, who takes a lesson."""

    read: Callable[[], str | None]
    """Returns the next line that is typed, None at the end."""
    write: Callable[[str], None]
    """Writes text without adding a line feed."""
    said: Said = SAID["en"]
    waits: bool = True
    """Whether commands of the page wait until the learner presses Enter."""
    right: int = 0
    """Questions that were answered right."""
    played: list[PlayedStep] = field(default_factory=list)
    """The commands of the page, as they were played."""

    def take(self, lesson: Lesson) -> bool:
        """Go through a lesson; return whether every question was answered right."""
        clock.run(self._play(lesson))
        self.write(lesson.end)
        right, questions = self.right, lesson.questions
        self.write("\n" + self.said.end.format(right=right, questions=questions) + "\n")
        return right == questions

    async def _play(self, lesson: Lesson) -> None:
        async with staged() as stage:
            for block in lesson.blocks:
                self.write(f"\n{block.above.strip()}\n\n")
                for step in block.steps:
                    await self._step(stage, step)

    async def _step(self, stage: Stage, step: Step) -> None:
        self.write(f"  $ {step.command}\n")
        shows = COMMANDS[step.command.split()[0]].has_output
        if step.has_blank or not shows:
            self._show(step.body)
        elif self.waits:
            while (line := self._line(self.said.run)) and line != step.command:
                await self._try(stage, line)
        played = await perform(stage, step, COMMANDS)
        self.played.append(played)
        if step.has_blank:
            await self._ask(stage, played)
        else:
            self._show(output(played))

    async def _ask(self, stage: Stage, played: PlayedStep) -> None:
        """Ask for the blank until the answer is right, given up, or input ends."""
        line = self._line(self.said.answer) if played.holds else GIVE_UP
        while line is not None:
            told = await react(stage, played, line, self.said)
            self.write(f"{told.text}\n" if told.text else "")
            self._show(told.lines)
            if told.ends:
                self.right += told.is_right
                return
            line = self._line(self.said.answer)
        self.write(f"{self.said.solution}\n")
        self._show(output(played))

    async def _try(self, stage: Stage, line: str) -> None:
        self._show(await try_command(stage, line))

    def _line(self, prompt: str) -> str | None:
        self.write(prompt)
        if (line := self.read()) is None:
            self.write("\n")
            return None
        return line.strip()

    def _show(self, lines: Iterable[str]) -> None:
        self.write("".join(f"    {line}\n" for line in lines))


class Reaction(NamedTuple):
    """What a learner is told about a line typed as the answer of a question."""

    text: str
    lines: tuple[str, ...] = ()
    """The output of the command of the question, or of a command that was typed."""
    ends: bool = False
    """Whether the question is over: it was answered, given up, or made impossible."""
    is_right: bool = False


async def react(stage: Stage, played: PlayedStep, line: str, said: Said) -> Reaction:
    """Check an answer to the question of a step that has been played on ``stage``.

    A line that is a command is run there instead.
    """
    if not played.holds:
        return Reaction(said.changed, output(played), ends=True)
    if line == GIVE_UP:
        return Reaction(said.solution, output(played), ends=True)
    if is_right(line, played):
        return Reaction(said.right, output(played), ends=True, is_right=True)
    if line.split()[:1] and line.split()[0] in COMMANDS:
        return Reaction("", await try_command(stage, line))
    return Reaction(f"{said.wrong} {played.step.hint}".rstrip())


async def try_command(stage: Stage, line: str) -> tuple[str, ...]:
    """Run a command that a learner typed; return its output or its problem."""
    return output(await perform(stage, Step(1, line, ()), COMMANDS))


def output(played: PlayedStep) -> tuple[str, ...]:
    """Return the lines that a learner sees of a command that was played."""
    problem = (f"! {played.problem}",) if played.problem else ()
    return (*problem, *(played.shown or ()))


def is_right(answer: str, played: PlayedStep) -> bool:
    """Return whether an answer says what the cluster filled the blank with.

    It may say more of the same line. Case, commas, the order of words and a dot at the
    end of a name do not matter.
    """
    lines = zip(played.step.body, played.shown or (), strict=True)
    line = next(actual for expected, actual in lines if BLANK in expected)
    return _words(played.filled) <= _words(answer) <= _words(line)


def _words(text: str) -> set[str]:
    words = re.split(r"[\s,、]+|(?<=\d)(?=s$)", text.casefold())
    return {word.removesuffix(".") for word in words if word}
