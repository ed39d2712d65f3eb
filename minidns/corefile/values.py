"""Argument types of several directives: durations, integers, zones, patterns."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from minidns.corefile.keys import normalized
from minidns.dns import names
from minidns.dns.model import Name
from minidns.dns.names import longest as longest
from minidns.text.go_text import duration as duration
from minidns.text.go_text import format_duration as format_duration
from minidns.text.go_text import integer as integer
from minidns.text.go_text import quote as quote

MAX_PATTERN = 10_000
"""Maximum length of a pattern in characters (CoreDNS plugins)."""


def zones(args: Sequence[str], default: Sequence[str]) -> tuple[Name, ...]:
    """Return the zones in ``args``, or in ``default`` if ``args`` is empty.

    They are normalized, with networks expanded; invalid zones are ignored.

    >>> zones(["Cluster.Local", "10.0.0.0/8"], ["."])
    ('cluster.local.', '10.in-addr.arpa.')
    """
    return tuple(zone for text in args or default for zone in normalized(text))


def fallthrough(args: Sequence[str]) -> tuple[Name, ...]:
    """Return the zones of *fallthrough*: those in ``args``, or the root without any.

    >>> fallthrough([])
    ('.',)
    """
    return zones(args, (".",))


def covers(zones: Iterable[Name], name: Name) -> bool:
    """Return whether ``name`` is at or below one of ``zones``."""
    zones = tuple(zones)  # no copy if it is a tuple
    if not name.endswith(zones):
        return False  # fast path: this runs several times per query
    for zone in zones:  # noqa: SIM110  # a generator is slower than this loop
        if names.is_below(name, zone):
            return True
    return False


class Match(Protocol):
    """A match of a pattern."""

    def group(self, group: int | str = 0, /) -> str | None:
        """Return the text of a group, None if it did not participate."""
        ...

    def groups(self) -> tuple[str | None, ...]:
        """Return the texts of all groups except group 0."""
        ...

    def groupdict(self) -> Mapping[str, str | None]:
        """Return the texts of the named groups."""
        ...


class Pattern(Protocol):
    """A compiled RE2 pattern; matching takes time linear in the text."""

    @property
    def pattern(self) -> str:
        """The text of the pattern."""
        ...

    @property
    def groups(self) -> int:
        """Number of groups."""
        ...

    def search(self, text: str, /) -> Match | None:
        """Return the leftmost match anywhere in ``text``."""
        ...

    def fullmatch(self, text: str, /) -> Match | None:
        """Return the match if the pattern matches all of ``text``."""
        ...


_GO_ERRORS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}
"""Errors of RE2 and the texts of Go's regexp for them."""


@functools.lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    r"""Return the RE2 pattern ``text``, compiled.

    >>> pattern("(?P<a>x)").search("yx").group("a")
    'x'

    Raises:
        ValueError: too long, or ``error parsing regexp: ...`` in the words of Go.

    """
    if len(text) > MAX_PATTERN:
        raise ValueError(f"regex pattern too long: {len(text)} > {MAX_PATTERN}")
    import re2  # 2.6 MiB, and few Corefiles have a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        raise ValueError(_regexp_error(error.args[0])) from error
    return compiled


def _regexp_error(reason: bytes | str) -> str:
    words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    what, _, piece = words.partition(": ")
    return f"error parsing regexp: {_GO_ERRORS.get(what, what)}: `{piece}`"
