"""The API server over HTTP: connections, and the requests they carry.

The only importer of the ``kubernetes`` package, which reads kubeconfig and service
account, refreshes tokens, makes the TLS context and sends the requests. It is imported
at the first connection, and only in part, see ``modules``.
"""

import asyncio
import functools
import importlib
import importlib.util
import logging
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, NamedTuple, Self

import aiohttp

from minidns.kubernetes import credentials
from minidns.kubernetes.credentials import Cluster
from minidns.kubernetes.decode import printable
from minidns.kubernetes.list_watch import DEADLINES, Deadlines, HttpListWatch
from minidns.kubernetes.requests import JSON, Client, reason
from minidns.kubernetes.resources import Access, ApiError, Resource
from minidns.metrics.registry import Metrics

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

log = logging.getLogger("minidns.plugins.kubernetes")  # "plugin/kubernetes: ..."


@functools.cache
def modules(*names: str) -> tuple[Any, ...]:
    """Import modules of ``kubernetes`` without running its package ``__init__`` files.

    ``import kubernetes`` runs ``kubernetes/__init__.py``, which imports the synchronous
    client, the dynamic client and their dependencies. Measured with kubernetes 37 on
    CPython 3.11: 19.5 MiB and 0.22 s, against 1.5 MiB and 0.02 s for the modules used
    here. A process that serves a small cluster would have 63 MiB instead of 45, more
    than the 60 MiB that docs/performance.md promises.

    So the packages are entered into ``sys.modules`` as empty modules while the named
    modules are imported, and removed afterwards: a later ``import kubernetes`` by
    somebody else gets the whole package. The readers of kubeconfig files refer to
    ``ApiClient`` in a function that minidns does not call, hence the placeholder.
    """
    if "kubernetes" in sys.modules:
        return tuple(map(importlib.import_module, names))
    for package in ("", ".aio", ".aio.utils", ".aio.config"):
        spec = importlib.util.find_spec("kubernetes" + package)
        if spec is None:
            raise ImportError(f"kubernetes{package} is not installed")
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        client = importlib.import_module("kubernetes.aio.client")
        vars(client)["ApiClient"] = None
        return tuple(map(importlib.import_module, names))
    finally:
        for name in [name for name in sys.modules if name.startswith("kubernetes")]:
            del sys.modules[name]


def connect(
    access: Access,
    metrics: Metrics | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    account: Path = credentials.ACCOUNT,
    random: Random | None = None,
    deadlines: Deadlines = DEADLINES,
) -> "Connection":
    """Return a connection, of which nothing is opened before the first request.

    Raises:
        ConfigError: there is no such file or context, or no service account.

    """
    found = credentials.find(access, modules, environ, account)
    return Connection(found, metrics or Metrics(), random or Random(), deadlines)


class Connections:
    """One Connection per Access, however many resources share it."""

    def __init__(
        self, metrics: Metrics, environ: Mapping[str, str], random: Random
    ) -> None:
        self._metrics = metrics
        self._environ = environ
        self._random = random
        self._open: dict[Access, Connection] = {}

    def to(self, access: Access) -> "Connection":
        """Return the connection for ``access``.

        Raises:
            ConfigError: there is no such file or context, or no service account.

        """
        if access not in self._open:
            self._open[access] = connect(
                access, self._metrics, environ=self._environ, random=self._random
            )
        return self._open[access]

    def list_watch(self, access: Access, resource: Resource) -> HttpListWatch:
        """Return LIST and WATCH of one resource: ``Edges.list_watch``.

        Raises:
            ConfigError: there is no such file or context, or no service account.

        """
        return self.to(access).list_watch(resource)

    async def close(self) -> None:
        """Close all of them."""
        for connection in self._open.values():
            await connection.close()


class _Request(NamedTuple):
    method: str
    path: str
    body: object = None
    style: str = JSON
    """Media type of the body."""


class _TlsError(ApiError):
    """One side does not accept the other's certificate, or there is no TLS at all."""


class _Families:
    """The metrics that CoreDNS has of its requests to the API server."""

    def __init__(self, metrics: Metrics) -> None:
        prefix, labels = "coredns_kubernetes_rest_client_", ("verb", "host")
        self.durations = metrics.histogram(
            f"{prefix}request_duration_seconds",
            "Seconds that requests took, watches left out.",
            labels,
            SECONDS,
        )
        self.waits = metrics.histogram(
            f"{prefix}rate_limiter_duration_seconds",
            "Seconds that requests were held back by the client itself.",
            labels,
            SECONDS,
        )
        self.requests = metrics.counter(
            f"{prefix}requests_total",
            "Requests sent, by HTTP status.",
            ("code", "method", "host"),
        )

    def count(
        self, host: str, method: str, code: str, duration_s: float | None
    ) -> None:
        """Count one request; a watch has no duration."""
        self.requests.inc((code, method, host))
        self.waits.observe((method, host), 0.0)  # nothing is held back here
        if duration_s is not None:
            self.durations.observe((method, host), duration_s)


