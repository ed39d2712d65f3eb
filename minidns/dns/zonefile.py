"""Parses zone files (RFC 1035 5) with $ORIGIN, $TTL and $INCLUDE into records.

Records are parsed lazily, one by one, so that the caller can do other work between the
records of a large file.
"""

import errno
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from minidns.dns import names, rdata
from minidns.dns.model import Name, Rdata, RRset
from minidns.text import files as paths
from minidns.text.go_text import quote

MAX_INCLUDES = 7
"""limit: depth of $INCLUDE (miekg/dns)."""

Read: TypeAlias = Callable[[str], str]
"""Returns the text of the file at a path; raises OSError if it cannot be read."""


class Record(NamedTuple):
    """One record and its position in the file."""

    owner: str
    """The absolute owner name, in the case of the file."""
    rtype: int
    ttl: int
    rdata: Rdata
    rclass: int = 1
    file: str = ""
    line: int = 0


class ZoneFileError(ValueError):
    """An error in a zone file; the message has the line and the reason.

    It never quotes the text: a mistyped path may name a token or a private key.
    """


class _Entry(NamedTuple):
    """The words up to the end of a line outside parentheses."""

    words: tuple[str, ...]
    line: int
    indented: bool
    """True if the line starts with white space: the record has the last owner."""


_TOKEN = re.compile(
    r"""
    [ \t\r\f\v]*
    (?: (?P<word>(?:[^\s"();\\]+ | "(?:\\.|[^"\\])*" | \\.)+)
      | (?P<paren>[()])
      | ;.* | \Z
    )
    """,
    re.VERBOSE,
)


def _entries(text: str) -> Iterator[_Entry]:
    words: list[str] = []
    depth = start = 0
    indented = False
    for number, line in enumerate(text.split("\n"), 1):
        if not words and not depth:
            start, indented = number, line[:1] in (" ", "\t")
        at, end = 0, len(line)
        while at < end:
            token = _TOKEN.match(line, at)
            if token is None:
                raise ZoneFileError(f"line {number}: unterminated quote or backslash")
            at = token.end()
            word, paren = token.groups()
            if word:
                words.append(word)
            elif paren:
                depth += 1 if paren == "(" else -1
                if depth < 0:
                    raise ZoneFileError(f"line {number}: extra closing parenthesis")
        if words and not depth:
            yield _Entry(tuple(words), start, indented)
            words = []
    if depth:
        raise ZoneFileError(f"line {start}: parenthesis is not closed")


def _no_includes(path: str) -> str:
    raise ZoneFileError("$INCLUDE is not allowed here")


