"""The API server over HTTP: connections, and the requests they carry.

Theory of operation. A ``Connection`` stands for one API server for as long as the
process runs; a ``Client`` for one state of its credentials, with a pool of TCP
connections. Credentials expire and files are rotated, so after a 401, or when TLS
fails, the credentials are read again and a new Client takes over. The client before it
stays open for the watches that run over it; the one before that is closed.

The ``kubernetes`` package reads the credentials, refreshes tokens, makes the TLS
context and sends the requests (see ``credentials.modules``); its object models are not
used.
"""

import asyncio
import base64
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from time import monotonic
from typing import NamedTuple, Self

import aiohttp

from minidns import __version__
from minidns.kubernetes import credentials
from minidns.kubernetes.credentials import Cluster, Configuration
from minidns.kubernetes.decode import printable
from minidns.kubernetes.list_watch import DEADLINES, Deadlines, HttpListWatch, cause
from minidns.kubernetes.resources import Access, ApiError, Resource, Unreachable
from minidns.kubernetes.watch_metrics import RequestMetrics, status_label
from minidns.metrics.registry import Metrics
from minidns.text import foreign

JSON = "application/json"
CHANNELS = "v4.channel.k8s.io"
"""The subprotocol of WebSockets that run a command in a pod."""
BUFFER = 2**17
"""Bytes of a response read ahead: the most that one turn of the loop decodes."""
KEEPALIVE = (
    ("TCP_KEEPIDLE", 15),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 30_000),
)
"""With these, a peer that vanishes without closing is detected within 30 s."""

log = logging.getLogger("minidns.plugins.kubernetes")  # "plugin/kubernetes: ..."


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
    cluster = credentials.find(access, environ, account)
    return Connection(cluster, metrics or Metrics(), random or Random(), deadlines)


class Connections:
    """One Connection per Access, shared by all its resources."""

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
        """Close all connections."""
        for connection in self._open.values():
            await connection.close()


class _Request(NamedTuple):
    method: str
    path: str
    body: object = None
    style: str = JSON
    """Media type of the body."""


class _TlsError(Unreachable):
    """A TLS handshake failed: a certificate is not accepted, or the peer has no TLS."""


