"""One query to one upstream, one reply that matches it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Upstream(NamedTuple):
    """A resolver to ask."""

    host: str
    """An IP address, with a scope if it needs one."""
    port: int = 53
    transport: str = "udp"
    """udp, tcp or tls."""
    servername: str = ""
    """Name the certificate must have, with tls."""

    def __str__(self) -> str:
        """Return ``host:port``, an IPv6 host in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Exchange(Protocol):
    """Send a query and wait for its reply; the port that *forward* asks through."""

    async def __call__(
        self,
        to: Upstream,
        wire: bytes,
        timeout_s: float,
        accept: Callable[[bytes], T | None],
    ) -> T:
        """Return the first non-None ``accept(reply)``; other replies are dropped.

        Raises:
            OSError: refused, unreachable, or TimeoutError after ``timeout_s`` seconds.

        """
        ...