class _Reader:
    """Parser of one file with its current origin, TTL and owner."""

    def __init__(
        self, origin: Name, file: str, read: Read, ttl: int | None, depth: int = 0
    ) -> None:
        self.origin = origin
        self.ttl = ttl
        self._file = file
        self._read = read
        self._depth = depth
        self._owner = ""
        self._fixed = ttl is not None
        """True if the TTL is from $TTL, not from the last record."""

    def records(self, text: str) -> Iterator[Record]:
        for entry in _entries(text):
            try:
                yield from self._entry(entry)
            except ValueError as error:
                if isinstance(error, ZoneFileError):
                    raise
                raise ZoneFileError(f"line {entry.line}: {error}") from error

    def _entry(self, entry: _Entry) -> Iterable[Record]:
        first, *rest = entry.words
        match first.upper():
            case "$ORIGIN":
                (origin,) = _exactly(1, rest)
                self.origin = self._name(origin).lower()
            case "$TTL":
                (ttl,) = _exactly(1, rest)
                self.ttl, self._fixed = rdata.seconds(ttl), True
            case "$INCLUDE":
                return self._included(rest)
            case _ if first.startswith("$"):
                raise ValueError("only $ORIGIN, $TTL and $INCLUDE are supported")
            case _:
                return (self._record(entry),)
        return ()

    def _included(self, words: list[str]) -> Iterator[Record]:
        if len(words) not in (1, 2):
            raise ValueError("$INCLUDE needs a file, and at most an origin")
        if self._depth == MAX_INCLUDES:
            raise ValueError(f"more than {MAX_INCLUDES} files include one another")
        path = paths.below(posixpath.dirname(self._file), words[0].strip('"'))
        origin = self._name(words[1]).lower() if len(words) == 2 else self.origin
        ttl = self.ttl if self._fixed else None
        reader = _Reader(origin, path, self._read, ttl, self._depth + 1)
        try:
            text = self._read(path)
        except OSError as error:
            raise ValueError(_unreadable(error, path)) from error
        try:
            yield from reader.records(text)
        except ZoneFileError as error:
            raise ZoneFileError(f"{quote(path)}: {error}") from error

    def _name(self, word: str) -> str:
        if word == "@":
            return self.origin
        if not word.endswith(".") or word.endswith("\\."):
            word = f"{word}." if self.origin == "." else f"{word}.{self.origin}"
        try:
            return names.from_wire(names.to_wire(word))  # normalizes its escapes
        except ValueError:
            raise ValueError("not a domain name") from None

    def _record(self, entry: _Entry) -> Record:
        words = list(entry.words)
        if not entry.indented:
            self._owner = self._name(words.pop(0))
        if not self._owner:
            raise ValueError("the first record has no owner")
        ttl, rclass, rtype = _head(words)
        data = rdata.from_text(rtype, " ".join(words), self.origin)
        return Record(
            self._owner,
            rtype,
            self._ttl_of(ttl, rtype, data),
            data,
            rclass,
            self._file,
            entry.line,
        )

    def _ttl_of(self, ttl: int | None, rtype: int, data: Rdata) -> int:
        if ttl is None:
            ttl = self.ttl
        if ttl is None and rtype == rdata.SOA:
            ttl = rdata.read_soa(data).minimum  # RFC 1035 has no $TTL (RFC 2308 4)
        if ttl is None:
            raise ValueError("no TTL in this or an earlier record")
        if not self._fixed:
            self.ttl = ttl
        return ttl


def _unreadable(error: OSError, path: str) -> str:
    """Return why a file cannot be included; with its path only if there is one.

    Without one, the word may be anything: see `ZoneFileError`.
    """
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return "there is no such file to include"
    return paths.reason(error, path)


def _exactly(count: int, words: list[str]) -> list[str]:
    if len(words) != count:
        raise ValueError(f"needs {count} word, has {len(words)}")
    return words


def _head(words: list[str]) -> tuple[int | None, int, int]:
    """Remove and return the TTL and class, optional in any order, and the type."""
    ttl: int | None = None
    rclass = 1
    while words:
        word = words.pop(0)
        if word[:1].isdecimal():
            ttl = rdata.seconds(word)
        elif word.upper() in _CLASSES or _CLASS_NUMBER.fullmatch(word):
            rclass = rdata.class_number(word)
        else:
            return ttl, rclass, _type(word)
    raise ValueError("no type")


_CLASSES = frozenset(rdata.CLASSES) - {"ANY", "NONE"}
_CLASS_NUMBER = re.compile(r"CLASS\d+", re.IGNORECASE | re.ASCII)  # RFC 3597 5


def _type(word: str) -> int:
    try:
        return rdata.type_number(word)
    except ValueError:
        raise ValueError("unknown record type") from None


def read(text: str, origin: Name, file: str, files: Read) -> Iterator[Record]:
    """Yield the records of the zone file ``text``, in file order.

    ``file`` is its path; included files are relative to it and read with ``files``.

    Raises:
        ZoneFileError: a malformed record; those before it have been yielded.

    """
    return _Reader(origin, file, files, None).records(text)


def record(text: str, ttl: int = 3600) -> Record:
    """Return the first record in ``text``; ``ttl`` applies if it has no TTL.

    >>> record("example.org IN A 192.0.2.1").owner
    'example.org.'

    Raises:
        ZoneFileError: the record is missing or malformed.

    """
    for first in _Reader(".", "", _no_includes, ttl).records(text):
        return first
    raise ZoneFileError("no record")


def rrsets(records: Iterable[Record]) -> tuple[RRset, ...]:
    """Return ``records`` grouped by owner, type, TTL and class, in order."""
    sets: dict[tuple[str, int, int, int], list[Rdata]] = {}
    for owner, rtype, ttl, data, rclass, *_ in records:
        sets.setdefault((owner, rtype, ttl, rclass), []).append(data)
    return tuple(
        RRset(owner, rtype, ttl, tuple(data), rclass)
        for (owner, rtype, ttl, rclass), data in sets.items()
    )
