"""How many files and sockets the process may have open, and who gets how many."""

import contextlib
import resource
from typing import NamedTuple

_PLENTY = 1 << 20


class StreamLimits(NamedTuple):
    """What a client on a TCP or TLS connection is given; the defaults are CoreDNS's."""

    read_s: float = 3.0
    """Seconds for the first query, and for each query from its first byte on."""
    write_s: float = 5.0
    """Seconds for the client to take a reply."""
    idle_s: float = 10.0
    """Seconds between queries."""
    max_queries: int = -1
    """Queries that are answered on a connection before it is closed; -1 for any."""


def open_files() -> int:
    """Raise the soft limit to the hard one, as every Go program does; return it.

    The soft limit is low for the sake of programs that call select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # as it is, then (macOS)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return _PLENTY if soft == resource.RLIM_INFINITY else soft


def fair_share(most: int) -> int:
    """Return how many clients, or queries to upstreams, a listener may have: ``most``.

    Or fewer where files are scarce: a quarter each, so that there are some left for
    the API server, for HTTP, and for a second listener.
    """
    return min(most, max(open_files() // 4, 1))
