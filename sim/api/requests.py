"""Parsed API requests, and the request log."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .kind import Kind
from .kinds import at_path

WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
MAX_LOGGED = 100_000
"""Maximum number of requests in the log."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request without its body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    time: float = 0
    """Time of arrival in monotonic seconds."""
    kind: Kind | None = None
    """None if the path is not that of a resource."""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def verb(self) -> str:
        """Return the verb of RBAC: list, watch, get, create and so on."""
        if self.kind is None:
            return self.method.lower()
        if self.method in ("GET", "HEAD"):
            if self.query.get("watch") in ("1", "true"):
                return "watch"
            return "get" if self.name else "list"
        if self.method == "DELETE" and not self.name:
            return "deletecollection"
        return WRITES.get(self.method, self.method.lower())

    @property
    def resource(self) -> str:
        """Return the plural with the subresource; empty without a kind."""
        if self.kind is None:
            return ""
        return "/".join(filter(None, (self.kind.plural, self.subresource)))

    @property
    def scope(self) -> str:
        """Return the namespace for authorization; for a Namespace its own name."""
        is_space = self.kind is not None and self.kind.name == "Namespace"
        return self.name if is_space else self.namespace

    @property
    def accept(self) -> str:
        """Return the media types that the client accepts."""
        return self.headers.get("Accept", "")

    @property
    def content_type(self) -> str:
        """Return the media type of the body."""
        return self.headers.get("Content-Type", "")

    @property
    def manager(self) -> str:
        """Return the field manager: from the query, or the User-Agent's program."""
        agent = self.headers.get("User-Agent", "")
        return self.query.get("fieldManager") or agent.partition("/")[0] or "unknown"

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the request log."""
        return {
            "time": self.time,
            "verb": self.verb,
            "resource": self.resource,
            "namespace": self.namespace,
            "name": self.name,
            "path": self.path,
            "query": dict(self.query),
            "agent": self.headers.get("User-Agent", ""),
        }


def read(
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    time: float,
) -> Request:
    """Return the parsed request; its kind is None if the path has no resource."""
    steps = [step for step in path.split("/") if step]
    length = {"api": 2, "apis": 3}.get(steps[0] if steps else "", 0)
    prefix, rest = "/" + "/".join(steps[:length]), steps[length:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces" and at_path(prefix, rest[2]):
        namespace, rest = rest[1], rest[2:]
    kind = at_path(prefix, rest[0]) if length and rest else None
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return Request(method, path, query, headers, time)
    name, subresource = (*rest[1:], "", "")[:2]
    return Request(
        method, path, query, headers, time, kind, namespace, name, subresource
    )


class RequestLog:
    """The latest requests."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque(maxlen=MAX_LOGGED)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, request: Request) -> None:
        """Append a request."""
        self._requests.append(request)

    def clear(self) -> None:
        """Remove all requests."""
        self._requests.clear()

    def of(self, verb: str = "", resource: str = "") -> list[Request]:
        """Return the requests with this verb and resource, oldest first."""
        return [
            request
            for request in self._requests
            if verb in ("", request.verb) and resource in ("", request.resource)
        ]

    def count(self, verb: str = "", resource: str = "") -> int:
        """Return the number of requests with this verb and resource."""
        return len(self.of(verb, resource))
