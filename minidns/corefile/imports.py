"""Arguments of ``import``: paths, wildcards, and the tokens of the files.

Paths are joined and cleaned as text, and wildcards are matched as Go does. ``Files``
accesses the file system.
"""

import posixpath
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from minidns.corefile.errors import ConfigError, Position
from minidns.corefile.lexer import Place, Token, scan

MAX_IMPORTS = 100_000
"""Number of files and patterns that one Corefile may import (caddyfile parser)."""


class Files(Protocol):
    """Source of the text of imported files."""

    def read(self, path: str) -> str:
        """Return the text of ``path``, invalid UTF-8 replaced.

        Raises:
            OSError: the file does not exist or cannot be read.

        """
        ...

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that ``pattern`` matches, in order; see ``glob`` here.

        Raises:
            ValueError: the pattern is malformed.

        """
        ...


class Imports:
    """The files that one Corefile imports; each is read and scanned once."""

    def __init__(self, files: Files, file: str, directory: str) -> None:
        self.warnings: list[str] = []
        self._files = files
        self._directory = directory
        self._main = file
        self._folder = posixpath.dirname(posixpath.join(directory, file))
        self._tokens: dict[str, list[Token]] = {}
        self._used = 0

    @property
    def read(self) -> tuple[str, ...]:
        """The files read so far, the main one first."""
        return (self._main, *self._tokens)

    def tokens(self, wanted: str, where: Position) -> list[Token]:
        """Return the tokens of all files that ``wanted`` names.

        A relative path starts at the folder of the file that ``where`` is in. A pattern
        that matches nothing adds a warning.

        Raises:
            ConfigError: at ``where``; no such file, unreadable file, malformed pattern.

        """
        if self._used == MAX_IMPORTS:
            # not the value of the limit: CoreDNS prints the limit of snippets here
            text = "maximum file import depth (10000) exceeded"
            raise ConfigError.at(where, text)
        self._used += 1
        path = self._path(wanted, where)
        try:
            if has_wildcard(path):
                matches = self._matches(path, wanted, where)
                return [token for match in matches for token in self._scanned(match)]
            return self._scanned(path)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError) and not _is_glob(path)
            text = f"File to import not found: {wanted}" if missing else _reason(error)
            raise ConfigError.at(where, text) from error

    def _path(self, wanted: str, where: Position) -> str:
        if wanted.startswith("/"):
            return wanted
        folder = posixpath.dirname(posixpath.join(self._directory, where.file))
        return _clean(posixpath.join(folder, wanted))

    def _matches(self, pattern: str, wanted: str, where: Position) -> list[str]:
        if pattern.count("*") > 1 or pattern.count("?") > 1 or {*"[]"} <= {*pattern}:
            text = "Glob pattern may only contain one wildcard (*), but has others: "
            raise ConfigError.at(where, text + pattern)
        try:
            matches = self._files.glob(pattern)
        except ValueError as error:
            text = f"Failed to use import pattern {wanted}: {error}"
            raise ConfigError.at(where, text) from error
        if not matches:
            if not _is_glob(pattern):
                raise FileNotFoundError(pattern)
            self.warnings.append(f"No files matching import glob pattern: {wanted}")
        return matches

    def _scanned(self, path: str) -> list[Token]:
        path = _clean(path)
        if path not in self._tokens:
            try:
                self._tokens[path] = list(
                    scan(self._files.read(path), path, place=self._place(path))
                )
            except OSError as error:
                error.filename = path
                raise
        return self._tokens[path]

    def _place(self, path: str) -> Place:
        folder = _clean(self._folder)
        # everything is below the root folder, secrets as well
        is_near = folder != "/" and path.startswith(f"{folder}/")
        return Place.NEARBY if is_near else Place.ELSEWHERE


def _reason(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    if not isinstance(error, IsADirectoryError):
        reason = f"open {error.filename}: {reason}"
    return f"Could not import {error.filename}: {reason}"


def _clean(path: str) -> str:
    """Return ``path`` without ``.``, ``..`` and repeated slashes (Go path.Clean)."""
    return re.sub(r"^//+", "/", posixpath.normpath(path))


def has_wildcard(path: str) -> bool:
    r"""Return whether ``path`` is a pattern: has one of ``*?[\``.

    >>> has_wildcard("custom/*.override")
    True
    """
    return any(sign in path for sign in "*?[\\")


def _is_glob(path: str) -> bool:
    """Return whether ``path`` may match no file at all (caddyfile parser).

    A backslash alone only escapes: the file it names must exist.
    """
    return any(sign in path for sign in "*?[]")


def glob(
    pattern: str,
    names: Callable[[str], Sequence[str]],
    exists: Callable[[str], bool],
) -> list[str]:
    """Return the paths that match ``pattern`` (Go filepath.Glob).

    A wildcard matches within one part of the path, also a leading dot. ``names``
    returns the names in a folder, and an empty sequence if the path is not a folder;
    the empty path is the current folder. Matches are sorted within a folder.

    Raises:
        ValueError: the pattern is malformed.

    """
    if not has_wildcard(pattern):
        return [pattern] if exists(pattern) else []
    folder, last = posixpath.split(pattern)
    matching = _compiled(last)
    folders = glob(folder, names, exists) if has_wildcard(folder) else [folder]
    return [
        posixpath.join(parent, name)
        for parent in folders
        for name in sorted(names(parent))
        if matching.fullmatch(name)
    ]


_PART = re.compile(r"(?P<any>\*)|(?P<one>\?)|\\(?P<escaped>.)|(?P<plain>[^\\[])", re.S)
"""A piece of a pattern; no ``[``, because ``import`` rejects sets earlier."""


def _compiled(pattern: str) -> re.Pattern[str]:
    """Return ``pattern`` as a regular expression (Go filepath.Match).

    Raises:
        ValueError: the pattern is malformed.

    """
    out, at = "", 0
    while at < len(pattern):
        part = _PART.match(pattern, at)
        if part is None:
            raise ValueError("syntax error in pattern")
        at = part.end()
        out += _regexp_of(part)
    return re.compile(out, re.DOTALL)


def _regexp_of(part: re.Match[str]) -> str:
    wildcards = {"any": "[^/]*", "one": "[^/]"}
    kind = str(part.lastgroup)
    return wildcards.get(kind) or re.escape(part[kind])
