"""The tokens of one directive as a plugin reads them: occurrences, arguments, lines.

A plugin of CoreDNS receives all tokens of its name in a server block as one list, and
parses one occurrence after the other from it. So an opening brace on its own line is an
occurrence too, and a snippet of one line imported twice is one long occurrence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minidns.corefile.errors import ConfigError, without
from minidns.corefile.lexer import Token


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a directive's own ``{ }`` block: an option and its arguments.

    Blocks do not nest for plugins: an opening brace ends the line and begins the next.
    """

    tokens: tuple[Token, ...]
    """The tokens of the line, the name first; never empty."""
    closed: bool = False
    """True if the closing brace of the block is on this line."""

    @property
    def name(self) -> str:
        """The name of the option: the first word."""
        return self.tokens[0].text

    @property
    def args(self) -> tuple[str, ...]:
        """The words after the first, without a closing brace."""
        return tuple(token.text for token in self.tokens[1:])

    @property
    def file(self) -> str:
        """The file's name, as errors show it."""
        return self.tokens[0].file

    @property
    def line(self) -> int:
        """The line number, counted from 1."""
        return self.tokens[0].line

    @property
    def hidden(self) -> tuple[str, ...]:
        """The words of the line that no error may show."""
        return tuple(word for token in self.tokens for word in token.hidden)

    def shown(self, text: str) -> str:
        """Return ``text`` for a log line, without the words that no error may show."""
        return without(text, self.hidden)

    def error(self, text: str) -> ConfigError:
        """Return ``text`` as an error at this line."""
        return ConfigError.at(self, text)

    def arg_error(self) -> ConfigError:
        """Return an error for too few or too many words on this line."""
        last = "}" if self.closed else self.tokens[-1].text
        return ConfigError.arguments(self.tokens[-1], last)

    def syntax_error(self, expected: str) -> ConfigError:
        """Return an error for an unexpected name of the line."""
        return ConfigError.syntax(self, self.name, expected)


@dataclass(frozen=True, slots=True)
class Directive:
    """One occurrence of a plugin's directive in a server block."""

    name: str
    args: tuple[str, ...]
    file: str
    line: int
    block: tuple[Line, ...] = ()
    """The lines inside its ``{ }``."""
    has_block: bool = False
    tokens: tuple[Token, ...] = ()
    """All tokens of the occurrence, braces included."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """The words that no error may show; the name is a known directive."""
        return tuple(word for token in self.tokens[1:] for word in token.hidden)

    def shown(self, text: str) -> str:
        """Return ``text`` for a log line, without the words that no error may show."""
        return without(text, self.hidden)

    def error(self, text: str) -> ConfigError:
        """Return ``text`` as an error at the directive's first line."""
        return ConfigError.at(self, text)

    def end_error(self, text: str) -> ConfigError:
        """Return ``text`` as an error at the last token of the directive."""
        text = without(text, self.hidden)
        return ConfigError.at(self.tokens[-1] if self.tokens else self, text)

    def arg_error(self) -> ConfigError:
        """Return an error for too few or too many words on the first line."""
        first = self.tokens[: 1 + len(self.args)]
        if not first:
            return ConfigError.arguments(self, (self.name, *self.args)[-1])
        return ConfigError.arguments(first[-1], first[-1].text)

    def syntax_error(self, expected: str) -> ConfigError:
        """Return an error for an unexpected name of the directive."""
        return ConfigError.syntax(self, self.name, expected)


def occurrences(name: str, tokens: Sequence[Token]) -> Iterator[Directive]:
    """Yield the occurrences of ``name`` that a plugin parses from ``tokens``."""
    at = 0
    while at < len(tokens):
        start, at = at, _line_end(tokens, at, "{")
        args = tuple(token.text for token in tokens[start + 1 : at])
        opened = _continues(tokens, at, "{")
        lines: list[Line] = []
        if opened:
            at = _read_block(tokens, at + 1, lines)
        yield Directive(
            name,
            args,
            tokens[start].file,
            tokens[start].line,
            tuple(lines),
            opened,
            tuple(tokens[start:at]),
        )


def _line_end(tokens: Sequence[Token], start: int, *stops: str) -> int:
    """Return the index after the last word of the line that begins at ``start``."""
    end = start + 1
    while (
        end < len(tokens)
        and tokens[end].continues(tokens[end - 1])
        and tokens[end].text not in stops
    ):
        end += 1
    return end


def _continues(tokens: Sequence[Token], at: int, brace: str) -> bool:
    """Return whether ``brace`` is at ``at`` and continues the line before."""
    return (
        at < len(tokens)
        and tokens[at].text == brace
        and tokens[at].continues(tokens[at - 1])
    )


def _read_block(tokens: Sequence[Token], at: int, lines: list[Line]) -> int:
    """Append the lines from ``at`` to the closing brace; return the index after it."""
    while at < len(tokens):
        if tokens[at].text == "}":
            return at + 1
        # unlike CoreDNS: most options there parse a brace on their line as one more
        # argument; here it always closes the block
        start, at = at, _line_end(tokens, at, "{", "}")
        closed = _continues(tokens, at, "}")
        lines.append(Line(tuple(tokens[start:at]), closed))
    return at
