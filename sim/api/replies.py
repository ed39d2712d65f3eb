"""API calls (a request with its body) and replies."""

from typing import Any, NamedTuple

import yaml

from . import protobuf
from .kind import Kind
from .objects import Json, decode
from .requests import Request
from .status import ApiError, bad_request, failure, invalid, unsupported
from .writing import Deletion, Write, check_type

PROTOBUF_HINT = (
    "this simulated API server reads protobuf only where it must, and not this: {}. "
    "Add `--dry-run=client -o yaml | kubectl apply -f -` to your command to send JSON"
)
MAX_BODY = 3 * 1024 * 1024
"""Maximum bytes of a request body (MaxRequestBodyBytes of the API server)."""


class ApiCall(NamedTuple):
    """A request for a resource with its body and the visible part of the history."""

    request: Request
    kind: Kind
    body: bytes
    head: int
    """The newest visible version."""
    expires_tokens: bool = False


class Reply(NamedTuple):
    """A response."""

    body: Json | str
    code: int = 200
    content_type: str = "application/json"
    retry_after_s: int = 0
    warning: str = ""
    """The text of the header Warning (RFC 7234 5.5); kubectl prints it."""


def refused(error: ApiError) -> Reply:
    """Return the reply to a failed request."""
    return Reply(error.status, error.code, retry_after_s=error.retry_after_s)


def read_document(body: bytes, content_type: str) -> Any:  # noqa: ANN401  # any JSON
    """Return a body in JSON, YAML or protobuf as a JSON value.

    Raises:
        ApiError: it cannot be decoded (400, 415) or is too large (413).

    """
    if len(body) > MAX_BODY:
        raise failure(413, f"Request entity too large: limit is {MAX_BODY}")
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


def document_of(call: ApiCall) -> Any:  # noqa: ANN401  # a patch may be a list
    """Return the body of a call as a JSON value."""
    return read_document(call.body, call.request.content_type)


def object_of(call: ApiCall) -> Json:
    """Return the object in a body, with the namespace of the path."""
    request, kind = call.request, call.kind
    obj = check_type(kind, document_of(call))
    namespace = obj["metadata"].get("namespace")
    if kind.namespaced and namespace not in (None, "", request.namespace):
        raise bad_request(
            "the namespace of the provided object does not match "
            "the namespace sent on the request"
        )
    if kind.namespaced:
        obj["metadata"]["namespace"] = request.namespace
    return obj


def _is_dry(values: list[str]) -> bool:
    """Return whether the request is a dry run."""
    for value in values:
        if value != "All":
            cause = unsupported("dryRun", value, ("All",))
            raise invalid("ListOptions.meta.k8s.io", "", [cause])
    return bool(values)


def write_of(call: ApiCall) -> Write:
    """Return the write options; HTTP clients set a status only as a subresource."""
    request = call.request
    dry = [request.query["dryRun"]] if request.query.get("dryRun") else []
    return Write(request.manager, request.subresource, _is_dry(dry), False)


def deletion_of(call: ApiCall) -> Deletion:
    """Return the delete options from the body or the query."""
    options = document_of(call) if call.body.strip() else {}
    query = call.request.query
    conditions = options.get("preconditions") or {}
    dry = options.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    policy = options.get("propagationPolicy") or query.get("propagationPolicy", "")
    return Deletion(
        conditions.get("uid") or "",
        conditions.get("resourceVersion") or "",
        policy == "Orphan",
        _is_dry(dry),
        _grace_s(options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))),
    )


def _grace_s(value: object) -> int | None:
    """Return the seconds of a grace period, or None.

    Raises:
        ApiError: it is not a number of seconds (400).

    """
    if value is None:
        return None
    if not str(value)[:9].isdecimal():
        raise bad_request(f"gracePeriodSeconds: {value} is not a number of seconds")
    return int(str(value)[:9])
