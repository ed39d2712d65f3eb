"""The simulated API server over HTTP, for kubectl, client libraries and CoreDNS.

Paths below /sim/ exist on no real server: faults, actions and the request log (see
`sim.api.control`).
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Self

from aiohttp import web

from minidns.dns.model import Address
from minidns.http import gate

from . import (
    control,
    kubeconfig,
    kubelet_paths,
    paths,
    private_files,
    rbac,
    requests,
    reviews,
    streams,
    verbs,
)
from .bootstrap import VERSION
from .connections import reset, trickle
from .control import Control
from .faults import NO_RULE, Rule
from .kubelet_paths import Kubelet
from .listing import read_version
from .objects import encode
from .replies import ApiCall, Reply, read_document, refused
from .requests import Request
from .server import ClusterApi
from .status import ApiError, failure, too_large
from .streams import Stream

_log = logging.getLogger(__name__)


class Tls(NamedTuple):
    """Certificate files in PEM; clients trust ``authority``."""

    certificate: Path
    key: Path
    authority: Path | None = None


class ApiServer:
    """Serves a cluster's API on a loopback address; port 0 selects a free port.

    ``tokens`` maps bearer tokens to user names and may change at any time; None accepts
    every token, which is for tests: every local user can connect. ``has_rbac`` enables
    authorization by roles. kubectl sends tokens over TLS only. ``future_wait_s`` is the
    time that a LIST of a future version waits for that version.
    """

    def __init__(
        self,
        cluster: ClusterApi,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: Tls | None = None,
        tokens: Mapping[str, str] | None = None,
        has_rbac: bool = False,
        version: str = VERSION,
        future_wait_s: float = 3.0,
    ) -> None:
        self.cluster = cluster
        self.tokens = tokens
        self.has_rbac = has_rbac
        self._control = Control(cluster, self.up, self._stop)
        self.faults = self._control.faults
        self.requests = self._control.requests
        self.streams = self._control.streams
        self.act = self._control.act
        self.kubelet: Kubelet | None = None
        """Runs commands and has the logs of pods; without one there is no such path."""
        self.misses_event: Callable[[Address], bool] = lambda peer: False
        """Returns whether the client at an address does not get the next event."""
        self._host = host
        self._port = port
        self._version = version
        self._future_wait_s = future_wait_s
        self._tls = tls
        self._ssl = _ssl_context(tls) if tls else None
        self._runner: web.ServerRunner | None = None
        self._server: web.Server | None = None

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._control.close()
        await self.down()

    @property
    def url(self) -> str:
        """Return the URL of the server, which must be listening."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._port}"

    @property
    def address(self) -> Address:
        """Return the address of the server, which must be listening."""
        return self._host, self._port

    @property
    def _scheme(self) -> str:
        return "https" if self._ssl else "http"

    @property
    def authority(self) -> Path | None:
        """Return the file with the CA certificate, if the server speaks TLS."""
        return self._tls.authority if self._tls else None

    def kubeconfig(
        self,
        path: Path | str,
        token: str = kubeconfig.ADMIN_TOKEN,
        namespace: str = "default",
        at: Address | None = None,
    ) -> Path:
        """Write a kubeconfig file with the context sim; return its path.

        ``at`` is the address of a relay to this server.
        """
        url = self.url if at is None else f"{self._scheme}://{at[0]}:{at[1]}"
        text = kubeconfig.text(url, token, self.authority, namespace)
        return private_files.write(Path(path), text)

    def use_certificate(self, tls: Tls) -> None:
        """Use another certificate for new connections."""
        assert self._ssl is not None, "the server does not speak TLS"
        self._ssl.load_cert_chain(tls.certificate, tls.key)

    async def up(self) -> None:
        """Listen; after `down`, on the same port as before."""
        if self._runner is not None:
            return
        self._server = web.Server(self._handle, handler_cancellation=True)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._ssl)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def down(self, *, kill: bool = False) -> None:
        """Stop listening and close every connection, with a reset if ``kill``."""
        await self._stop(kill)

    async def _stop(self, kill: bool) -> None:
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        if kill and self._server is not None:
            for connection in self._server.connections:
                reset(connection.transport)
        for stream in tuple(self.streams):
            stream.thaw()
            stream.end()
        await runner.cleanup()

    async def _handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or apply the fault for it."""
        request = requests.read(
            raw.method, raw.path, dict(raw.query), raw.headers, monotonic()
        )
        try:
            self._check(raw)
            if request.path.startswith(control.PREFIX):
                rbac.check_administrator(request, self.tokens)
                body = await raw.content.read()
                return await self._control.handle(request, body)
            self.requests.add(request)
            rbac.authenticated(request, self.tokens)
        except ApiError as error:
            return await _respond(raw, refused(error), NO_RULE)
        rule = self.faults.take(request)
        try:
            if rule is not NO_RULE:
                await _apply_fault(raw, rule)
            return await self._serve(raw, request, rule)
        except ConnectionError:
            return web.StreamResponse()  # aiohttp sees that the connection is closed

    def _check(self, raw: web.BaseRequest) -> None:
        """Refuse a request of a web page; see `minidns.http.gate`."""
        hosts = raw.headers.getall("Host", [])
        try:
            gate.check(raw.method, raw.headers, hosts, url=self.url)
        except gate.Refused as refusal:
            raise failure(refusal.status, str(refusal)) from None

    async def _serve(
        self, raw: web.BaseRequest, request: Request, rule: Rule
    ) -> web.StreamResponse:
        """Answer one request under the fault ``rule``."""
        try:
            user = rbac.authenticated(request, self.tokens, self.faults.only_token)
            if rule.status:
                raise control.error_of(rule, request, user)
            if rule.body is not None:
                return await _respond(raw, Reply(rule.body), rule)
            if self.has_rbac:
                rbac.authorize(self.cluster, rbac.attributes_of(request), user)
            if self.kubelet is not None and kubelet_paths.is_handed_on(request):
                return await kubelet_paths.serve(
                    raw, request, self.cluster, self.kubelet
                )
            if request.verb == "watch":
                return await self._watch(raw, request, rule)
            reply = await self._answer(request, user, await raw.content.read())
        except ApiError as error:
            reply = refused(error)
        except ConnectionError:
            raise
        except Exception as error:
            _log.exception("%s %s failed", request.method, request.path)
            reply = refused(failure(500, f"Internal error occurred: {error!r}"))
        return await _respond(raw, reply, rule)

    async def _answer(self, request: Request, user: rbac.User, body: bytes) -> Reply:
        """Return the reply to any request except a watch."""
        if reviews.is_path(request.path) and request.method == "POST":
            review = read_document(body, request.content_type)
            asker = user if self.has_rbac else rbac.ADMIN
            return reviews.answer(self.cluster, asker, request.path, review)
        if request.kind is None:
            return paths.answer(request, self._version)
        head = self.faults.stale_at or self.cluster.version
        if request.verb == "list":
            version = read_version(request.query.get("resourceVersion", ""))
            head = await self._wait_for_version(version, head)
        expires = self.faults.expire_continue
        call = ApiCall(request, request.kind, body, head, expires)
        reply = verbs.answer(self.cluster, call)
        return reply._replace(warning=request.kind.deprecated)

    async def _wait_for_version(self, version: int, head: int) -> int:
        """Wait until the visible version is at least ``version``; return it.

        Raises:
            ApiError: it is still older after ``future_wait_s`` (504).

        """
        ends_at = monotonic() + self._future_wait_s
        while head < version:
            if monotonic() >= ends_at:
                raise too_large(version, head)
            await asyncio.sleep(min(0.05, self._future_wait_s))
            head = self.faults.stale_at or self.cluster.version
        return head

    async def _watch(
        self, raw: web.BaseRequest, request: Request, rule: Rule
    ) -> web.StreamResponse:
        """Serve a watch until it ends."""
        assert request.kind is not None
        head = self.faults.stale_at or self.cluster.version
        options = streams.options_of(request.query, head)
        refusal = self.faults.refuse_watch_list
        if options.is_watch_list and refusal not in (0, 500):
            raise control.watch_list_refusal(refusal)
        selected = verbs.wanted(ApiCall(request, request.kind, b"", head))
        stream = Stream(
            self.cluster, request.kind, selected, options, self.faults, request.accept
        )
        peer = raw.transport.get_extra_info("peername") if raw.transport else None
        if peer is not None:
            stream.misses = partial(self.misses_event, peer[:2])
        self.streams.add(stream)
        try:
            return await stream.run(raw, rule)
        finally:
            self.streams.discard(stream)


async def _apply_fault(raw: web.BaseRequest, rule: Rule) -> None:
    """Delay, freeze or reset a request as ``rule`` says."""
    await asyncio.sleep(rule.delay_s)
    if rule.freeze:
        await asyncio.Event().wait()  # until the client closes the connection
    if rule.reset:
        reset(raw.transport)
        raise ConnectionResetError


async def _respond(
    raw: web.BaseRequest, reply: Reply, rule: Rule
) -> web.StreamResponse:
    """Send a reply, modified as ``rule`` says."""
    body = reply.body if rule.body is None else rule.body
    data = body.encode() if isinstance(body, str) else encode(body)
    response = web.StreamResponse(status=reply.code)
    response.headers["Content-Type"] = rule.content_type or reply.content_type
    if retry := rule.retry_after or reply.retry_after_s:
        response.headers["Retry-After"] = str(retry)
    if reply.warning:
        response.headers["Warning"] = f'299 - "{reply.warning}"'
    if rule.location:
        response.headers["Location"] = rule.location
    response.content_length = len(data)
    await response.prepare(raw)
    if raw.method == "HEAD":
        await response.write_eof()
        return response
    await trickle(response, data[: rule.cut_at], rule.bytes_per_s)
    if rule.cut_at is None or rule.cut_at >= len(data):
        await response.write_eof()
    elif raw.transport is not None:
        raw.transport.close()
    return response


def _ssl_context(tls: Tls) -> ssl.SSLContext:
    """Return a server-side TLS context with this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    return context
