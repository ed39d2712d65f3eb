"""Standard output and error as commands have them: nothing gets through raw.

A Corefile, an object or a server can hold characters that move the cursor, colour or
hide text. Every command runs with streams that escape them, so none can forget to.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TextIO, TypeVar, cast

from minidns.text import foreign

P = ParamSpec("P")
T = TypeVar("T")


class _Escaping:
    """A text stream whose lines are escaped on the way."""

    def __init__(self, stream: TextIO, clean: Callable[[str], str]) -> None:
        self.stream = stream
        self._clean = clean

    def write(self, text: str) -> int:
        """Write ``text``; only its line ends and tabs stay as they are."""
        lines = self._clean(text).split("\n")
        self.stream.write("\n".join(map(escaped, lines)))
        return len(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever a stream has
        return getattr(self.stream, name)


def escaped(line: str) -> str:
    """Return a line fit for a terminal; its tabs stay."""
    return "\t".join(map(foreign.escaped, line.split("\t")))


def escaping(main: Callable[P, T]) -> Callable[P, T]:
    """Return ``main``, run with streams that escape; standard error without secrets."""

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        out, err = sys.stdout, sys.stderr
        if isinstance(out, _Escaping):
            return main(*args, **kwargs)
        # manifests that are printed must stay what they are, but for our own secrets
        sys.stdout = cast(TextIO, _Escaping(out, foreign.without_remembered))
        sys.stderr = cast(TextIO, _Escaping(err, foreign.redacted))
        try:
            return main(*args, **kwargs)
        finally:
            sys.stdout, sys.stderr = out, err

    return run


def raw(stream: TextIO) -> TextIO:
    """Return the stream below, for who escapes by itself (colours)."""
    return cast(TextIO, getattr(stream, "stream", stream))
