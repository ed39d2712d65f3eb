"""Refuses HTTP requests that do not come from local programs.

A web page can make a browser send requests to loopback, under any host name that
resolves to it (DNS rebinding), with the media types that a form can send. The Host
header, the Origin header and the media type distinguish such a request.
"""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

READS = frozenset(("GET", "HEAD"))
"""Methods without side effects."""
WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))


class Refused(Exception):
    """A request that is not answered: the HTTP status, and why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


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
        Refused: it is for another host or from a web page (403), its method is not
            supported (405), or its body is a form (415).

    """
    own = urlsplit(url)
    if len(hosts) != 1 or not _is_own_host(hosts[0], own.hostname or ""):
        raise Refused(403, "the Host header must name a loopback address")
    origin = headers.get("Origin")
    if origin is not None and origin != f"{own.scheme}://{own.netloc}":
        raise Refused(403, "requests of web pages are refused (Origin header)")
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Refused(403, "requests of web pages are refused (Sec-Fetch-Site header)")
    if method not in READS | WRITES:
        raise Refused(405, "the server does not allow this method")
    if _media_type(headers) in FORMS:
        raise Refused(415, "the body has a media type of forms; send application/json")


def guard(token: str, wrong_token: str) -> Middleware:
    """Return the middleware of a local server for one user.

    It refuses what `check` refuses, and requests without ``token``, which is a bearer
    token or, for a browser that opens a URL, the query parameter ``token``. The reply
    is one line of text; ``wrong_token`` is the one about the token.
    """

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        host, port = request.get_extra_info("sockname")[:2]
        hosts = request.headers.getall("Host", [])
        try:
            check(request.method, request.headers, hosts, url=f"http://{host}:{port}")
            presented = token_of(request.headers) or request.query.get("token", "")
            if matching(presented, [token]) is None:
                raise Refused(403, wrong_token)
        except Refused as refusal:
            return web.Response(status=refusal.status, text=str(refusal))
        return await handler(request)

    return checked


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
