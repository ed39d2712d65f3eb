"""Paths of files that plugins read, and Go's error texts for unreadable ones."""

import posixpath

from minidns.text.go_text import quote


def below(root: str, path: str) -> str:
    """Return ``path``, relative to the folder ``root`` unless absolute (plugin *root*).

    >>> below("/etc/coredns", "zones/db.example.org")
    '/etc/coredns/zones/db.example.org'
    """
    return posixpath.join(root, path) if root else path


def reason(error: OSError, path: str) -> str:
    r"""Return why ``path`` could not be opened; a path with control bytes is quoted.

    >>> reason(FileNotFoundError(2, "No such file or directory"), "db.example.org")
    'open db.example.org: no such file or directory'
    >>> reason(PermissionError(13, "Permission denied"), "a\x1b[31m")
    'open "a\\x1b[31m": permission denied'
    """
    shown = path if path.isprintable() else quote(path)
    return f"open {shown}: {_reason(error)}"


def describe(error: OSError) -> str:
    """Return the message of an error for people, with the file if it has one.

    >>> describe(FileNotFoundError(2, "No such file or directory", "Corefile"))
    'Corefile: no such file or directory'
    >>> describe(ConnectionRefusedError(111, "Connection refused"))
    'connection refused'
    """
    text = _reason(error) or "no answer in time"
    return f"{error.filename}: {text}" if error.filename else text


def _reason(error: OSError) -> str:
    """Return the system's words for an error, with a small first letter as in Go."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
