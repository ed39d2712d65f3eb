"""What is wrong with a Corefile, and where, in the words CoreDNS would use."""

from typing import Protocol


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
        """What was probably meant; for people, no part of the message."""

    @classmethod
    def at(cls, where: Position, text: str) -> "ConfigError":
        """Return ``FILE:LINE - Error during parsing: TEXT``."""
        message = f"{where.file}:{where.line} - Error during parsing: {text}"
        return cls(message, file=where.file, line=where.line, text=text)

    @classmethod
    def syntax(cls, where: Position, found: str, expected: str) -> "ConfigError":
        """Return ``FILE:LINE - Syntax error: Unexpected token ..., expecting ...``."""
        text = f"Unexpected token '{found}', expecting '{expected}'"
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