class Client:
    """One state of the configuration, and the connections that use it."""

    def __init__(
        self, configuration: Configuration, cluster: Cluster, connect_s: float
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._configuration = configuration
        self._rest = cluster.rest(configuration)
        if not configuration.verify_ssl:
            log.warning("the certificate of %s is not verified", cluster.server)
        # the default minimum depends on the build of Python
        self._rest.ssl_context.minimum_version = ssl.TLSVersion.TLSv1_2
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        self._connector = aiohttp.TCPConnector(
            ssl=self._rest.ssl_context, socket_factory=tcp_socket
        )
        configuration.client_session_kwargs = {
            "connector": self._connector,
            "read_bufsize": BUFFER,
            "trace_configs": [trace],
            # as in Go: HTTPS_PROXY is not for servers on this machine
            "trust_env": not cluster.is_loopback,
        }

    async def send(
        self, method: str, path: str, body: object = None, style: str = JSON
    ) -> aiohttp.ClientResponse:
        """Return the response to a request as soon as its headers have arrived.

        ``style`` is the media type of ``body``, which is JSON of some form.

        Raises:
            aiohttp.ClientError, OSError, ValueError: there is no response.

        """
        headers = await self._headers() | {
            "Accept": JSON,
            "Accept-Encoding": "identity",
            "Content-Type": style,
        }
        url = self._configuration.host + path
        answer = await self._rest.request(
            method, url, headers, body=body, _request_timeout=self._timeout
        )
        return answer.response

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket at ``path``, whose binary frames have channels.

        Raises:
            aiohttp.ClientError: it cannot be opened, or breaks off; or OSError.

        """
        url = self._configuration.host + path
        # a new session: the one of the package may retry
        async with (
            aiohttp.ClientSession(
                connector=self._connector, connector_owner=False
            ) as web,
            web.ws_connect(
                url, headers=await self._headers(), protocols=(CHANNELS,)
            ) as socket,
        ):
            yield socket

    async def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": f"minidns/{__version__}"}
        for setting in (await self._configuration.auth_settings()).values():
            headers[setting["key"]] = value = setting["value"].strip()
            remember(value)
        return headers

    async def close(self) -> None:
        """Close its connections; requests in flight fail."""
        await self._rest.close()
        await self._connector.close()


async def _refuse_redirect(
    _: aiohttp.ClientSession,
    __: object,
    params: aiohttp.TraceRequestRedirectParams,
) -> None:
    params.response.close()
    raise aiohttp.ClientError(f"it answered with a redirect ({params.response.status})")


def tcp_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that detects a vanished peer, see ``KEEPALIVE``."""
    sock = socket.socket(*address[:3])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if option := getattr(socket, name, None):  # not every system has all
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock


def remember(value: str) -> None:
    """Hide the credentials of an Authorization header in all output."""
    scheme, _, credentials = value.rpartition(" ")
    foreign.remember(credentials)
    if scheme.lower() == "basic":
        with suppress(ValueError):
            password = base64.b64decode(credentials).decode().partition(":")[2]
            foreign.remember(password)


def reason(error: Exception) -> str:
    """Return the reason of a failed request, for people."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or error
            return printable(f"its certificate is not accepted: {reason}")
        case aiohttp.ClientConnectorDNSError():
            return printable(f"no address for {error.host}")
        case aiohttp.ClientConnectorError() if error.os_error.errno and not isinstance(
            error, aiohttp.ClientSSLError
        ):
            return os.strerror(error.os_error.errno)
    return cause(error)


class Connection:
    """A pool of HTTP connections to one API server, with its credentials."""

    def __init__(
        self, cluster: Cluster, metrics: Metrics, random: Random, deadlines: Deadlines
    ) -> None:
        self.server = printable(cluster.server)
        self.context = cluster.context
        """Context of the kubeconfig; empty without one."""
        self._cluster = cluster
        self._random = random
        self._deadlines = deadlines
        self._client: Client | None = None
        self._retired: Client | None = None
        self._lock = asyncio.Lock()
        self._metrics = RequestMetrics(metrics)

    def list_watch(self, resource: Resource) -> HttpListWatch:
        """Return LIST and WATCH of one resource."""
        return HttpListWatch(self, resource, self._random, self._deadlines)

    def describe(self) -> str:
        """Return the server and the source of its choice, for people."""
        return f"{self.server} ({self._cluster.by})"

    async def get(self, path: str, *, timed: bool) -> aiohttp.ClientResponse:
        """Return the response to a GET as soon as its headers have arrived.

        ``timed`` counts the seconds in the metric (a watch has none).

        Raises:
            ApiError: there is no response.

        """
        return await self._answer(_Request("GET", path), timed=timed)

    async def send(
        self, method: str, path: str, body: object = None, style: str = JSON
    ) -> aiohttp.ClientResponse:
        """Return the response to a request; ``style`` is the media type of ``body``.

        Raises:
            ApiError: there is no response; a write may have happened all the same.

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
        """Close both clients; requests in flight fail."""
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
        """Return the response as soon as its headers have arrived.

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

        Watches over the previous client continue; those over the one before it end.
        """
        async with self._lock:
            # another request has renewed it meanwhile
            if self._client is not old:
                return self._client or old
            try:
                self._client = await self._load()
            except ApiError as error:  # a file may be missing for a moment
                log.warning("%s; using the previous credentials", error)
                return old
            if self._retired is not None:
                await self._retired.close()
            self._retired = old
            return self._client

    async def _load(self) -> Client:
        try:
            configuration = await self._cluster.load()
            return Client(configuration, self._cluster, self._deadlines.connect_s)
        except Exception as error:  # the package raises anything for malformed files
            text = f"no credentials for {self.server}: {credentials.problem(error)}"
            raise Unreachable(text) from error

    async def _send(
        self, client: Client, request: _Request, *, timed: bool
    ) -> aiohttp.ClientResponse:
        started, code = monotonic(), "<error>"
        try:
            response = await client.send(*request)
            code = status_label(response.status)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            tls = isinstance(error, aiohttp.ClientSSLError | ssl.SSLError)
            kind = _TlsError if tls else Unreachable
            raise kind(f"cannot reach {self.server}: {reason(error)}") from error
        finally:
            duration = monotonic() - started if timed else None
            self._metrics.count(self._cluster.host, request.method, code, duration)
        return response
