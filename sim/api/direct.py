"""LIST and WATCH of the simulated API server without HTTP, with a count of requests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from minidns.kubernetes import objects
from minidns.kubernetes.resources import (
    Access,
    ApiError,
    ListWatch,
    Page,
    Resource,
    WatchEvent,
)

from .kinds import named
from .objects import Json
from .rbac import Attributes, User, denial
from .selectors import selection
from .server import ClusterApi
from .watching import Cursor

ACCOUNT = User("system:serviceaccount:kube-system:coredns")
"""The account of the DNS servers."""


class Api:
    """The API server for reflectors in the same process; an edge of minidns."""

    def __init__(self, cluster: ClusterApi) -> None:
        self.cluster = cluster
        self.requests: Counter[tuple[str, str]] = Counter()
        """Requests by resource and verb, including failed ones."""
        self.is_up = True
        self.forbidden: set[str] = set()
        """The plurals of the resources that no role lets the servers read."""
        self._waiting: dict[asyncio.Event, None] = {}
        """The events that wake open watches, in the order of their start."""

    def list_watch(self, access: Access, resource: Resource) -> ListWatch:
        """Return LIST and WATCH of ``resource``; ``access`` is not checked."""
        return _Collection(self, resource)

    def cut(self) -> None:
        """Become unreachable; open watches fail."""
        self.is_up = False
        for event in self._waiting:
            event.set()

    def mend(self) -> None:
        """Become reachable again."""
        self.is_up = True

    def ask(self, resource: Resource, verb: str) -> None:
        """Count a request.

        Raises:
            ApiError: the server cannot be reached, or refuses the request (403).

        """
        self.requests[resource.plural, verb] += 1
        self.check()
        if resource.plural in self.forbidden:
            kind = named(resource.kind.__name__)
            attributes = Attributes(verb, kind.group, kind.plural)
            raise ApiError(str(denial(attributes, ACCOUNT)), status=403)

    def check(self) -> None:
        """Raise ApiError if the server cannot be reached."""
        if not self.is_up:
            raise ApiError("connect: connection refused")

    async def changes(self, cursor: Cursor) -> AsyncIterator[tuple[str, Json]]:
        """Yield the events of ``cursor`` while the server is reachable.

        Raises:
            ApiError: the server has become unreachable.

        """
        collection = self.cluster.store[cursor.kind]
        changed = asyncio.Event()
        collection.listeners[changed.set] = None
        self._waiting[changed] = None
        try:
            while True:
                changed.clear()
                for event in cursor.following():
                    yield event
                await changed.wait()
                self.check()
        finally:
            collection.listeners.pop(changed.set, None)
            del self._waiting[changed]


class _Collection:
    """One resource; implements ``ListWatch``."""

    def __init__(self, api: Api, resource: Resource) -> None:
        self._api = api
        self._resource = resource
        self._wanted = (
            resource.namespace,
            resource.label_selector,
            resource.field_selector,
        )

    async def page(self, token: str, version: str | None) -> Page:
        """Return all objects as one page."""
        self._api.ask(self._resource, "list")
        cluster = self._api.cluster
        objects = cluster.list(self._resource.kind.__name__, *self._wanted)
        return Page(tuple(map(self._read, objects)), str(cluster.version))

    async def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        """Yield the changes after ``version``."""
        self._api.ask(self._resource, "watch")
        if initial:
            raise ApiError("no streaming lists here", status=400)
        kind = named(self._resource.kind.__name__)
        wanted = selection(kind, *self._wanted)
        cursor = Cursor(self._api.cluster.store[kind], wanted, int(version))
        async for verb, obj in self._api.changes(cursor):
            version = obj["metadata"]["resourceVersion"]
            yield WatchEvent(verb, self._read(obj), version)

    def _read(self, obj: Json) -> objects.Object:
        return self._resource.read(objects.from_dict(obj))
