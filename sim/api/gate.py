"""Refuses HTTP requests that do not come from local programs.

A web page can make a browser send requests to loopback, under any host name that
resolves to it (DNS rebinding), with the media types that a form can send. The Host
header, the Origin header and the media type distinguish such a request.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from .status import failure

READS = frozenset(("GET", "HEAD"))
"""Methods without side effects."""
WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))
FORMS = frozenset(
    ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
)
"""Media types that need no CORS preflight (Fetch standard, 2.2.2)."""


def check(
    method: str,
    headers: Mapping[str, str],
    hosts: Sequence[str],
    *,
    url: str,
) -> None:
    """Refuse a request that was not sent by a local program.

    ``hosts`` are the values of its Host headers; ``url`` is the server's own.

    Raises:
        ApiError: it is for another host or from a web page (403), its method is not
            supported (405), or its body is a form (415).

    """
    own = urlsplit(url)
    if len(hosts) != 1 or not _is_own_host(hosts[0], own.hostname or ""):
        raise failure(403, "the Host header must name a loopback address")
    origin = headers.get("Origin")
    if origin is not None and origin != f"{own.scheme}://{own.netloc}":
        raise failure(403, "requests of web pages are refused (Origin header)")
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise failure(403, "requests of web pages are refused (Sec-Fetch-Site header)")
    if method not in READS | WRITES:
        raise failure(405, "the server does not allow this method")
    if _media_type(headers) in FORMS:
        raise failure(415, "the body has a media type of forms; send application/json")


def token_of(headers: Mapping[str, str]) -> str:
    """Return the bearer token of a request, or an empty text."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def matching(token_: str, tokens: Iterable[str]) -> str | None:
    """Return the equal one of ``tokens``, or None; the comparison is constant-time."""
    match = None
    for token in tokens:
        if hmac.compare_digest(token_.encode(), token.encode()):
            match = token
    return match


def _is_own_host(host: str, bound: str) -> bool:
    """Return whether a Host header names a loopback address or ``bound``."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if "@" in host or "/" in host:
        return False
    if name in ("localhost", bound):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()
