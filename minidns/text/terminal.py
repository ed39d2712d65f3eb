"""Standard output and error that escape control characters, and colours of our own.

A Corefile, an object or a server can contain characters that move the cursor, colour or
hide text. Every command runs with streams that escape them.
"""

import functools
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TextIO, TypeVar, cast

from minidns.text import foreign

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"
"""Parameters of SGR, the control sequence for colours (ECMA-48 8.3.117)."""
P = ParamSpec("P")
T = TypeVar("T")


class _Escaping:
    """A text stream that escapes each line."""

    def __init__(self, stream: TextIO, clean: Callable[[str], str]) -> None:
        self.stream = stream
        self._clean = clean

    def safe(self, text: str) -> str:
        """Return ``text``, escaped except for line ends and tabs."""
        return "\n".join(map(escaped, self._clean(text).split("\n")))

    def write(self, text: str) -> int:
        """Write ``text`` escaped."""
        self.stream.write(self.safe(text))
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


def wants_color(out: TextIO) -> bool:
    """Return whether ``out`` is a terminal with colours, and NO_COLOR is not set."""
    environ = os.environ
    is_dumb = environ.get("TERM") == "dumb" or environ.get("NO_COLOR")
    return out.isatty() and not is_dumb


def painted(text: str, code: str) -> str:
    """Return ``text``, which is escaped already, in a colour."""
    return f"\x1b[{code}m{text}\x1b[0m"


def show(line: str, colors: Mapping[str, str], out: TextIO | None = None) -> None:
    """Print a line; on a terminal, what matches a pattern of ``colors`` has its colour.

    ``out`` is standard output by default.
    """
    out = out or sys.stdout
    if not wants_color(out):
        print(line, file=out, flush=True)
        return
    safe = out.safe(line) if isinstance(out, _Escaping) else escaped(line)
    for pattern, code in colors.items():
        safe = re.sub(pattern, painted(r"\g<0>", code), safe)
    print(safe, file=raw(out), flush=True)
