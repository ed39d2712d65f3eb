"""Replies at paths without a resource: version, health, discovery, OpenAPI."""

from . import discovery, openapi
from .objects import Json
from .replies import Reply
from .requests import Request
from .status import no_such_path

HEALTH = ("/healthz", "/livez", "/readyz")


def answer(request: Request, version: str) -> Reply:
    """Return the reply at the path of ``request``; ``version`` is the server's.

    Raises:
        ApiError: the path is unknown (404).

    """
    path = request.path.rstrip("/")
    if path in HEALTH:
        return Reply("ok", content_type="text/plain")
    if path == "/version":
        return Reply(_version(version))
    if discovery.is_path(path):
        document, media = discovery.document(path, request.accept)
        return Reply(document, content_type=media)
    if (schema := openapi.document(path)) is not None:
        return Reply(schema)
    raise no_such_path()


def _version(text: str) -> Json:
    """Return the document at /version."""
    major, minor = text.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": text,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "sim",
        "platform": "linux/amd64",
    }
