"""A story told step by step, in which every claim is checked as it is told."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from minidns.text.terminal import escaped

BOLD, GREEN, RED, DIM = "1", "32", "31", "2"


def wants_color(out: TextIO) -> bool:
    """Return whether ``out`` is a terminal whose user has not said NO_COLOR."""
    return out.isatty() and not os.environ.get("NO_COLOR")


@dataclass(slots=True)
class Story:
    """Prints to ``out`` and counts what did not come as said."""

    out: TextIO
    color: bool = False
    steps: int = 0
    checks: int = 0
    failures: list[str] = field(default_factory=list)
    """Titles of the checks that failed, with their step."""

    def step(self, title: str) -> None:
        """Begin a step."""
        self.steps += 1
        self._print(f"\n{self._painted(BOLD, f'{self.steps}. {title}')}")

    def say(self, text: str) -> None:
        """Say something about the step."""
        self._print(escaped(text))

    def ask(self, command: str, where: str = "") -> None:
        """Show what is asked, as it would be typed ``where`` it is."""
        prompt = f"{where} $".lstrip()
        self._print(f"  {self._painted(BOLD, f'{prompt} {command}')}")

    def show(self, lines: str | Iterable[str]) -> None:
        """Show what came back."""
        for line in lines.splitlines() if isinstance(lines, str) else lines:
            self._print(f"    {escaped(line)}".rstrip())

    def check(self, what: str, expected: object, came: object) -> bool:
        """Say whether ``came`` is what was expected; show both if it is not."""
        self.checks += 1
        if expected == came:
            self._print(f"  {self._painted(GREEN, 'ok')} {escaped(what)}")
            return True
        self.fail(what, *_against(expected, came))
        return False

    def fail(self, what: str, *reasons: str) -> None:
        """Say that something did not come, and why."""
        self.failures.append(f"{self.steps}. {what}")
        self._print(f"  {self._painted(RED, 'FAILED')} {escaped(what)}")
        for reason in reasons:
            self.show(reason)

    def end(self) -> int:
        """Say how it went; return the exit status."""
        told = f"{self.steps} steps, {self.checks} checks"
        if not self.failures:
            self._print(f"\n{self._painted(GREEN, f'{told}: all came as said')}")
            return 0
        self._print(f"\n{self._painted(RED, f'{told}, not as said:')}")
        self.show(self.failures)
        return 1

    def _painted(self, code: str, text: str) -> str:
        text = escaped(text)
        return f"\x1b[{code}m{text}\x1b[0m" if self.color else text

    def _print(self, text: str) -> None:
        print(text, file=self.out, flush=True)


def _against(expected: object, came: object) -> list[str]:
    """Return what was expected and what came, one line each if they are short."""
    lines = []
    for title, value in (("expected", expected), ("came", came)):
        first, *rest = _lines(value)
        if rest:
            lines += [f"{title}:", *(f"  {line}" for line in (first, *rest))]
        else:
            lines.append(f"{title + ':':9} {first}")
    return lines


def _lines(value: object) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [str(each) for each in value] or ["nothing"]
    return str(value).splitlines() or ["nothing"]
