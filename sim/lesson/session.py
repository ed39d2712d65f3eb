"""A lesson as it is taken: text, commands, questions, and answers that are checked.

An answer is compared with the output of the command on the cluster of the lesson. A
learner may type other commands, and change that cluster; if the output has another form
than on the page then, the question is not asked.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..scenario import clock
from ..scenario.play import BLANK, PlayedStep, Step, perform
from ..scenario.stage import Stage, staged
from ..trial.word import COMMANDS
from .page import Lesson, Part

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
        for part in lesson.parts:
            clock.run(self._part(part))
        self.write(lesson.end)
        right, questions = self.right, lesson.questions
        self.write("\n" + self.said.end.format(right=right, questions=questions) + "\n")
        return right == questions

    async def _part(self, part: Part) -> None:
        async with staged() as stage:
            for block in part.blocks:
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
            self._show(_lines(played))

    async def _ask(self, stage: Stage, played: PlayedStep) -> None:
        """Ask for the blank until the answer is right, given up, or input ends."""
        end = self.said.solution if played.holds else self.said.changed
        while played.holds and (line := self._line(self.said.answer)) is not None:
            if line == GIVE_UP:
                break
            if is_right(line, played):
                self.right += 1
                end = self.said.right
                break
            if line.split()[:1] and line.split()[0] in COMMANDS:
                await self._try(stage, line)
            else:
                self.write(f"{self.said.wrong} {played.step.hint}".rstrip() + "\n")
        self.write(f"{end}\n")
        self._show(_lines(played))

    async def _try(self, stage: Stage, line: str) -> None:
        """Run a command that the learner typed."""
        self._show(_lines(await perform(stage, Step(1, line, ()), COMMANDS)))

    def _line(self, prompt: str) -> str | None:
        self.write(prompt)
        if (line := self.read()) is None:
            self.write("\n")
            return None
        return line.strip()

    def _show(self, lines: Iterable[str]) -> None:
        self.write("".join(f"    {line}\n" for line in lines))


def _lines(played: PlayedStep) -> Iterator[str]:
    if played.problem:
        yield f"! {played.problem}"
    yield from played.shown or ()


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
