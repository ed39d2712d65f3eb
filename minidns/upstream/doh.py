"""Exchanges with upstreams over HTTPS (DoH, RFC 8484), with HTTP/1.1 of aiohttp.

Every upstream has a session, which keeps connections open for the next query. A
connection carries one request at a time.
"""

import asyncio
import base64
import ssl

import aiohttp

from minidns.upstream.acceptance import Doubtful
from minidns.upstream.tls import servername, system_trust, tls_failure
from minidns.upstream.upstream import Accept, T, Upstream, failure, joined, reason

PATH = "/dns-query"
"""The path of the URL (CoreDNS)."""
_TYPE = "application/dns-message"
_LARGEST = 65535
"""Maximum bytes of a DNS message; a longer body is an error."""


class Doh:
    """The HTTPS sessions, one for each upstream."""

    def __init__(self) -> None:
        self._sessions: dict[Upstream, aiohttp.ClientSession] = {}

    async def ask(
        self, to: Upstream, wire: bytes, timeout_s: float, accept: Accept[T]
    ) -> T:
        """Return the accepted reply to ``wire``, sent with ID 0 (RFC 8484 4.1).

        Raises:
            DnsError: the outcome of a doubtful reply.
            TimeoutError: no reply within ``timeout_s`` seconds.
            OSError: no connection, an untrusted certificate, an HTTP status other than
                200, or a malformed message.

        """
        try:
            async with asyncio.timeout(timeout_s):
                body = await self._with_retry(to, b"\0\0" + wire[2:])
        except TimeoutError:
            raise TimeoutError(f"https {to}: i/o timeout") from None
        except aiohttp.ClientConnectorCertificateError as exc:
            raise ConnectionError(tls_failure(exc.certificate_error)) from None
        except aiohttp.ClientConnectorError as exc:
            why = reason(exc.os_error)
            raise ConnectionError(f"dial tcp {to}: connect: {why}") from None
        except ssl.SSLError as exc:
            raise ConnectionError(tls_failure(exc)) from None
        except aiohttp.ClientError:
            raise ConnectionError(f"https {to}: no HTTP reply") from None
        except OSError as exc:
            raise ConnectionError(f"https {to}: {failure(exc)}") from None
        reply = accept(wire[:2] + body[2:])
        if isinstance(reply, Doubtful):
            outcome: T = reply.settled()
            return outcome
        if reply is None:
            raise ConnectionError(f"https {to}: malformed reply")
        return reply

    async def _with_retry(self, to: Upstream, wire: bytes) -> bytes:
        """Send the request; once more if the server had closed an idle connection."""
        try:
            return await self._body(to, wire)
        except aiohttp.ClientConnectorError:
            raise  # the connection was new
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            return await self._body(to, wire)

    async def _body(self, to: Upstream, wire: bytes) -> bytes:
        url = f"https://{joined(to.host, to.port)}{PATH}"
        headers = {"Accept": _TYPE, "Accept-Encoding": "identity"}
        data = None
        if to.doh_method == "GET":
            text = base64.urlsafe_b64encode(wire).rstrip(b"=").decode()
            url = f"{url}?dns={text}"
        else:
            data = wire
            headers["Content-Type"] = _TYPE
        async with self._session(to).request(
            to.doh_method,
            url,
            data=data,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None),
            server_hostname=servername(to),
            # an upstream must not send queries to another server
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                raise ConnectionError(f"HTTP status {response.status}")
            body = await response.content.read(_LARGEST + 1)
            while len(body) <= _LARGEST and not response.content.at_eof():
                body += await response.content.read(_LARGEST + 1 - len(body))
        if not 12 <= len(body) <= _LARGEST:
            raise ConnectionError("malformed reply")
        return body

    def _session(self, to: Upstream) -> aiohttp.ClientSession:
        session = self._sessions.get(to)
        if session is None:
            keep = to.keep.idle_s
            connector = aiohttp.TCPConnector(
                ssl=to.tls or system_trust(),
                limit=0,
                local_addr=(to.source, 0) if to.source else None,
                force_close=not keep,
                keepalive_timeout=keep or None,
            )
            session = self._sessions[to] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent",),
            )
        return session

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
