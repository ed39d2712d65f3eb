"""Sends requests with the REST client of the package over a pool of connections."""

import base64
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp

from minidns import __version__
from minidns.kubernetes.credentials import Cluster, Configuration
from minidns.kubernetes.decode import printable
from minidns.kubernetes.list_watch import cause
from minidns.text import foreign

JSON = "application/json"
CHANNELS = "v4.channel.k8s.io"
"""The subprotocol of WebSockets that run a command in a pod."""
BUFFER = 2**17
"""Bytes of an answer read ahead: what one turn of the loop may have to decode."""
KEEPALIVE = (
    ("TCP_KEEPIDLE", 15),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 30_000),
)
"""A peer that is gone without a word is noticed within 30 s."""

log = logging.getLogger("minidns.plugins.kubernetes")  # "plugin/kubernetes: ..."


class Client:
    """One state of the configuration, and the connections that use it."""

    def __init__(
        self, configuration: Configuration, found: Cluster, connect_s: float
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._configuration = configuration
        self._rest = found.rest(configuration)
        if not configuration.verify_ssl:
            log.warning("the certificate of %s is not verified", found.server)
        # not everywhere the least that Python itself asks for
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
            # as Go does: nobody means a loopback server by HTTPS_PROXY
            "trust_env": not found.is_loopback,
        }

    async def send(
        self, method: str, path: str, body: object = None, style: str = JSON
    ) -> aiohttp.ClientResponse:
        """Return the answer to a request as soon as its headers are there.

        ``style`` is the media type of ``body``, which is JSON of some form.

        Raises:
            aiohttp.ClientError: there is none; or OSError, or ValueError.

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
        """Close its connections, whatever goes on over them."""
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
    """Return a socket whose peer cannot vanish unnoticed."""
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
