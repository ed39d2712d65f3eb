"""The tokens of one directive as a plugin reads them: occurrences, arguments, lines.

A plugin of CoreDNS is handed all tokens of its name in a server block as one list, and
takes an occurrence after the other from it. So an opening brace on a line of its own is
an occurrence too, and a snippet of one line imported twice is one long occurrence.
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
    """The name first; never empty."""
    closed: bool = False
    """Whether the block's closing brace stands on this line too."""

    @property
    def name(self) -> str:
        """The first word."""
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
        """Counted from 1."""
        return self.tokens[0].line

    @property
    def hidden(self) -> tuple[str, ...]:
        """Its words that no error may show."""
        return tuple(word for token in self.tokens for word in token.hidden)

    def error(self, text: str) -> ConfigError:
        """Return ``text`` as an error at this line."""
        return ConfigError.at(self, text)

    def arg_error(self) -> ConfigError:
        """Return that this line has too few or too many words."""
        last = "}" if self.closed else self.tokens[-1].text
        return ConfigError.arguments(self.tokens[-1], last)

    def syntax_error(self, expected: str) -> ConfigError:
        """Return that the line's name is not what was expected."""
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
    """Everything it was made of, its braces too."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """Its words that no error may show; its name is one that everybody knows."""
        return tuple(word for token in self.tokens[1:] for word in token.hidden)

    def error(self, text: str) -> ConfigError:
        """Return ``text`` as an error at the directive's first line."""
        return ConfigError.at(self, text)

    def end_error(self, text: str) -> ConfigError:
        """Return ``text`` as an error at the last token, as after reading it all."""
        text = without(text, self.hidden)
        return ConfigError.at(self.tokens[-1] if self.tokens else self, text)

    def arg_error(self) -> ConfigError:
        """Return that the first line has too few or too many words."""
        first = self.tokens[: 1 + len(self.args)]
        if not first:
            return ConfigError.arguments(self, (self.name, *self.args)[-1])
        return ConfigError.arguments(first[-1], first[-1].text)

    def syntax_error(self, expected: str) -> ConfigError:
        """Return that the directive's name is not what was expected."""
        return ConfigError.syntax(self, self.name, expected)


def occurrences(name: str, tokens: Sequence[Token]) -> Iterator[Directive]:
    """Yield what a plugin reads from all ``tokens`` of its ``name``, in order."""
    at = 0
    while at < len(tokens):
        start, at = at, _line_end(tokens, at, "{")
        args = tuple(token.text for token in tokens[start + 1 : at])
        opened = _goes_on(tokens, at, "{")
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
    """Return the index behind the last word on the line that begins at ``start``."""
    end = start + 1
    while (
        end < len(tokens)
        and tokens[end].continues(tokens[end - 1])
        and tokens[end].text not in stops
    ):
        end += 1
    return end


def _goes_on(tokens: Sequence[Token], at: int, brace: str) -> bool:
    """Return whether the line before ``at`` goes on with ``brace``."""
    return (
        at < len(tokens)
        and tokens[at].text == brace
        and tokens[at].continues(tokens[at - 1])
    )


def _read_block(tokens: Sequence[Token], at: int, lines: list[Line]) -> int:
    """Append the lines from ``at`` to the closing brace; return the index behind it."""
    while at < len(tokens):
        if tokens[at].text == "}":
            return at + 1
        # unlike CoreDNS: there most options take a brace on their line for one more
        # argument; here it closes the block for all of them
        start, at = at, _line_end(tokens, at, "{", "}")
        closed = _goes_on(tokens, at, "}")
        lines.append(Line(tuple(tokens[start:at]), closed))
    return at
