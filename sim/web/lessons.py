"""Lessons that the page takes on its cluster, as `minidns-sim lesson` does.

The commands of a lesson are carried out in its order: running one runs those before it
that have not been run. Time stands still between them, so that a learner may think.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from minidns.text.arguments import not_one_of
from minidns.web.picture import sides
from minidns.web.source import Action, Document, Option, Publish, Wrong, text_of

from ..lesson import session
from ..lesson.page import Lesson, lessons
from ..lesson.session import SAID
from ..scenario.play import PlayedStep, perform
from ..scenario.stage import Stage
from ..trial.word import COMMANDS
from ..walk.walk import walk_of_command
from .cluster import VirtualCluster
from .lesson_page import LANGUAGES, WORDS, lesson_html


def options() -> Mapping[str, list[Option]]:
    """Return the lessons, by the name of their language."""
    return {
        name: [
            Option(f"{language}/{each.number}", f"{each.title} ({each.minutes})")
            for each in lessons(language)
        ]
        for language, name in LANGUAGES.items()
    }


@dataclass(slots=True)
class _Taken:
    """A lesson that is being taken."""

    lesson: Lesson
    language: str
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    played: list[PlayedStep] = field(default_factory=list)
    """The commands so far."""
    walks: dict[int, str] = field(default_factory=dict)
    """The walks of lookups as HTML, by the number of the command."""
    over: set[int] = field(default_factory=set)
    """The questions that are over, by the number of their command."""
    right: int = 0

    def begun(self) -> Document:
        """Return what a page needs to show the lesson from its beginning."""
        return {
            "id": self.id,
            "lesson": f"{self.language}/{self.lesson.number}",
            "title": self.lesson.title,
            "html": lesson_html(self.lesson, self.language),
        }

    def output_of(self, number: int) -> tuple[str, ...] | None:
        """Return the output of a command; None before it may be seen."""
        played = self.played[number]
        if played.step.has_blank and number not in self.over:
            return None
        return session.output(played)


class Lessons:
    """At most one lesson at a time, on the cluster of the page."""

    def __init__(
        self,
        cluster: VirtualCluster,
        begin: Callable[[bool], Awaitable[None]],
        tell: Callable[[Stage], None],
        publish: Publish,
    ) -> None:
        """Set what the lessons act on.

        ``begin`` starts the cluster anew, for a lesson or (False) for none; ``tell``
        tells the pages what has happened in it, ``publish`` which lesson is running.
        """
        self._cluster = cluster
        self._begin = begin
        self._tell = tell
        self._publish = publish
        self._taken: _Taken | None = None
        self.actions: Mapping[str, Action] = {
            "lesson": self._start,
            "step": self._step,
            "answer": self._answer,
            "try": self._try,
            "leave": self._leave,
        }

    @property
    def running(self) -> str:
        """A sentence that says which lesson is running; empty if there is none."""
        if self._taken is None:
            return ""
        lesson, leave = self._taken.lesson, WORDS[self._taken.language].leave
        return (
            f"{lesson.title} is running in this cluster: press {leave!r} in its panel "
            "to have the usual cluster back"
        )

    def state(self) -> Mapping[str, Document | None]:
        """Return the lesson that is running, with what has been run of it."""
        if self._taken is None:
            return {"lesson": None}
        last = len(self._taken.played) - 1
        shown = {**_result(self._taken, last), "walk": ""}
        begun = {"over": sorted(self._taken.over), **shown}
        return {"lesson": {**self._taken.begun(), **begun}}

    def forget(self) -> None:
        """Forget the lesson: the cluster is used for something else."""
        self._taken = None
        self._publish("lesson", None)

    async def _start(self, document: Document) -> Document:
        """Start a lesson on a fresh cluster; return its page."""
        wanted = text_of(document, "lesson")
        language, _, number = wanted.rpartition("/")
        known = {
            (code, str(each.number)): each
            for code in LANGUAGES
            for each in lessons(code)
        }
        lesson = known.get((language or "en", number))
        if lesson is None:
            there = map("/".join, known)
            raise Wrong(not_one_of(wanted, there))
        await self._begin(True)
        taken = self._taken = _Taken(lesson, language or "en")
        self._publish("lesson", self.state()["lesson"])
        return taken.begun()

    async def _leave(self, document: Document) -> Document:
        """End the lesson: start the usual cluster again."""
        await self._begin(False)
        self.forget()
        return {}

    async def _step(self, document: Document) -> Document:
        """Run a command of the lesson, and those before it."""
        taken, number = self._present(document), self._number(document)
        await self._play(taken, number)
        return _result(taken, number)

    async def _answer(self, document: Document) -> Document:
        """Check the answer to a question; ``?`` gives it up."""
        taken, number = self._present(document), self._number(document)
        if not taken.lesson.steps[number].has_blank:
            raise Wrong(f"step {number}: this command has no question")
        text = text_of(document, "text").strip()
        await self._play(taken, number)
        said, played = SAID[taken.language], taken.played[number]

        async def work(stage: Stage) -> session.Reaction:
            told = await session.react(stage, played, text or "____", said)
            self._tell(stage)
            return told

        told = await self._cluster.run(work)
        if told.ends and number not in taken.over:
            taken.over.add(number)
            taken.right += told.is_right
        return {
            **_result(taken, number),
            "text": told.text,
            "lines": told.lines,
            "ends": told.ends,
            "right": told.is_right,
        }

    async def _try(self, document: Document) -> Document:
        """Run a command that the learner typed."""
        self._present(document)
        line = text_of(document, "line").strip()
        if not line:
            raise Wrong(f"a command is needed: {', '.join(COMMANDS)}")

        async def work(stage: Stage) -> tuple[tuple[str, ...], str]:
            running = session.try_command(stage, line)
            lines, walk = await walk_of_command(stage, line, running)
            self._tell(stage)
            return lines, sides([walk]) if walk else ""

        lines, walk = await self._cluster.run(work)
        return {"lines": lines, "walk": walk}

    async def _play(self, taken: _Taken, number: int) -> None:
        """Run the commands up to ``number`` that have not been run."""

        async def work(stage: Stage) -> None:
            for step in taken.lesson.steps[len(taken.played) : number + 1]:
                running = perform(stage, step, COMMANDS)
                played, walk = await walk_of_command(stage, step.command, running)
                if walk is not None:
                    taken.walks[len(taken.played)] = sides([walk])
                taken.played.append(played)
            self._tell(stage)

        await self._cluster.run(work)

    def _present(self, document: Document) -> _Taken:
        if self._taken is None or self._taken.id != document.get("id"):
            raise Wrong(
                "The cluster is used for something else now: start the lesson again"
            )
        return self._taken

    def _number(self, document: Document) -> int:
        number = document.get("step")
        assert self._taken is not None
        most = len(self._taken.lesson.steps) - 1
        if not isinstance(number, int) or not 0 <= number <= most:
            raise Wrong(f"step: a number from 0 to {most} is needed")
        return number


def _result(taken: _Taken, number: int) -> Document:
    """Return what the page shows after a command: outputs, the walk, the score."""
    outputs = {
        each: output
        for each in range(len(taken.played))
        if (output := taken.output_of(each)) is not None
    }
    seen = number in outputs
    questions = taken.lesson.questions
    end = SAID[taken.language].end.format(right=taken.right, questions=questions)
    return {
        "outputs": outputs,
        "walk": taken.walks.get(number, "") if seen else "",
        "score": end if len(taken.over) == questions else "",
    }
