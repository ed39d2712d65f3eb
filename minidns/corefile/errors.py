"""Errors in a Corefile, with their position and the texts of CoreDNS."""

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from minidns.text.go_text import quote

_SHORTEST = 3
"""Minimum length of a hidden word: shorter ones occur in any text."""
_HARMLESS = re.compile(r"[a-z_]{1,16}|(?:[a-z0-9-]+\.)+[a-z]{2,}\.?:\d{1,5}")
"""Matches the name of a directive, perhaps mistyped, and a zone with its port. Tokens,
keys and hashed passwords do not have these forms."""


class Position(Protocol):
    """Anything with a position: a token, a line, a directive, a server block."""

    @property
    def file(self) -> str:
        """The file's name, as errors show it."""
        ...

    @property
    def line(self) -> int:
        """The line number, counted from 1."""
        ...

    @property
    def hidden(self) -> tuple[str, ...]:
        """Words that errors must not show: an imported file may not be a Corefile."""
        ...


class ConfigError(ValueError):
    """A Corefile that cannot be used; ``str()`` is the one line CoreDNS would print.

    Constructed directly if CoreDNS prints no position, else by ``at`` or ``syntax``.
    """

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, text: str = ""
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        """The line number, 0 if unknown."""
        self.text = text or message
        """The message without its position."""
        self.hint = ""
        """A suggestion for the user; it is not part of the message."""

    @classmethod
    def at(cls, where: Position, text: str) -> "ConfigError":
        """Return ``FILE:LINE - Error during parsing: TEXT``."""
        text = without(text, where.hidden)
        message = f"{where.file}:{where.line} - Error during parsing: {text}"
        return cls(message, file=where.file, line=where.line, text=text)

    @classmethod
    def plain(cls, where: Position, text: str) -> "ConfigError":
        """Return an error that stores its position, but prints only ``TEXT``.

        If a word of it is hidden, it prints the position, too.
        """
        clean = without(text, where.hidden)
        message = clean if clean == text else f"{where.file}:{where.line} - {clean}"
        return cls(message, file=where.file, line=where.line, text=clean)

    @classmethod
    def syntax(cls, where: Position, actual: str, expected: str) -> "ConfigError":
        """Return ``FILE:LINE - Syntax error: Unexpected token ..., expecting ...``."""
        text = f"Unexpected token '{actual}', expecting '{expected}'"
        text = without(text, where.hidden)
        message = f"{where.file}:{where.line} - Syntax error: {text}"
        return cls(message, file=where.file, line=where.line, text=text)

    @classmethod
    def arguments(cls, where: Position, last: str) -> "ConfigError":
        """Return an error for too few or too many words up to ``last``."""
        if last == "{":
            return cls.at(where, "Unexpected token '{', expecting argument")
        text = f"Wrong argument count or unexpected line ending after '{last}'"
        return cls.at(where, text)

    def prefixed(self, prefix: str) -> "ConfigError":
        """Return the same error with ``prefix`` before its message."""
        error = ConfigError(
            prefix + str(self), file=self.file, line=self.line, text=self.text
        )
        error.hint = self.hint
        return error

    def hiding(self, where: Position) -> "ConfigError":
        """Return the same error without words that ``where`` hides.

        If there are any, and the error has no position, it gets that of ``where``.
        """
        message, text = (without(part, where.hidden) for part in (str(self), self.text))
        if message == str(self):
            return self
        if not self.line:
            message = f"{where.file}:{where.line} - {message}"
        error = ConfigError(message, file=where.file, line=where.line, text=text)
        return error.hinting(self.hint)

    def hinting(self, hint: str) -> "ConfigError":
        """Return the same error, now with ``hint``."""
        self.hint = hint
        return self


def is_harmless(word: str) -> bool:
    """Return whether ``word`` looks like a directive's name, or a zone with its port.

    >>> is_harmless("forwad"), is_harmless("example.org:53"), is_harmless("s3cr3t")
    (True, True, False)
    """
    return bool(_HARMLESS.fullmatch(word))


def without(text: str, words: Iterable[str]) -> str:
    """Return ``text`` with each of ``words``, and parts of them, replaced by ``...``.

    >>> without("Unknown directive 's3cr3t'", ["s3cr3t"])
    "Unknown directive '...'"
    """
    forms = {form for word in words for form in _forms(word) if len(form) >= _SHORTEST}
    for form in sorted(forms, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(form)}(?!\w)"
        text = re.sub(pattern, "...", text, flags=re.IGNORECASE)
    return text


def _forms(word: str) -> Iterator[str]:
    """Yield ``word`` and what an error may show of it: in quotes, or a part of it."""
    yield word
    yield quote(word)[1:-1]
    parts = re.split(r"[/:@%,=]+", word)
    yield from (part for part in parts if not is_harmless(part))
