"""Errors in a Corefile, with their position and the texts of CoreDNS."""

import re
from collections.abc import Iterable
from typing import Protocol

_SHORTEST = 3
"""Minimum length of a hidden word: shorter ones occur in any text."""
_HARMLESS = re.compile(r"[a-z_]{1,16}|(?:[a-z0-9-]+\.)+[a-z]{2,}\.?:\d{1,5}")
"""Matches words that are never hidden: the name of a directive, perhaps mistyped, or a
zone with its port. Tokens, keys and hashed passwords do not have these forms."""


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
        """Return an error that stores its position, but prints only ``TEXT``."""
        text = without(text, where.hidden)
        return cls(text, file=where.file, line=where.line, text=text)

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

    def hinting(self, hint: str) -> "ConfigError":
        """Return the same error, now with ``hint``."""
        self.hint = hint
        return self


def without(text: str, words: Iterable[str]) -> str:
    """Return ``text`` with each of ``words`` replaced by ``...``.

    >>> without("Unknown directive 's3cr3t'", ["s3cr3t"])
    "Unknown directive '...'"
    """
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _SHORTEST and not _HARMLESS.fullmatch(word):
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "...", text)
    return text