def _code(status: int) -> str:
    """Return the label of an HTTP status: ``other`` where it is none that is known."""
    return str(status) if status in _STATUSES else "other"


_STATUSES = frozenset(HTTPStatus)


class Connection:
    """A pool of HTTP connections to one API server, with its credentials."""

    def __init__(
        self, found: Cluster, metrics: Metrics, random: Random, deadlines: Deadlines
    ) -> None:
        self.server = printable(found.server)
        self.context = found.context
        """Context of the kubeconfig; empty without one."""
        self._found = found
        self._random = random
        self._deadlines = deadlines
        self._client: Client | None = None
        self._retired: Client | None = None
        self._lock = asyncio.Lock()
        self._metrics = _Families(metrics)

    def list_watch(self, resource: Resource) -> HttpListWatch:
        """Return LIST and WATCH of one resource."""
        return HttpListWatch(self, resource, self._random, self._deadlines)

    def describe(self) -> str:
        """Return for people which cluster this is."""
        return f"{self.server} ({self._found.by})"

    async def get(self, path: str, *, timed: bool) -> aiohttp.ClientResponse:
        """Return the answer to a GET as soon as its headers are there.

        ``timed`` counts the seconds in the metric (a watch has none).

        Raises:
            ApiError: there is none.

        """
        return await self._answer(_Request("GET", path), timed=timed)

    async def send(
        self, method: str, path: str, body: object = None, style: str = JSON
    ) -> aiohttp.ClientResponse:
        """Return the answer to a request, whose ``body`` is of media type ``style``.

        Raises:
            ApiError: there is none; what was to be written may have been.

        """
        return await self._answer(_Request(method, path, body, style), timed=True)

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket at ``path``, whose binary frames have channels.

        Raises:
            aiohttp.ClientError: it cannot be opened, or breaks off; or OSError.

        """
        async with (await self._current()).stream(path) as socket:
            yield socket

    async def close(self) -> None:
        """End every request."""
        for client in (self._client, self._retired):
            if client is not None:
                await client.close()
        self._client = self._retired = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _answer(
        self, request: _Request, *, timed: bool
    ) -> aiohttp.ClientResponse:
        """Return the answer as soon as its headers are there.

        After a 401, or when TLS fails, nothing has been done: credentials and
        certificates are read again and the request is repeated, once.
        """
        client = await self._current()
        try:
            response = await self._send(client, request, timed=timed)
        except _TlsError:
            pass
        else:
            if response.status != 401:
                return response
            response.close()
        return await self._send(await self._renewed(client), request, timed=timed)

    async def _current(self) -> Client:
        async with self._lock:
            if self._client is None:
                self._client = await self._load()
            return self._client

    async def _renewed(self, old: Client) -> Client:
        """Return a client with credentials read since ``old``; ``old`` if none are.

        Watches on the pool before go on; those on the one before that are cut.
        """
        async with self._lock:
            if self._client is not old:
                return self._client or old
            try:
                self._client = await self._load()
            except ApiError as error:  # a file may be missing for a moment
                log.warning("%s; going on with those from before", error)
                return old
            if self._retired is not None:
                await self._retired.close()
            self._retired = old
            return self._client

    async def _load(self) -> Client:
        try:
            configuration = await self._found.load()
            return Client(configuration, self._found, self._deadlines.connect_s)
        except Exception as error:  # what files of any content make the package raise
            text = f"no credentials for {self.server}: {credentials.problem(error)}"
            raise ApiError(text) from error

    async def _send(
        self, client: Client, request: _Request, *, timed: bool
    ) -> aiohttp.ClientResponse:
        started, code = monotonic(), "<error>"
        try:
            response = await client.send(*request)
            code = _code(response.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            tls = isinstance(error, aiohttp.ClientSSLError | ssl.SSLError)
            kind = _TlsError if tls else ApiError
            raise kind(f"cannot reach {self.server}: {reason(error)}") from error
        finally:
            duration = monotonic() - started if timed else None
            self._metrics.count(self._found.host, request.method, code, duration)
        return response
