"""Splits Corefile text into tokens, and expands {$X} in a token.

The only module that knows what separates words. A token stores where it starts, but not
whether it was quoted: the parser treats ``"{"`` as a brace (caddyfile lexer).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from minidns.corefile.errors import ConfigError, is_harmless

_SPACE = r"\t\n\v\f\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space of Go's unicode.IsSpace without CR, which is not a separator."""
_LEXEME = re.compile(
    rf"""
      [\r{_SPACE}]+
    | \#[^\n]*
    | "(?P<quoted>(?:[^"\\]|\\.)*)\\?(?P<close>"?)
    # a comment within a word ends at white space, not at the end of the line
    | (?P<word>[^"\#{_SPACE}][^\#{_SPACE}]*) (?:\#[^{_SPACE}]*)?
    """,
    re.VERBOSE | re.DOTALL,
)

MAX_TEXT = 1 << 20
"""limit: characters of a file; no ConfigMap is larger, and scanning takes seconds."""
MAX_ROUNDS = 1000
MAX_EXPANDED = 1 << 20
"""Characters of a token after its environment references are replaced."""


class Place(Enum):
    """The file that a token is in; it decides which words errors show."""

    COREFILE = "the Corefile itself: every word"
    NEARBY = "an imported file in the Corefile's folder or below: harmless words"
    ELSEWHERE = "an imported file anywhere else: no word"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a Corefile and where it starts."""

    text: str
    file: str
    """The path: as specified for the main file, absolute for an imported one."""
    line: int
    place: Place = Place.COREFILE

    @property
    def hidden(self) -> tuple[str, ...]:
        """The text of the token if errors must not show it."""
        is_shown = self.place is Place.COREFILE or (
            self.place is Place.NEARBY and is_harmless(self.text)
        )
        return () if is_shown else (self.text,)

    def begins_line(self, before: "Token") -> bool:
        """Return whether this token is on a later line than the one ``before`` it.

        A smaller line number of the same file does not count as later: the tokens of
        a snippet keep the numbers of its definition.
        """
        return before.file != self.file or before.last_line < self.line

    def continues(self, before: "Token") -> bool:
        """Return whether this token is on the line that ``before`` ends on."""
        return before.file == self.file and before.last_line == self.line

    @property
    def last_line(self) -> int:
        """The line on which the token ends."""
        return self.line + self.text.count("\n")


def scan(text: str, file: str, *, place: Place = Place.COREFILE) -> Iterator[Token]:
    r"""Yield the tokens of ``text``; any text at all can be scanned.

    >>> [token.text for token in scan('log . "{remote} \\"x" # why', "Corefile")]
    ['log', '.', '{remote} "x']

    Raises:
        ConfigError: the text is too long.

    """
    if len(text) > MAX_TEXT:
        raise ConfigError(f"{file}: larger than {MAX_TEXT >> 20} MiB")
    line = 1
    for lexeme in _LEXEME.finditer(text.removeprefix("\ufeff")):
        quoted, word = lexeme["quoted"], lexeme["word"]
        if word is not None:
            yield Token(word.replace("\r", ""), file, line, place)
        elif quoted or lexeme["close"]:  # a quote at the very end is no token
            yield Token(quoted.replace('\\"', '"'), file, line, place)
        line += lexeme[0].count("\n")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return ``text`` with every ``{%NAME%}``, then ``{$NAME}``, replaced.

    An unset variable expands to nothing; a value may contain references.

    >>> expand("{$HOST}:{%PORT%}", {"HOST": "192.0.2.1", "PORT": "53"})
    '192.0.2.1:53'

    Raises:
        ValueError: a value refers to itself.

    """
    if "{" not in text:
        return text
    return _replaced(_replaced(text, "{%", "%}", environ), "{$", "}", environ)


def _replaced(text: str, opening: str, closing: str, environ: Mapping[str, str]) -> str:
    for _ in range(MAX_ROUNDS):
        start = text.find(opening)
        # search from ``start``, not after the opening: "{%}" ends the expansion
        end = text.find(closing, start)
        if start < 0 or end <= start + len(opening):
            return text
        name = text[start + len(opening) : end]
        text = text.replace(opening + name + closing, environ.get(name, ""))
        if len(text) > MAX_EXPANDED:
            break
    # unlike CoreDNS, which never stops replacing
    raise ValueError(f"environment variable {name} refers to itself")
