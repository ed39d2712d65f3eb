"""Status objects: the errors of the API server.

Reasons, codes and wording are those of a real server, since clients and people
recognize errors by them.
"""

from collections.abc import Iterable
from typing import NamedTuple

from .kind import Kind
from .objects import Json, encode

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""The usual reason of each status code."""

EXPIRED_TOKEN_MESSAGE = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, or use the continue "
    "token in this response to retrieve the remainder of the results. Continuing with "
    "the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may "
    "show up in the list."
)


class ApiError(Exception):
    """A failed request; ``status`` is the Status object of the response."""

    def __init__(self, status: Json) -> None:
        super().__init__(status["message"])
        self.status = status

    @property
    def code(self) -> int:
        """Return the HTTP status code."""
        return int(self.status["code"])

    @property
    def retry_after_s(self) -> int:
        """Return the seconds to wait before a retry; 0 if the Status has none."""
        return int(self.status.get("details", {}).get("retryAfterSeconds", 0))


class Cause(NamedTuple):
    """A validation error of one field."""

    field: str
    reason: str
    message: str


def required(field: str, detail: str = "") -> Cause:
    """Return the error that ``field`` is missing."""
    text = f"Required value: {detail}" if detail else "Required value"
    return Cause(field, "FieldValueRequired", text)


def wrong(field: str, value: object, detail: str) -> Cause:
    """Return the error that ``field`` has an invalid ``value``."""
    text = f"Invalid value: {encode(value).decode()}: {detail}"
    return Cause(field, "FieldValueInvalid", text)


def duplicate(field: str, value: object) -> Cause:
    """Return the error that ``value`` occurs in the list before ``field``."""
    text = f"Duplicate value: {encode(value).decode()}"
    return Cause(field, "FieldValueDuplicate", text)


def unsupported(field: str, value: object, allowed: Iterable[str]) -> Cause:
    """Return the error that ``field`` has a value other than ``allowed``."""
    names = ", ".join(f'"{name}"' for name in allowed)
    text = f"Unsupported value: {encode(value).decode()}: supported values: {names}"
    return Cause(field, "FieldValueNotSupported", text)


def too_long(field: str, most: int) -> Cause:
    """Return the error that ``field`` has more than ``most`` bytes."""
    text = f"Too long: may not be more than {most} bytes"
    return Cause(field, "FieldValueTooLong", text)


def not_allowed(field: str, detail: str) -> Cause:
    """Return the error that ``field`` may not be set or changed."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")


def failure(
    code: int,
    message: str,
    reason: str | None = None,
    details: Json | None = None,
) -> ApiError:
    """Return an error; a ``reason`` of None stands for the usual one of ``code``."""
    status: Json = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if reason is None:
        reason = REASONS.get(code, "")
    if reason:
        status["reason"] = reason
    if details:
        status["details"] = details
    return ApiError({**status, "code": code})


def success(kind: Kind, obj: Json) -> Json:
    """Return the Status of a completed deletion."""
    meta = obj["metadata"]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**_details(kind, meta["name"]), "uid": meta["uid"]},
    }


def not_found(kind: Kind, name: str) -> ApiError:
    """Return 404 for an object."""
    message = f'{kind.resource} "{name}" not found'
    return failure(404, message, details=_details(kind, name))


def no_such_path() -> ApiError:
    """Return 404 for an unknown path."""
    message = "the server could not find the requested resource"
    return failure(404, message, details={})


def already_exists(kind: Kind, name: str) -> ApiError:
    """Return 409 for a name in use."""
    message = f'{kind.resource} "{name}" already exists'
    return failure(409, message, "AlreadyExists", _details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    """Return 409 for a write to another version of the object."""
    why = why or (
        "the object has been modified; please apply your changes to the latest "
        "version and try again"
    )
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return failure(409, message, details=_details(kind, name))


def invalid(title: str, name: str, causes: Iterable[Cause]) -> ApiError:
    """Return 422 with validation errors; ``title`` is kind and group."""
    entries = [cause._asdict() for cause in causes]
    texts = [f"{cause['field']}: {cause['message']}" for cause in entries]
    body = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind, _, group = title.partition(".")
    details = {"name": name, "group": group, "kind": kind, "causes": entries}
    details = {k: v for k, v in details.items() if v}
    return failure(422, f'{title} "{name}" is invalid: {body}', details=details)


def forbidden(kind: Kind, name: str, why: str, cause: str = "") -> ApiError:
    """Return 403 for a request that the server refuses."""
    subject = f'{kind.resource} "{name}"' if name else kind.resource
    details = _details(kind, name)
    if cause:
        details["causes"] = [{"reason": cause, "message": why}]
    return failure(403, f"{subject} is forbidden: {why}", details=details)


def bad_request(message: str) -> ApiError:
    """Return 400."""
    return failure(400, message)


def expired(message: str, continue_: str = "") -> ApiError:
    """Return 410; ``continue_`` is a token that continues with an inconsistent list."""
    error = failure(410, message)
    if continue_:
        error.status["metadata"] = {"continue": continue_}
    return error


def too_old(version: int, oldest: int) -> ApiError:
    """Return 410 for a version before the change log."""
    return expired(f"too old resource version: {version} ({oldest})")


def too_large(version: int, current: int) -> ApiError:
    """Return 504 for a future version."""
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    cause = {
        "reason": "ResourceVersionTooLarge",
        "message": "Too large resource version",
    }
    return failure(504, message, details={"causes": [cause], "retryAfterSeconds": 1})


def bad_version(text: str) -> ApiError:
    """Return 500 without a reason, for a version that is not a number."""
    message = (
        f'resourceVersion: Invalid value: "{text}": '
        f'strconv.ParseUint: parsing "{text}": invalid syntax'
    )
    return failure(500, message, "")


def _details(kind: Kind, name: str) -> Json:
    """Return the details of a Status about an object."""
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return {k: v for k, v in details.items() if v}
