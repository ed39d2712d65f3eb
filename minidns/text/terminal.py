"""Standard output and error that escape control characters.

A Corefile, an object or a server can contain characters that move the cursor, colour or
hide text. Every command runs with streams that escape them.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TextIO, TypeVar, cast

from minidns.text import foreign

P = ParamSpec("P")
T = TypeVar("T")


class _Escaping:
    """A text stream that escapes each line."""

    def __init__(self, stream: TextIO, clean: Callable[[str], str]) -> None:
        self.stream = stream
        self._clean = clean

    def write(self, text: str) -> int:
        """Write ``text``, escaped except for line ends and tabs."""
        lines = self._clean(text).split("\n")
        self.stream.write("\n".join(map(escaped, lines)))
        return len(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever a stream has
        return getattr(self.stream, name)


def escaped(line: str) -> str:
    """Return ``line`` escaped for a terminal, tabs unchanged."""
    return "\t".join(map(foreign.escaped, line.split("\t")))


def escaping(main: Callable[P, T]) -> Callable[P, T]:
    """Decorate ``main`` to run with escaping streams, stderr without secrets."""

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        out, err = sys.stdout, sys.stderr
        if isinstance(out, _Escaping):
            return main(*args, **kwargs)
        # printed manifests must not change, except for the secrets of this process
        sys.stdout = cast(TextIO, _Escaping(out, foreign.without_remembered))
        sys.stderr = cast(TextIO, _Escaping(err, foreign.redacted))
        try:
            return main(*args, **kwargs)
        finally:
            sys.stdout, sys.stderr = out, err

    return run


def raw(stream: TextIO) -> TextIO:
    """Return the underlying stream, for callers that escape (colours)."""
    return cast(TextIO, getattr(stream, "stream", stream))
