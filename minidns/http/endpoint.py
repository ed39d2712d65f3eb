"""HTTP endpoints: the address, the handler and its reply; and a GET client.

There is no web server here, so that a plugin can define an endpoint without one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from minidns.dns.model import Address

_MAX_STATUS_LINE = 1024


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The reply of an HTTP endpoint."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


HttpHandler: TypeAlias = Callable[
    [Mapping[str, str], Mapping[str, str]], HttpReply | Awaitable[HttpReply]
]
"""Maps query parameters and headers of a GET to the reply, or to an awaitable of it."""


def split(address: str) -> tuple[str, str]:
    """Return host and port of ``address``; the host may be empty, or a name.

    >>> split("[::1]:9153"), split(":8080")
    (('::1', '9153'), ('', '8080'))

    Raises:
        ValueError: ``address X: missing port in address`` and the like, as in Go.

    """
    host, colon, port = address.rpartition(":")
    if not colon or (address.startswith("[") and address.endswith("]")):
        raise ValueError(f"address {address}: missing port in address")
    if host.startswith("["):
        if "]" not in address:
            raise ValueError(f"address {address}: missing ']' in address")
        host = host[1:-1] if host.endswith("]") else host
    elif ":" in host:
        raise ValueError(f"address {address}: too many colons in address")
    for bracket in "[]":
        if bracket in host + port:
            raise ValueError(f"address {address}: unexpected '{bracket}' in address")
    return host, port


async def get(to: Address, path: str) -> int:
    """Send a GET for ``path`` to ``to``; return the status of the response.

    Raises:
        OSError: the connection fails.
        ValueError: the response is not HTTP.

    """
    host, port = to
    reader, writer = await asyncio.open_connection(host, port, limit=_MAX_STATUS_LINE)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        version, status, *_ = (await reader.readline()).decode("latin-1").split()
        if not version.startswith("HTTP/1."):
            raise ValueError(f"malformed HTTP version {version!r}")
        return int(status)
    finally:
        writer.close()
