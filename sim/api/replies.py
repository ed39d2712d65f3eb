"""A request with its body, read; and the answer to it."""

from typing import Any, NamedTuple

import yaml

from . import protobuf
from .kinds import Kind
from .objects import Json, decode
from .requests import Request
from .status import ApiError, bad_request, failure, invalid, unsupported
from .writing import Deletion, Write, typed

PROTOBUF_HINT = (
    "this simulated API server reads protobuf only where it must, and not this: {}. "
    "Add `--dry-run=client -o yaml | kubectl apply -f -` to your command to send JSON"
)
MOST_BODY = 3 * 1024 * 1024
"""Bytes of a body that a real server takes (its --max-request-body-bytes)."""


class Asked(NamedTuple):
    """A request together with its body, and what part of history it may see."""

    request: Request
    kind: Kind
    body: bytes
    head: int
    """The newest version to show."""
    expires_tokens: bool = False


class Reply(NamedTuple):
    """What to answer."""

    body: Json | str
    code: int = 200
    content_type: str = "application/json"
    retry_after_s: int = 0


def refused(error: ApiError) -> Reply:
    """Return the answer to a request that failed."""
    return Reply(error.status, error.code, retry_after_s=error.retry_after_s)


def read_document(body: bytes, content_type: str) -> Any:  # noqa: ANN401  # any JSON
    """Return a body as JSON, of whatever form it came in.

    Raises:
        ApiError: it cannot be read (400, 415) or is too large (413).

    """
    if len(body) > MOST_BODY:
        raise failure(413, f"Request entity too large: limit is {MOST_BODY}")
    media = content_type.partition(";")[0].strip()
    if media == protobuf.MEDIA_TYPE:
        try:
            return protobuf.decode(body)
        except ValueError as error:
            raise failure(415, PROTOBUF_HINT.format(error)) from None
    try:
        return yaml.safe_load(body) if media.endswith("yaml") else decode(body)
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"the body cannot be read: {error}") from None


def document_of(asked: Asked) -> Any:  # noqa: ANN401  # a patch may be a list
    """Return the body of a request as JSON."""
    return read_document(asked.body, asked.request.content_type)


def object_of(asked: Asked) -> Json:
    """Return the object in a body, put where the path says."""
    request, kind = asked.request, asked.kind
    obj = typed(kind, document_of(asked))
    given = obj["metadata"].get("namespace")
    if kind.namespaced and given not in (None, "", request.namespace):
        raise bad_request(
            "the namespace of the provided object does not match "
            "the namespace sent on the request"
        )
    if kind.namespaced:
        obj["metadata"]["namespace"] = request.namespace
    return obj


def _is_dry(values: list[str]) -> bool:
    """Return whether nothing is to be kept."""
    for value in values:
        if value != "All":
            cause = unsupported("dryRun", value, ("All",))
            raise invalid("ListOptions.meta.k8s.io", "", [cause])
    return bool(values)


def write_of(asked: Asked) -> Write:
    """Return how the request writes; HTTP clients set a status only as such."""
    request = asked.request
    dry = [request.query["dryRun"]] if request.query.get("dryRun") else []
    return Write(request.manager, request.subresource, _is_dry(dry), False)


def deletion_of(asked: Asked) -> Deletion:
    """Return how the request deletes: from its body, else its query."""
    options = document_of(asked) if asked.body.strip() else {}
    query = asked.request.query
    conditions = options.get("preconditions") or {}
    dry = options.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    policy = options.get("propagationPolicy") or query.get("propagationPolicy", "")
    return Deletion(
        conditions.get("uid") or "",
        conditions.get("resourceVersion") or "",
        policy == "Orphan",
        _is_dry(dry),
    )
