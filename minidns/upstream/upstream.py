"""Upstream resolvers, and the interface of an exchange with one."""

import os
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from minidns.upstream.acceptance import Doubtful

T = TypeVar("T")


Accept: TypeAlias = Callable[[bytes], T | Doubtful[T] | None]
"""Returns the content of a reply; None if it is a reply to another query."""
GRACE_S = 0.2
"""Seconds to wait for a better reply after a doubtful one.

Within this time the true reply follows a forged one that guessed only the ID. If an
upstream always replies like that, its clients are not delayed by much.
"""


class Keep(NamedTuple):
    """Limits for idle connections to an upstream."""

    idle_s: float = 10.0
    """Seconds without a query; 0 keeps no connection (CoreDNS *forward*: expire)."""
    max_idle: int = 0
    """Number of idle connections; 0 is unlimited."""
    max_age_s: float = 0.0
    """Seconds since the connection was opened; 0 is unlimited."""


class Upstream(Struct, frozen=True, cache_hash=True):
    """A resolver that queries are sent to."""

    host: str
    """An IP address, with a scope if it needs one."""
    port: int = 53
    transport: str = "udp"
    """udp, tcp, tls or https."""
    servername: str = ""
    """The name in the certificate, with tls and https; empty for the address."""
    tls: ssl.SSLContext | None = None
    """Trusted authorities and own certificate; None for the system's authorities."""
    source: str = ""
    """The source address; empty: the routes decide."""
    keep: Keep = Keep()
    doh_method: str = "POST"
    """The HTTP method, with https: POST or GET."""
    owner: str = ""
    """The label ``proxy_name`` in metrics of connections; empty: not counted."""

    def __str__(self) -> str:
        """Return ``host:port``, an IPv6 host in brackets."""
        return joined(self.host, self.port)


class Exchange(Protocol):
    """Sends a query and waits for its reply; an edge of the process."""

    async def __call__(
        self,
        to: Upstream,
        wire: bytes,
        timeout_s: float,
        accept: Accept[T],
    ) -> T:
        """Return the first accepted reply to ``wire``, as ``accept`` returned it.

        Replies for which ``accept`` returns None are dropped. After a Doubtful one, the
        exchange waits ``GRACE_S`` seconds for a better one, then returns or raises its
        outcome. ``timeout_s`` includes the time to connect.

        Raises:
            DnsError: the outcome of a doubtful reply.
            OSError: refused, unreachable, or TimeoutError after ``timeout_s`` seconds;
                ``failure`` returns its text.

        """
        ...


def joined(host: str, port: int) -> str:
    """Return ``host:port`` as Go joins them.

    >>> joined("2001:db8::1", 53)
    '[2001:db8::1]:53'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(text: str) -> tuple[str, str] | None:
    """Return host and port of ``host:port``, None without a port (Go net).

    >>> split("[2001:db8::1]:53"), split("2001:db8::1")
    (('2001:db8::1', '53'), None)
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    if not colon or ":" in host or "[" in host or "]" in host + port:
        return None
    return host, port


def failure(error: OSError) -> str:
    """Return the text of the error of a failed exchange, for people."""
    return error.strerror or str(error) or type(error).__name__


def reason(error: OSError) -> str:
    """Return the reason of a failed system call, in Go's words.

    >>> reason(ConnectionRefusedError(111, "Connect call failed"))
    'connection refused'
    """
    if error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return failure(error)
