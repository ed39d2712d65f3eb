"""Names of files that plugins read, and why one could not be read, in Go's words."""

import posixpath


def below(root: str, path: str) -> str:
    """Return ``path``, a relative one in the folder ``root`` (plugin *root*).

    >>> below("/etc/coredns", "zones/db.example.org")
    '/etc/coredns/zones/db.example.org'
    """
    return posixpath.join(root, path) if root else path


def reason(error: OSError, path: str) -> str:
    """Return why ``path`` could not be opened.

    >>> reason(FileNotFoundError(2, "No such file or directory"), "db.example.org")
    'open db.example.org: no such file or directory'
    """
    return f"open {path}: {(error.strerror or str(error)).lower()}"
