"""Whom to ask, and the port through which everybody asks: one query, one reply."""

import os
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from minidns.upstream.acceptance import Doubtful

T = TypeVar("T")


Accept: TypeAlias = Callable[[bytes], T | Doubtful[T] | None]
"""Reads a reply; None: it is to another query."""
GRACE_S = 0.2
"""Seconds to wait for a better reply after a doubtful one.

A forged reply that guessed the id and nothing else is followed by the true one within
that time; an upstream that always replies like that does not delay its clients much.
"""


class Keep(NamedTuple):
    """How long connections to an upstream are kept for later queries."""

    idle_s: float = 10.0
    """Without a query; 0 keeps none (CoreDNS *forward*: expire)."""
    max_idle: int = 0
    """Connections kept at a time; 0 is any number."""
    max_age_s: float = 0.0
    """Since it was opened, busy or not; 0 is any age."""


class Upstream(NamedTuple):
    """A resolver to ask."""

    host: str
    """An IP address, with a scope if it needs one."""
    port: int = 53
    transport: str = "udp"
    """udp, tcp, tls or https."""
    servername: str = ""
    """Name the certificate must have, with tls and https; empty is the address."""
    tls: ssl.SSLContext | None = None
    """Whom to trust and which certificate to show; None trusts what the system does."""
    source: str = ""
    """Address to ask from; empty leaves it to the routes."""
    keep: Keep = Keep()
    doh_method: str = "POST"
    """How it is asked over HTTPS: POST or GET."""
    owner: str = ""
    """Who asks, as the metrics of connections name it; empty is not counted."""

    def __str__(self) -> str:
        """Return ``host:port``, an IPv6 host in brackets."""
        return joined(self.host, self.port)


class Exchange(Protocol):
    """Send a query and wait for its reply; the port that *forward* asks through."""

    async def __call__(
        self,
        to: Upstream,
        wire: bytes,
        timeout_s: float,
        accept: Accept[T],
    ) -> T:
        """Return what ``accept`` returns of the first reply that is one.

        Replies of which it returns None are dropped. After a Doubtful one a better one
        is awaited for ``GRACE_S`` seconds, then its outcome is returned or raised.
        Connecting counts into ``timeout_s``.

        Raises:
            DnsError: the outcome of a doubtful reply.
            OSError: refused, unreachable, or TimeoutError after ``timeout_s`` seconds;
                ``failure`` gives its text.

        """
        ...


def joined(host: str, port: int) -> str:
    """Return ``host:port`` as Go joins them.

    >>> joined("2001:db8::1", 53)
    '[2001:db8::1]:53'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(text: str) -> tuple[str, str] | None:
    """Return host and port of ``host:port``; None where there is no port (Go net).

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
    """Return what to tell people of an exchange that failed."""
    return error.strerror or str(error) or type(error).__name__


def reason(error: OSError) -> str:
    """Return why a system call failed, in the words Go has for it.

    >>> reason(ConnectionRefusedError(111, "Connect call failed"))
    'connection refused'
    """
    if error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return failure(error)
