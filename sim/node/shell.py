"""``sh -c TEXT`` in a pod: lists, pipes, loops and variables around other programs.

It reads ``;``, ``&&``, ``||``, ``|``, ``for``, ``while``, ``if``, assignments, quotes,
``$NAME``, ``$?``, ``$(command)``, and redirections to ``/dev/null`` and of standard
error. The output of a program is one text, so its standard error goes where its
standard output goes.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .container import Container, Output
from .filters import FILTERS
from .over_sockets import QueryRecord

Run: TypeAlias = Callable[[Container, list[str]], Awaitable[Output]]
Write: TypeAlias = Callable[[str], Awaitable[None]]
MAX_COMMANDS = 10_000
"""Commands after which a script ends, as one with an endless loop has to."""

_NESTED = r"\$\((?:[^()]|\([^()]*\))*\)"
_TOKEN = re.compile(
    rf"[ \t]+|(?<!\S)\#[^\n]*|(?P<quiet>&?1?>\s*/dev/null)|2>\s*(?:/dev/null|&1)"
    rf"|(?P<op>&&|\|\||[;|\n])|(?P<bad>[&<>()`])"
    rf"""|(?P<word>(?:{_NESTED}|'[^']*'|"[^"]*"|\\.|[^\s;|&<>()'"\\`])+)"""
)
_PART = re.compile(
    rf"""'(?P<raw>[^']*)'|"(?P<quoted>[^"]*)"|\\(?P<char>.)|(?P<bare>(?:{_NESTED}|[^'"\\])+)"""
)
_DOLLAR = re.compile(r"\$(?:\(((?:[^()]|\([^()]*\))*)\)|\{(\w+)\}|(\w+|\?))")
_ENDS = ("do", "done", "then", "else", "fi")


class SyntaxFault(ValueError):
    """A script is not understood; the message names the word."""


class _Stop(Exception):
    """The script ends here."""


@dataclass(frozen=True, slots=True)
class _Simple:
    """A program with its words; ``quiet`` ones write to /dev/null."""

    words: tuple[str, ...]
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class _For:
    name: str
    words: tuple[str, ...]
    body: "_List"


@dataclass(frozen=True, slots=True)
class _Loop:
    """while, or if, which runs once and has another body."""

    condition: "_List"
    body: "_List"
    otherwise: "_List" = ()
    is_once: bool = False


_Command: TypeAlias = _Simple | _For | _Loop
_List: TypeAlias = tuple[tuple[str, tuple[_Command, ...]], ...]
"""Pipelines, each with the operator before it."""


