"""Objects of any kind as plain JSON: read, list, create, patch, delete.

Commands use this; the server reads typed objects by reflectors.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientWebSocketResponse,
    WSServerHandshakeError,
)

from minidns.kubernetes import decode
from minidns.kubernetes.exec import RemoteProcess, attach_path, exec_path
from minidns.kubernetes.list_watch import cause
from minidns.kubernetes.port_forward import ForwardedPort, port_forward_path
from minidns.kubernetes.resources import ApiError

Json: TypeAlias = dict[str, Any]
T = TypeVar("T")

PAGE = 250
"""Objects per page of a LIST."""
MANAGER = "minidns"
"""The owner of the fields that minidns writes (metadata.managedFields)."""
MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"
RESTARTS = 3
"""The number of attempts of a LIST whose token expires."""
BUSY_TRIES = 5
"""The number of attempts of a request that is answered with 429."""
DEADLINE_S = 30.0


class Refused(ApiError):
    """The API server refused a request; ``str()`` is its message."""

    def __init__(self, text: str, status: int, reason: str) -> None:
        super().__init__(text, status=status)
        self.reason = reason
        """NotFound, AlreadyExists, Conflict, Forbidden, Invalid and so on."""


class Sender(Protocol):
    """The sender of requests, see ``client.Connection``."""

    server: str
    """URL of the API server, for people."""

    async def send(
        self, method: str, path: str, body: object = None, style: str = JSON
    ) -> ClientResponse:
        """Return the response to a request as soon as its headers have arrived."""
        ...

    def stream(self, path: str) -> AbstractAsyncContextManager[ClientWebSocketResponse]:
        """Open a WebSocket at ``path``, whose binary frames have channels."""
        ...


class Documents:
    """The objects behind one connection, by their paths.

    Raises everywhere:
        Refused: the server refused the request.
        ApiError: there is no response, or an unreadable one.

    """

    def __init__(self, sender: Sender, deadline_s: float = DEADLINE_S) -> None:
        self.server = sender.server
        self.warnings: list[str] = []
        """Warnings of the server about writes, without duplicates."""
        self._sender = sender
        self._deadline_s = deadline_s

    async def get(self, path: str) -> Json:
        """Return an object."""
        return await self._ask("GET", path)

    async def text(self, path: str) -> str:
        """Return what is at a path that has no object, such as a proxy's."""
        return (await self._raw("GET", path)).decode("utf-8", "replace")

    async def lines(self, path: str) -> AsyncIterator[str]:
        """Yield the lines at a path, such as a log that is followed, as they come."""
        try:
            response = await self._sender.send("GET", path)
            async with response:
                if response.status >= 300:
                    raise _refused(response.status, await response.read())
                async for line in response.content:
                    yield line.decode("utf-8", "replace").rstrip("\n")
        except ValueError as error:  # a line is longer than aiohttp's limit
            raise ApiError(f"{path}: a line is too long") from error
        except (ClientError, OSError) as error:
            raise ApiError(f"{self.server} broke off: {cause(error)}") from error

    async def find(self, path: str) -> Json | None:
        """Return an object, or None if there is none, or no such kind."""
        try:
            return await self.get(path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    async def list_objects(self, path: str, *, labels: str = "") -> list[Json]:
        """Return the objects of a collection; see ``read_objects``."""
        return await self.read_objects(path, lambda obj: obj, labels=labels)

    async def read_objects(
        self, path: str, read: Callable[[Json], T], *, labels: str = ""
    ) -> list[T]:
        """Return the results of ``read`` for the objects of a collection, page by page.

        The objects have kind and apiVersion, though a LIST leaves them out.
        """
        for _ in range(RESTARTS):
            try:
                return await self._pages(path, read, labels)
            except Refused as refused:
                if refused.status != 410:
                    raise
        raise ApiError(f"cannot list {path}: it changes faster than it can be read")

    async def create(self, path: str, obj: Json, *, dry_run: bool = False) -> Json:
        """Create an object in a collection; Refused with 409 if its name is taken."""
        return await self._ask("POST", _written(path, dry_run), obj)

    async def patch(self, path: str, patch: Json, *, dry_run: bool = False) -> Json:
        """Change an object by a merge patch (RFC 7386), and return it.

        With metadata.resourceVersion in it only at that version (else 409).
        """
        return await self._ask("PATCH", _written(path, dry_run), patch, MERGE_PATCH)

    async def delete(self, path: str, obj: Json, *, dry_run: bool = False) -> None:
        """Delete ``obj`` if it is still the same: by its uid and version."""
        meta = obj["metadata"]
        conditions = {name: meta[name] for name in ("uid", "resourceVersion")}
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": conditions,
            "propagationPolicy": "Background",
            **({"dryRun": ["All"]} if dry_run else {}),
        }
        await self._ask("DELETE", path, options)

    async def run(self, pod: str, container: str, command: Iterable[str]) -> str:
        """Run a command in a container of the pod at path ``pod``; return its stdout.

        Raises:
            ApiError: the command failed, or cannot be started.

        """
        path = exec_path(pod, container, command)
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                self._process(path, pod) as running,
            ):
                stdout = b"".join([piece async for piece in running.output()])
        except TimeoutError as error:
            raise ApiError(
                f"{pod}: the command did not end in {self._deadline_s:g} s"
            ) from error
        return stdout.decode("utf-8", "replace")

    def attach(
        self, pod: str, container: str
    ) -> AbstractAsyncContextManager[RemoteProcess]:
        """Join the program of a container of the pod at path ``pod``.

        Raises:
            Refused: the server does not allow it.
            ApiError: the connection breaks off.

        """
        return self._process(attach_path(pod, container), pod)

    @asynccontextmanager
    async def port(self, pod: str, port: int) -> AsyncIterator[ForwardedPort]:
        """Connect to a TCP port of the pod at path ``pod``.

        Raises:
            Refused: the server does not allow it.
            ApiError: the connection breaks off.

        """
        async with self._socket(port_forward_path(pod, port), pod) as socket:
            yield ForwardedPort(socket, pod)

    @asynccontextmanager
    async def _process(self, path: str, pod: str) -> AsyncIterator[RemoteProcess]:
        async with self._socket(path, pod) as socket:
            yield RemoteProcess(socket, pod)

    @asynccontextmanager
    async def _socket(
        self, path: str, pod: str
    ) -> AsyncIterator[ClientWebSocketResponse]:
        what = path.partition("?")[0].rpartition("/")[2]
        try:
            async with self._sender.stream(path) as socket:
                yield socket
        except WSServerHandshakeError as error:
            text = f"{what} in {pod} is refused ({error.status})"
            raise Refused(text, error.status, "") from error
        except (ClientError, OSError) as error:
            raise ApiError(f"{self.server} broke off: {cause(error)}") from error

    async def _pages(
        self, path: str, read: Callable[[Json], T], labels: str
    ) -> list[T]:
        results: list[T] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            page = await self._ask("GET", f"{path}?{urlencode(query)}")
            kind = str(page.get("kind", "")).removesuffix("List")
            head = {"apiVersion": page.get("apiVersion", ""), "kind": kind}
            try:
                results += [read({**head, **item}) for item in page.get("items") or ()]
                query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            except (AttributeError, KeyError, TypeError) as error:
                raise ApiError(f"the list of {path} cannot be read") from error
            if not query["continue"]:
                return results

    async def _ask(
        self, method: str, path: str, body: object = None, style: str = JSON
    ) -> Json:
        raw = await self._raw(method, path, body, style)
        try:
            read: Json = msgspec.json.decode(raw, type=dict)
        except decode.UNREADABLE as error:
            text = decode.why_unreadable(error)
            raise ApiError(f"the answer cannot be read: {text}") from error
        return read

    async def _raw(
        self, method: str, path: str, body: object = None, style: str = JSON
    ) -> bytes:
        """Return the body of the answer to a request that is not refused."""
        try:
            async with asyncio.timeout(self._deadline_s):
                status, remarks, raw = await self._answer(method, path, body, style)
        except TimeoutError as error:
            text = f"no complete answer from {self.server} in {self._deadline_s:g} s"
            raise ApiError(text) from error
        except (ClientError, OSError) as error:
            raise ApiError(f"{self.server} broke off: {cause(error)}") from error
        self._remark(remarks)
        if status >= 300:
            raise _refused(status, raw)
        return raw

    async def _answer(
        self, method: str, path: str, body: object, style: str
    ) -> tuple[int, list[str], bytes]:
        """Return status, warnings and body of an answer other than 429, if any is."""
        for left in reversed(range(BUSY_TRIES)):
            response = await self._sender.send(method, path, body, style)
            async with response:
                raw = await response.read()
            if response.status != 429 or not left:
                break
            await asyncio.sleep(_seconds(response.headers.get("Retry-After", "")))
        return response.status, response.headers.getall("Warning", []), raw

    def _remark(self, warnings: Iterable[str]) -> None:
        for warning in warnings:  # each 299 - "text" (RFC 7234 5.5)
            text = decode.printable(warning.partition('"')[2].rstrip('"'))
            if text and text not in self.warnings:
                self.warnings.append(text)


def _written(path: str, dry_run: bool) -> str:
    query = {"fieldManager": MANAGER} | ({"dryRun": "All"} if dry_run else {})
    return f"{path}?{urlencode(query)}"


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), 10.0) if retry_after.isdecimal() else 1.0


def _refused(status: int, raw: bytes) -> Refused:
    failure = decode.status(raw)
    text = failure.message or raw[: decode.MOST_TEXT].decode("utf-8", "replace")
    text = decode.printable(text.strip() or f"HTTP {status}", most=1000)
    return Refused(text, status, failure.reason or "")
