"""LIST: pages of one version, by resourceVersion, limit and continue."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan

import msgspec

from .kind import Kind
from .objects import Json, Key, decode, encode
from .selectors import Selection
from .status import (
    EXPIRED_TOKEN_MESSAGE,
    ApiError,
    Cause,
    bad_request,
    bad_version,
    expired,
    invalid,
    not_allowed,
    unsupported,
)
from .store import Store, View

LATEST = -1
"""The version in a token that continues at the latest version."""


class Token(msgspec.Struct, frozen=True):
    """A continue token: the next page begins after ``start`` at version ``rv``."""

    rv: int
    start: Key


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The options of a LIST."""

    version: str = ""
    """Empty for the latest, "0" for any, else a minimum or the exact version."""
    exact: bool = False
    limit: int = 0
    """Maximum number of objects; 0 means all."""
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a LIST; the objects are shared."""

    objects: list[Json]
    version: int
    token: Token | None = None
    remaining: int | None = None

    def to_json(self, kind: Kind) -> Json:
        """Return the list object; its items have no kind and apiVersion."""
        meta: Json = {"resourceVersion": str(self.version)}
        if self.token is not None:
            meta["continue"] = to_text(self.token)
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return {
            "kind": f"{kind.name}List",
            "apiVersion": kind.api_version,
            "metadata": meta,
            "items": [bare(obj) for obj in self.objects],
        }


def bare(obj: Json) -> Json:
    """Return ``obj`` without kind and apiVersion."""
    return {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}


def to_text(token: Token) -> str:
    """Return the encoded form of a token."""
    return urlsafe_b64encode(encode(token)).decode().rstrip("=")


def from_text(text: str) -> Token:
    """Return the decoded token.

    Raises:
        ApiError: ``text`` is not a token of this server (400).

    """
    try:
        padded = text + "=" * (-len(text) % 4)
        return decode(urlsafe_b64decode(padded), type=Token)
    except ValueError:
        raise bad_request(
            "continue key is not valid: encoded start key or version is broken"
        ) from None


def read_version(text: str) -> int:
    """Return a client's resourceVersion as a number; empty is 0.

    Raises:
        ApiError: it is not a number (500, without a reason).

    """
    if text and not (text.isascii() and text.isdigit()):
        raise bad_version(text)
    return int(text or 0)


def read_number(query: Mapping[str, str], name: str) -> float:
    """Return the query parameter ``name`` as a number; 0 without one.

    Raises:
        ApiError: it is not a finite number from 0 up (400).

    """
    text = query.get(name) or "0"
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not 0 <= number < inf:
        raise bad_request(f'{name}: "{text}" is not a number from 0 up')
    return number


def options_of(query: Mapping[str, str]) -> ListOptions:
    """Return the options in a query string.

    Raises:
        ApiError: they cannot be read (400, 500) or contradict each other (400, 422).

    """
    version, match = query.get("resourceVersion", ""), _match(query)
    token = query.get("continue", "")
    if token and version not in ("", "0"):
        raise bad_request(
            "specifying resource version is not allowed when using continue"
        )
    read_version(version)
    limit = int(read_number(query, "limit"))
    # limit together with resourceVersion implies the exact version (API concepts)
    legacy = not match and limit > 0 and version not in ("", "0")
    return ListOptions(
        version,
        match == "Exact" or legacy,
        limit,
        from_text(token) if token else None,
    )


def _match(query: Mapping[str, str]) -> str:
    """Return the validated resourceVersionMatch, or an empty text."""
    match = query.get("resourceVersionMatch", "")
    if causes := _match_causes(match, query):
        raise invalid("ListOptions.meta.k8s.io", "", causes)
    return match


def _match_causes(match: str, query: Mapping[str, str]) -> list[Cause]:
    """Return the validation errors of a resourceVersionMatch."""
    field, version = "resourceVersionMatch", query.get("resourceVersion", "")
    if not match:
        return []
    if match not in ("Exact", "NotOlderThan"):
        return [unsupported(field, match, ("Exact", "NotOlderThan"))]
    if query.get("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        return [not_allowed(field, why)]
    if not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        return [not_allowed(field, why)]
    if match == "Exact" and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        return [not_allowed(field, why)]
    return []


def list_page(
    store: Store,
    kind: Kind,
    selection: Selection,
    options: ListOptions,
    head: int | None = None,
) -> Page:
    """Return one page; ``head`` is the newest visible version, None the latest.

    Raises:
        ApiError: the requested version has been compacted (410).

    """
    head = store.version if head is None else head
    token = options.token
    version = _version(options, head)
    view = _view(store, kind, version, token)
    # the watch cache ignores limits
    limit = 0 if options.version == "0" and token is None else options.limit
    keys = view.keys(selection.namespace, token.start if token else None)
    objects: list[Json] = []
    for index, key in enumerate(keys):
        if limit and len(objects) == limit:
            left = len(keys) - index
            remaining = None if selection.is_filtered else left
            return Page(objects, version, Token(version, keys[index - 1]), remaining)
        obj = view.objects[key]
        if not selection.is_filtered or selection.matches(obj):
            objects.append(obj)
    return Page(objects, version)


def _version(options: ListOptions, head: int) -> int:
    """Return the version of the page."""
    if options.token is not None:
        return head if options.token.rv == LATEST else options.token.rv
    return read_version(options.version) if options.exact else head


def _view(store: Store, kind: Kind, version: int, token: Token | None) -> View:
    """Return the objects at ``version``, or raise the 410 for the request."""
    try:
        return store[kind].at(version)
    except ApiError:
        if token is None:
            raise expired(
                "The resourceVersion for the provided list is too old."
            ) from None
        raise stale_token(token) from None


def stale_token(token: Token) -> ApiError:
    """Return 410 for a compacted page, with a token that continues at the latest."""
    return expired(EXPIRED_TOKEN_MESSAGE, to_text(Token(LATEST, token.start)))
