"""A story in steps, with checks of its claims."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from minidns.text.terminal import BOLD, GREEN, RED, escaped, painted


@dataclass(slots=True)
class Story:
    """Prints the story to ``out`` and counts failed checks."""

    out: TextIO
    color: bool = False
    steps: int = 0
    checks: int = 0
    failures: list[str] = field(default_factory=list)
    """Titles of the failed checks, with the number of the step."""

    def step(self, title: str) -> None:
        """Begin a step."""
        self.steps += 1
        self._print(f"\n{self._painted(BOLD, f'{self.steps}. {title}')}")

    def say(self, text: str) -> None:
        """Print a remark."""
        self._print(escaped(text))

    def ask(self, command: str, where: str = "") -> None:
        """Print a command with a prompt for the place ``where`` it runs."""
        prompt = f"{where} $".lstrip()
        self._print(f"  {self._painted(BOLD, f'{prompt} {command}')}")

    def show(self, lines: str | Iterable[str]) -> None:
        """Print output lines."""
        for line in lines.splitlines() if isinstance(lines, str) else lines:
            self._print(f"    {escaped(line)}".rstrip())

    def check(self, what: str, expected: object, actual: object) -> bool:
        """Compare two values; print the result, and both values if they differ."""
        self.checks += 1
        if expected == actual:
            self._print(f"  {self._painted(GREEN, 'ok')} {escaped(what)}")
            return True
        self.fail(what, *_against(expected, actual))
        return False

    def fail(self, what: str, *reasons: str) -> None:
        """Record a failure and print it with its reasons."""
        self.failures.append(f"{self.steps}. {what}")
        self._print(f"  {self._painted(RED, 'FAILED')} {escaped(what)}")
        for reason in reasons:
            self.show(reason)

    def end(self) -> int:
        """Print the summary; return the exit status."""
        summary = f"{self.steps} steps, {self.checks} checks"
        if not self.failures:
            self._print(f"\n{self._painted(GREEN, f'{summary}: all passed')}")
            return 0
        self._print(f"\n{self._painted(RED, f'{summary}, failed:')}")
        self.show(self.failures)
        return 1

    def _painted(self, code: str, text: str) -> str:
        text = escaped(text)
        return painted(text, code) if self.color else text

    def _print(self, text: str) -> None:
        print(text, file=self.out, flush=True)


def _against(expected: object, actual: object) -> list[str]:
    """Return both values as lines, one line each if they are short."""
    lines = []
    for title, value in (("expected", expected), ("actual", actual)):
        first, *rest = _lines(value)
        if rest:
            lines += [f"{title}:", *(f"  {line}" for line in (first, *rest))]
        else:
            lines.append(f"{title + ':':9} {first}")
    return lines


def _lines(value: object) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value] or ["nothing"]
    return str(value).splitlines() or ["nothing"]
