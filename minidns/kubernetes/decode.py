"""Decodes bytes of the API server: LIST bodies, watch lines, Statuses.

msgspec decodes the fields that DNS reads, one object at a time, so an object that
cannot be read does not affect the others.
"""

import msgspec
from msgspec import Raw, Struct, field

from minidns.kubernetes.objects import Json, Key, Object
from minidns.kubernetes.resources import ApiError, Gone, Resource, WatchEvent
from minidns.text import foreign

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions of msgspec for bytes that are not JSON, not UTF-8, or nested too deep."""
MOST_TEXT = 400
"""Maximum length in characters of a server's message in a log line."""


class _Item(Json):
    kind: str = ""


class _Name(Struct, rename="camel"):
    name: str = ""
    namespace: str | None = None
    resource_version: str | None = None
    annotations: dict[str, str] | None = None


class _Named(Struct):
    """The identity of an object whose other fields cannot be read."""

    metadata: _Name = field(default_factory=_Name)
    kind: str = ""


class _ListMeta(Struct, rename={"version": "resourceVersion", "token": "continue"}):
    version: str = ""
    token: str = ""


class Listing(Struct):
    """The body of a page of a LIST, with its items undecoded."""

    kind: str = ""
    metadata: _ListMeta = field(default_factory=_ListMeta)
    items: list[Raw] | None = None


class _Event(Struct):
    type: str
    object: Raw = Raw(b"null")


class _Cause(Struct):
    reason: str | None = None


class _Details(Struct, rename="camel"):
    causes: list[_Cause] | None = None
    retry_after_seconds: float | None = None


class Status(Struct):
    """A v1 Status: the API server's answer to a request that failed."""

    code: int | None = None
    reason: str | None = None
    message: str | None = None
    details: _Details | None = None

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait before a retry, if the server requires that."""
        return (self.details and self.details.retry_after_seconds) or None

    @property
    def is_expired(self) -> bool:
        """Whether the requested version, or the token, is too old."""
        return self.code == 410 or self.reason in ("Expired", "Gone")

    @property
    def is_too_large(self) -> bool:
        """Whether the server has not reached the requested version yet."""
        causes = (self.details and self.details.causes) or []
        return any(cause.reason == "ResourceVersionTooLarge" for cause in causes)


_items = msgspec.json.Decoder(_Item)
_named = msgspec.json.Decoder(_Named)
_listings = msgspec.json.Decoder(Listing)
_events = msgspec.json.Decoder(_Event)
_statuses = msgspec.json.Decoder(Status, strict=False)


def printable(text: str, most: int = MOST_TEXT) -> str:
    """Return foreign text escaped and shortened to a part of one line."""
    return foreign.line(text, most)


def why_unreadable(error: Exception) -> str:
    """Return why bytes of the API server could not be decoded, for people."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "nested too deep"
    return printable(str(error))


def listing(resource: Resource, body: bytes) -> Listing:
    """Read a page of a LIST.

    Raises:
        ApiError: the body is cut off, not JSON, or not a list of this kind.

    """
    try:
        page = _listings.decode(body)
    except UNREADABLE as error:
        raise ApiError(f"the list cannot be read: {why_unreadable(error)}") from error
    if page.kind != f"{resource.kind.__name__}List" or page.items is None:
        raise ApiError(f'the list is one of "{printable(page.kind)}", not of this kind')
    if not page.metadata.version:
        raise ApiError("the list has no resourceVersion")
    return page


def item(resource: Resource, raw: Raw | bytes) -> tuple[Object | None, Key | None, str]:
    """Return an object, its key and its version.

    The object is None if it cannot be read; the key is None if it has no name or is of
    another kind.
    """
    try:
        whole = _items.decode(raw)
    except UNREADABLE:
        return None, *_identity(resource, _named_part(raw))
    key, version = _identity(resource, whole)
    if key is None:
        return None, None, version
    try:
        return resource.read(whole), key, version
    except ValueError:
        return None, key, version


def _named_part(raw: Raw | bytes) -> _Named:
    try:
        return _named.decode(raw)
    except UNREADABLE:
        return _Named()


def _identity(resource: Resource, obj: _Item | _Named) -> tuple[Key | None, str]:
    meta = obj.metadata
    right = obj.kind in ("", resource.kind.__name__)  # items of a list have none
    if not right or not meta.name:
        return None, ""
    return Key(meta.namespace or "", meta.name), meta.resource_version or ""


def event(resource: Resource, line: bytes) -> WatchEvent:
    """Read a line of a watch.

    Raises:
        Gone: the line is an ERROR after which only a new list helps.
        ApiError: the line is an ERROR that may pass, is cut off, or is not JSON.

    """
    try:
        read = _events.decode(line)
    except UNREADABLE as error:
        text = why_unreadable(error)
        raise ApiError(f"a line of the watch cannot be read: {text}") from error
    if read.type == "ERROR":
        raise stream_error(status(read.object))
    if read.type == "BOOKMARK":
        return _bookmark(read.object)
    obj, key, version = item(resource, read.object)
    return WatchEvent(read.type, obj, version, key=key)


def _bookmark(raw: Raw) -> WatchEvent:
    try:
        meta = _named.decode(raw).metadata
    except UNREADABLE:
        return WatchEvent("BOOKMARK", None, "")
    ends = (meta.annotations or {}).get(INITIAL_EVENTS_END) == "true"
    return WatchEvent("BOOKMARK", None, meta.resource_version or "", ends)


def status(body: Raw | bytes) -> Status:
    """Read a Status; the result is empty if ``body`` is not a Status."""
    try:
        return _statuses.decode(body)
    except UNREADABLE:
        return Status()


def stream_error(failure: Status) -> Gone | ApiError:
    """Return the exception for an ERROR event (client-go's reflector)."""
    code = failure.code or 0
    text = printable(failure.message or failure.reason or "an error without a reason")
    passing = code in (429, 503, 504) or (
        code == 500 and failure.reason == "InternalError"
    )
    if passing and not failure.is_too_large:
        return ApiError(text, status=code, retry_after_s=failure.retry_after_s)
    # 410, an unreadable object in etcd, or an unknown error: a new list is the remedy
    return Gone(text)


def refusal(
    resource: Resource, code: int, body: bytes, retry_after_s: float | None
) -> Gone | ApiError:
    """Return the exception for a response with another status than 200."""
    failure = status(body)
    failure.code = code
    text = failure.message or body[:MOST_TEXT].decode("utf-8", "replace").strip()
    if failure.is_expired or failure.is_too_large:
        return Gone(printable(text))
    wait_s = retry_after_s if retry_after_s is not None else failure.retry_after_s
    text = printable(text or failure.reason or "no reason given") + advice(
        resource, code
    )
    return ApiError(text, status=code, retry_after_s=wait_s)


def advice(resource: Resource, code: int) -> str:
    """Return a hint about an HTTP status, as the end of a message."""
    group = resource.group.rpartition("/")[0]
    what = f'"{resource.plural}" in API group "{group}"'
    if code == 401:
        return " (401: the credentials are not accepted, or no longer)"
    if code == 403:
        return f'; grant this user the verbs "list" and "watch" on {what}'
    if code == 404:
        return f"; this API server does not have {what}"
    return f" (HTTP {code})"
