"""The resources that are listed and watched, and the ListWatch interface to them."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from minidns.kubernetes import objects
from minidns.kubernetes.objects import Json, Key, Kind, Object

HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
"""Environment variables with the address of the API server, in every pod."""


def usual_kubeconfig(environ: Mapping[str, str]) -> str:
    """Return the path of kubectl's file; under sudo that of the user who called it."""
    user = environ.get("SUDO_USER", "")
    theirs = os.path.expanduser(f"~{user}/.kube/config")
    own = os.path.expanduser("~/.kube/config")
    return theirs if user and not os.path.exists(own) else own


@dataclass(frozen=True, slots=True)
class Access:
    """The way to an API server; without any field, the service account of the pod."""

    kubeconfig: str = ""
    """Path of a kubeconfig file; wins over ``endpoint``."""
    context: str = ""
    """Context in it; empty for its current one."""
    endpoint: str = ""
    """URL of an API server."""
    tls: tuple[str, str, str] | None = None
    """Client certificate, key and CA, with ``endpoint``."""

    def described(self, environ: Mapping[str, str]) -> str:
        """Return the context or the address of the cluster, for people."""
        if self.kubeconfig:
            context = f"context {self.context}" if self.context else "current context"
            return f"{context} of {self.kubeconfig}"
        if self.endpoint:
            scheme, _, place = self.endpoint.rpartition("//")
            return f"{scheme}//{place.rpartition('@')[2]}" if scheme else place
        host, port = environ.get(HOST, ""), environ.get(PORT, "")
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A collection of the API, and the selectors that limit a LIST and WATCH of it."""

    kind: Kind
    read: Callable[[Json], Object]
    plural: str
    group: str = ""
    """API group with its version: ``v1`` has none, ``discovery.k8s.io/v1`` has."""
    namespace: str = ""
    """The only namespace; empty for all, which takes the rights that CoreDNS has."""
    label_selector: str = ""
    field_selector: str = ""

    @property
    def path(self) -> str:
        """URL path of the collection."""
        root = f"/apis/{self.group}" if self.group else "/api/v1"
        inside = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{root}{inside}/{self.plural}"

    @property
    def type_name(self) -> str:
        """The kind as CoreDNS's log lines call it: ``*v1.Service``."""
        version = self.group.rpartition("/")[2] or "v1"
        return f"*{version}.{self.kind.__name__}"


DISCOVERY = "discovery.k8s.io/v1"
MULTICLUSTER = "multicluster.x-k8s.io/v1alpha1"
ALIVE = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown"
"""Field selector of the Pods that *kubernetes* reads with ``pods verified``."""

SERVICES = Resource(objects.Service, objects.service, "services")
SLICES = Resource(
    objects.EndpointSlice, objects.endpoint_slice, "endpointslices", DISCOVERY
)
NAMESPACES = Resource(objects.Namespace, objects.namespace, "namespaces")
PODS = Resource(objects.Pod, objects.pod, "pods", field_selector=ALIVE)
IMPORTS = Resource(
    objects.ServiceImport, objects.service_import, "serviceimports", MULTICLUSTER
)
IMPORTED_SLICES = Resource(
    objects.EndpointSlice, objects.imported_slice, "endpointslices", DISCOVERY
)


class Page(NamedTuple):
    """A decoded page of a LIST."""

    objects: tuple[Object, ...]
    version: str
    """resourceVersion of the whole LIST."""
    token: str = ""
    """The token of the next page; empty on the last page."""
    skipped: int = 0
    """Number of items that could not be read."""
    unread: tuple[Key, ...] = ()
    """Keys of the skipped items whose key could be read."""
    age_s: float = 0.0
    """Seconds since the API server sent it; above 0 if another process relayed it."""


class WatchEvent(NamedTuple):
    """One line of a watch."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK."""
    obj: Object | None
    """None for a bookmark, and for an object that could not be read."""
    version: str
    ends_initial: bool = False
    """The bookmark that ends the initial events of a streaming LIST."""
    key: Key | None = None
    """The key of an object of which only the key could be read."""
    age_s: float = 0.0
    """Seconds since the last sign of life of the API server, as in a Page."""


class Gone(Exception):
    """The resource version has expired (410): only a new list helps."""


class ApiError(Exception):
    """The API server cannot be reached, or it refused; a retry may succeed.

    ``str()`` is the failure and its cause, for people.
    """

    def __init__(
        self, text: str, *, status: int = 0, retry_after_s: float | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        """HTTP status; 0 if there was no response."""
        self.retry_after_s = retry_after_s


class Unreachable(ApiError):
    """The API server does not answer at all, or there are no credentials for it."""


class ListWatch(Protocol):
    """LIST and WATCH of one resource, at a real or a simulated API server."""

    async def page(self, token: str, version: str | None) -> Page:
        """Return the first page, or the one that ``token`` continues.

        Without a ``version`` the read is consistent. With one, the caller only wants to
        know whether the server has reached that version (it may have been restored to
        an earlier state), so the page may hold a single object.

        Raises:
            Gone: the token has expired, or the server knows no such version yet.
            ApiError: any failure after which a retry may succeed.

        """
        ...

    def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes after ``version`` until the server ends the stream.

        A connection without any byte for a minute or two ends it as well. With
        ``initial`` (and no version) the server first sends every object as ADDED and
        then a bookmark with ``ends_initial`` (streaming LIST).

        Raises:
            Gone: the version is too old, or the server asks to list again.
            ApiError: any failure after which a retry may succeed.

        """
        ...


class Applied(NamedTuple):
    """The present state of an object, which may be new, changed or unchanged."""

    obj: Object


class Deleted(NamedTuple):
    """The deletion of an object, whose last state is in the store."""

    kind: Kind
    key: Key


Event: TypeAlias = Applied | Deleted


_FORBIDDEN = 403


class ForbiddenAware:
    """A ListWatch that remembers whether the last list was forbidden (RBAC)."""

    def __init__(self, inner: ListWatch) -> None:
        self.refusal = ""
        """The API server's refusal; empty if the last list was allowed."""
        self.refused = asyncio.Event()
        """Set if a list was forbidden before any list was allowed."""
        self._listed = False
        self._inner = inner

    async def page(self, token: str, version: str | None) -> Page:
        """Return a page; see ``ListWatch``."""
        try:
            page = await self._inner.page(token, version)
        except ApiError as error:
            if error.status == _FORBIDDEN:
                self.refusal = str(error)
                if not self._listed:
                    self.refused.set()
            raise
        self.refusal, self._listed = "", True
        return page

    def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes; see ``ListWatch``."""
        return self._inner.watch(version, initial=initial)
