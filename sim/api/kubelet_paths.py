"""The paths that the API server hands to a kubelet: exec, attach, log, port-forward.

``exec`` and ``attach`` are WebSockets (kubectl 1.31 and newer). Each frame begins with
the number of its channel; v5.channel.k8s.io adds a frame that closes a channel,
by which a command sees the end of its standard input (Kubernetes,
staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go). ``portforward`` is
a WebSocket as well, with a channel for the bytes of one port and one for an error; its
form for kubectl, a tunnel of SPDY, is not served.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from aiohttp import WSMsgType, web

from .objects import Json, Key, encode
from .requests import Request
from .server import ClusterApi
from .status import ApiError, bad_request, failure

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = b"\x00", b"\x01", b"\x02", b"\x03", b"\xff"
EXEC, ATTACH, LOG = "pods/exec", "pods/attach", "pods/log"
PORT_FORWARD = "pods/portforward"
_CHUNK = 1 << 14


class Streams:
    """The standard streams of a command."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._send = send
        self._input = asyncio.StreamReader()

    @property
    def stdin(self) -> asyncio.StreamReader:
        """The standard input."""
        return self._input

    async def write(self, data: bytes) -> None:
        """Write to the standard output."""
        await self._send(_STDOUT + data)

    async def complain(self, data: bytes) -> None:
        """Write to the standard error."""
        await self._send(_STDERR + data)


class LogOptions(NamedTuple):
    """What part of a log is wanted."""

    follow: bool = False
    tail_lines: int | None = None
    """The number of lines at the end; None for all."""
    previous: bool = False
    """Whether that of the container before its last restart is wanted."""


class Kubelet(Protocol):
    """The node's part: it runs commands and has the logs."""

    async def execute(self, pod: Key, command: Sequence[str], streams: Streams) -> int:
        """Run a command in a pod; return its exit status.

        Raises:
            ApiError: the pod is not running.

        """
        ...

    async def attach(self, pod: Key, streams: Streams) -> int:
        """Join the program of a pod until it ends; return its exit status.

        Raises:
            ApiError: the pod is not running, or its program has no standard input.

        """
        ...

    async def connect(
        self, pod: Key, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a TCP port of a pod.

        Raises:
            OSError: nothing listens there.

        """
        ...

    def log(self, pod: Key, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield the log of a pod in pieces, the first one also if it is empty.

        Raises:
            ApiError: there is no such log (400).

        """
        ...


def is_handed_on(request: Request) -> bool:
    """Return whether the API server hands the request to a kubelet."""
    return request.resource in (EXEC, ATTACH, LOG, PORT_FORWARD)


async def serve(
    raw: web.BaseRequest, request: Request, cluster: ClusterApi, kubelet: Kubelet
) -> web.StreamResponse:
    """Serve exec, attach, log or port-forward of a pod.

    Raises:
        ApiError: there is no such pod (404) or container (400), or the request is not
            for a WebSocket (400).

    """
    pod = cluster.get("Pod", request.namespace, request.name)
    _check_container(pod, request.query.get("container", ""))
    key = request.namespace, request.name
    if request.resource == LOG:
        return await _serve_log(raw, kubelet.log(key, _log_options(request)))
    command = raw.query.getall("command", [])
    if not command and request.resource == EXEC:
        raise bad_request("you must specify at least 1 command for the container")
    if raw.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request("Upgrade request required: only WebSockets are served")
    if request.resource == PORT_FORWARD:
        return await _serve_port(raw, kubelet, key, _port(request))

    def run(streams: Streams) -> Awaitable[int]:
        if request.resource == ATTACH:
            return kubelet.attach(key, streams)
        return kubelet.execute(key, command, streams)

    return await _serve_streams(raw, run)


def _check_container(pod: Json, name: str) -> None:
    names = [container["name"] for container in pod["spec"]["containers"]]
    if name and name not in names:
        text = f"container {name} is not valid for pod {pod['metadata']['name']}"
        raise bad_request(text)


def _log_options(request: Request) -> LogOptions:
    tail = request.query.get("tailLines", "")
    follow, previous = (
        request.query.get(name) in ("1", "true") for name in ("follow", "previous")
    )
    return LogOptions(follow, int(tail) if tail.isdecimal() else None, previous)


async def _serve_log(
    raw: web.BaseRequest, pieces: AsyncIterator[bytes]
) -> web.StreamResponse:
    first = await anext(pieces)
    response = web.StreamResponse()
    response.content_type = "text/plain"
    response.enable_chunked_encoding()
    await response.prepare(raw)
    await response.write(first)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


async def _serve_streams(
    raw: web.BaseRequest, run: Callable[[Streams], Awaitable[int]]
) -> web.StreamResponse:
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(raw)
    streams = Streams(socket.send_bytes)
    running = asyncio.ensure_future(run(streams))
    reading = asyncio.ensure_future(_read(socket, streams.stdin))
    # a client that closes the connection ends its command
    reading.add_done_callback(lambda _: running.cancel())
    with suppress(asyncio.CancelledError, ConnectionError):
        try:
            status = _status(await running)
        except ApiError as error:
            status = error.status
        await socket.send_bytes(_ERROR + encode(status))
    reading.cancel()
    await socket.close()
    return socket


def _port(request: Request) -> int:
    text = request.query.get("ports", "")
    if not (text.isdecimal() and 0 < int(text[:6]) < 1 << 16):
        raise bad_request('query parameter "ports" must be one port')
    return int(text)


async def _serve_port(
    raw: web.BaseRequest, kubelet: Kubelet, pod: Key, port: int
) -> web.StreamResponse:
    """Carry bytes between a WebSocket and a port of ``pod``."""
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(raw)
    for channel in (_STDIN, _STDOUT):
        await socket.send_bytes(channel + port.to_bytes(2, "little"))
    try:
        reader, writer = await kubelet.connect(pod, port)
    except OSError as error:
        text = f"error forwarding port {port} to pod {pod[1]}: {error.strerror}"
        await socket.send_bytes(_STDOUT + text.encode())
        await socket.close()
        return socket

    async def back() -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                await socket.send_bytes(_STDIN + data)
        await socket.close()

    returning = asyncio.ensure_future(back())
    async for message in socket:
        if message.type is WSMsgType.BINARY and message.data[:1] == _STDIN:
            writer.write(message.data[1:])
    returning.cancel()
    writer.close()
    return socket


async def _read(socket: web.WebSocketResponse, stdin: asyncio.StreamReader) -> None:
    """Feed the frames for the standard input until the connection ends."""
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            continue
        if message.data[:1] == _STDIN:
            stdin.feed_data(message.data[1:])
        elif message.data == _CLOSE + _STDIN:
            stdin.feed_eof()


def _status(number: int) -> Json:
    """Return the Status of a command that ended with ``number``."""
    if not number:
        return {"metadata": {}, "status": "Success"}
    message = f"command terminated with non-zero exit code: exit status {number}"
    cause = {"reason": "ExitCode", "message": str(number)}
    details = {"causes": [cause]}
    return failure(500, message, "NonZeroExitCode", details).status
