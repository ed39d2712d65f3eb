"""Errors in a Corefile, with their position, in CoreDNS's words."""

import re
from collections.abc import Iterable
from typing import Protocol

_SHORTEST = 3
"""Characters of a word that is hidden: shorter ones stand in any text."""
_HARMLESS = re.compile(r"[a-z_]{1,16}|(?:[a-z0-9-]+\.)+[a-z]{2,}\.?:\d{1,5}")
"""A word that is shown in any case: the name of a directive, perhaps mistyped, or a
zone with its port. Tokens, keys and hashed passwords do not have these forms."""


class Position(Protocol):
    """Anything that stands somewhere: a token, a line, a directive, a server block."""

    @property
    def file(self) -> str:
        """The file's name, as errors show it."""
        ...

    @property
    def line(self) -> int:
        """Counted from 1."""
        ...

    @property
    def hidden(self) -> tuple[str, ...]:
        """Words that are not to be shown: an imported file may be no Corefile."""
        ...


class ConfigError(ValueError):
    """A Corefile that cannot be used; ``str()`` is the one line CoreDNS would print.

    Made with plain text when CoreDNS gives no position, else by ``at`` or ``syntax``.
    """

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, text: str = ""
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        """0 when unknown."""
        self.text = text or message
        """The message without its position."""
        self.hint = ""
        """A suggestion for people; it is no part of the message."""

    @classmethod
    def at(cls, where: Position, text: str) -> "ConfigError":
        """Return ``FILE:LINE - Error during parsing: TEXT``."""
        text = without(text, where.hidden)
        message = f"{where.file}:{where.line} - Error during parsing: {text}"
        return cls(message, file=where.file, line=where.line, text=text)

    @classmethod
    def plain(cls, where: Position, text: str) -> "ConfigError":
        """Return ``TEXT`` alone: CoreDNS does not show where, the error knows it."""
        text = without(text, where.hidden)
        return cls(text, file=where.file, line=where.line, text=text)

    @classmethod
    def syntax(cls, where: Position, found: str, expected: str) -> "ConfigError":
        """Return ``FILE:LINE - Syntax error: Unexpected token ..., expecting ...``."""
        text = f"Unexpected token '{found}', expecting '{expected}'"
        text = without(text, where.hidden)
        message = f"{where.file}:{where.line} - Syntax error: {text}"
        return cls(message, file=where.file, line=where.line, text=text)

    @classmethod
    def arguments(cls, where: Position, last: str) -> "ConfigError":
        """Return that the words up to ``last`` are too few or too many."""
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
    """Return ``text`` with dots for each of ``words``.

    >>> without("Unknown directive 's3cr3t'", ["s3cr3t"])
    "Unknown directive '...'"
    """
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _SHORTEST and not _HARMLESS.fullmatch(word):
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "...", text)
    return text