class Script:
    """The parser: a script as a list of pipelines."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def parse(self) -> _List:
        """Return the whole script.

        Raises:
            SyntaxFault: it is not understood.

        """
        parsed = self._list(())
        if self._at < len(self._tokens):
            raise SyntaxFault(self._tokens[self._at][1])
        return parsed

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, *wanted: str) -> str:
        kind, text = self._peek()
        if wanted and text not in wanted:
            raise SyntaxFault(text.strip() or "end of file")
        self._at += 1
        return text if kind != "end" else ""

    def _list(self, ends: tuple[str, ...]) -> _List:
        steps: list[tuple[str, tuple[_Command, ...]]] = []
        joiner = ";"
        while True:
            while self._peek()[1] in (";", "\n"):
                self._take()
            kind, text = self._peek()
            if kind == "end" or (kind == "word" and text in ends):
                return tuple(steps)
            pipeline = [self._command()]
            while self._peek()[1] == "|":
                self._take()
                pipeline.append(self._command())
            steps.append((joiner, tuple(pipeline)))
            joiner = self._peek()[1]
            if joiner in ("&&", "||"):
                self._take()

    def _command(self) -> _Command:
        match self._peek():
            case ("word", "for"):
                return self._for()
            case ("word", "while"):
                self._take()
                condition = self._list(("do",))
                return _Loop(condition, self._body())
            case ("word", "if"):
                return self._if()
        return self._simple()

    def _for(self) -> _For:
        self._take()
        name = self._take()
        self._take("in")
        words = self._simple().words
        self._take(";", "\n")
        return _For(name, words, self._body())

    def _body(self) -> _List:
        self._take("do")
        body = self._list(("done",))
        self._take("done")
        return body

    def _if(self) -> _Loop:
        self._take()
        condition = self._list(("then",))
        self._take("then")
        body = self._list(("else", "fi"))
        otherwise: _List = ()
        if self._take("else", "fi") == "else":
            otherwise = self._list(("fi",))
            self._take("fi")
        return _Loop(condition, body, otherwise, is_once=True)

    def _simple(self) -> _Simple:
        words, quiet = [], False
        while self._peek()[0] in ("word", "quiet"):
            kind, text = self._peek()
            self._take()
            quiet |= kind == "quiet"
            words += [text] if kind == "word" else []
        if not words or words[0] in _ENDS:
            raise SyntaxFault((words or [self._peek()[1]])[0].strip() or "end of file")
        return _Simple(tuple(words), quiet)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match["bad"]:
            raise SyntaxFault(text[at : at + 1])
        at = match.end()
        if match.lastgroup:
            yield match.lastgroup, match[match.lastgroup]


class Shell:
    """Runs scripts in a container; ``run`` runs programs, ``write`` has the output."""

    def __init__(self, container: Container, run: Run, write: Write) -> None:
        self.queries: list[QueryRecord] = []
        """The queries of all programs."""
        self._container = container
        self._program = run
        self._write = write
        self._names = {"?": "0"}
        self._count = 0

    async def run(self, text: str) -> int:
        """Run a script; return its exit status."""
        try:
            await self._list(Script(text).parse(), self._write)
        except SyntaxFault as fault:
            await self._write(f'sh: 1: Syntax error: "{fault}" unexpected\n')
            return 2
        except _Stop as stop:
            await self._write(str(stop))
        return int(self._names["?"])

    @property
    def _failed(self) -> bool:
        return self._names["?"] != "0"

    async def _list(self, steps: _List, write: Write) -> None:
        for joiner, pipeline in steps:
            if (joiner == "&&" and self._failed) or (
                joiner == "||" and not self._failed
            ):
                continue
            text = ""
            for command in pipeline[:-1]:
                text = await self._collected(command, text)
            await self._command(pipeline[-1], text, write)

    async def _collected(self, command: _Command, text: str) -> str:
        """Return the output of a command as text."""
        parts: list[str] = []

        async def keep(part: str) -> None:
            parts.append(part)

        await self._command(command, text, keep)
        return "".join(parts)

    async def _command(self, command: _Command, text: str, write: Write) -> None:
        match command:
            case _For(name, words, body):
                for word in await self._expanded(words):
                    self._names[name] = word
                    await self._list(body, write)
            case _Loop():
                await self._loop(command, write)
            case _Simple():
                await self._simple(command, text, write)

    async def _loop(self, loop: _Loop, write: Write) -> None:
        while True:
            await self._list(loop.condition, write)
            if self._failed:
                self._names["?"] = "0"
                await self._list(loop.otherwise, write)
                return
            await self._list(loop.body, write)
            if loop.is_once:
                return

    async def _simple(self, simple: _Simple, text: str, write: Write) -> None:
        self._count += 1
        if self._count > MAX_COMMANDS:
            raise _Stop(f"sh: ended after {MAX_COMMANDS} commands\n")
        await asyncio.sleep(0)  # a loop without a program that waits can be cancelled
        words = await self._expanded(simple.words)
        while words and re.match(r"\w+=", words[0]):
            name, _, self._names[name] = words.pop(0).partition("=")
        output = await self._run(words, text) if words else Output(0, "")
        self.queries += output.queries
        self._names["?"] = str(output.status)
        if output.text and not simple.quiet:
            await write(output.text)

    async def _run(self, words: list[str], text: str) -> Output:
        """Run a program, or what the shell does itself."""
        match words:
            case ["exit", *status]:
                self._names["?"] = (status or [self._names["?"]])[0]
                raise _Stop
            case ["sleep", seconds] if re.fullmatch(r"\d*\.?\d+", seconds):
                await asyncio.sleep(float(seconds))
                return Output(0, "")
            case ["cat"]:
                return Output(0, text)
            case [name, *rest] if name in FILTERS:
                return FILTERS[name](rest, text)
        return await self._program(self._container, words)

    async def _expanded(self, words: Sequence[str]) -> list[str]:
        """Return words with values for names and the output of nested scripts."""
        result: list[str] = []
        for word in words:
            pieces, quoted = [""], False
            for part in _PART.finditer(word):
                value = part["raw"] or part["char"] or ""
                if part["quoted"] is not None or part["bare"] is not None:
                    value = await self._values(part["quoted"] or part["bare"] or "")
                quoted |= part["bare"] is None
                if part["bare"] is None or "$" not in part["bare"]:
                    pieces[-1] += value
                else:  # a value without quotes is split into words
                    split = value.split()
                    pieces[-1] += (split or [""])[0]
                    pieces += split[1:]
            result += [piece for piece in pieces if piece or quoted]
        return result

    async def _values(self, text: str) -> str:
        """Return a text with values for names and the output of nested scripts."""
        result, at = "", 0
        for match in _DOLLAR.finditer(text):
            nested, braced, plain = match.groups()
            value = self._names.get(braced or plain or "", "")
            if nested is not None:
                parts: list[str] = []

                async def keep(part: str, parts: list[str] = parts) -> None:
                    parts.append(part)

                await self._list(Script(nested).parse(), keep)
                value = "".join(parts).rstrip("\n")
            result += text[at : match.start()] + value
            at = match.end()
        return result + text[at:]
