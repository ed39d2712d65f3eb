"""The control path: faults, actions and the request log over HTTP, below /sim/.

- GET, POST, DELETE /sim/faults: the active `Faults`; DELETE removes all of them
- POST /sim/actions: one `Action`; down and kill are carried out after the response
- GET, DELETE /sim/requests: the log; `?verb=list&resource=services` filters it
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from .faults import ANY, Action, Faults, Rule
from .objects import decode, encode
from .rbac import User, attributes_of, denial
from .requests import Request, RequestLog
from .server import ClusterApi
from .status import (
    ApiError,
    bad_request,
    failure,
    invalid,
    no_such_path,
    not_allowed,
)
from .store import Snapshot
from .streams import Stream

PREFIX = "/sim/"
RESPONSE_S = 0.05
"""Seconds until down and kill are carried out: the response is sent by then."""
MESSAGES = {
    401: "Unauthorized",
    410: "too old resource version: 1 (2)",
    429: "too many requests, please try again later",
    500: "Internal error occurred: simulated fault",
    503: "the server is currently unable to handle the request",
    504: "Timeout: the server was unable to return a response in time",
}
"""The message of each status code, where a fault names none."""


class Control:
    """The faults, open watches and request log of one server, and the actions on them.

    ``up`` and ``down`` start and stop the listener of the server; `down` takes whether
    connections are reset.
    """

    def __init__(
        self,
        cluster: ClusterApi,
        up: Callable[[], Awaitable[None]],
        down: Callable[[bool], Awaitable[None]],
    ) -> None:
        self.faults = Faults()
        self.requests = RequestLog()
        self.streams: set[Stream] = set()
        """The open watches."""
        self._cluster = cluster
        self._up = up
        self._down = down
        self._backup: Snapshot | None = None
        """The state that the action restore goes back to."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Cancel the actions that are still due."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle(self, request: Request, body: bytes) -> web.Response:
        """Answer a request of the control path."""
        try:
            result = await self._result(request, body)
        except (msgspec.DecodeError, ValueError) as error:
            refusal = bad_request(f"cannot read the body: {error}")
            return web.json_response(body=encode(refusal.status), status=400)
        except ApiError as error:
            return web.json_response(body=encode(error.status), status=error.code)
        return web.json_response(body=encode(result))

    async def _result(self, request: Request, body: bytes) -> object:
        """Carry out a request of the control path; return the response's value."""
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "faults":
                return self.faults
            case "POST", "faults":
                self.faults.replace(decode(body, type=Faults))
                return self.faults
            case "DELETE", "faults":
                self.faults.clear()
                return self.faults
            case "POST", "actions":
                action = decode(body, type=Action)
                if action.do in ("down", "kill"):  # the response is sent first
                    self._act_later(RESPONSE_S, action)
                else:
                    await self.act(action)
                return action
            case "GET", "requests":
                query = request.query
                verb, resource = query.get("verb", ""), query.get("resource", "")
                matches = self.requests.of(verb, resource)
                requests = [match.to_json() for match in matches]
                return {"count": len(requests), "requests": requests}
            case "DELETE", "requests":
                self.requests.clear()
                return {"count": 0, "requests": []}
        raise no_such_path()

    async def act(self, action: Action) -> None:
        """Carry out an action on the open watches or on the server.

        Raises:
            ApiError: there is no snapshot to restore (409).

        """
        streams = [s for s in self.streams if action.resource in (ANY, s.kind.plural)]
        match action.do:
            case "up":
                await self._up()
            case "down" | "kill":
                await self._down(action.do == "kill")
                if action.for_s:
                    self._act_later(action.for_s, Action("up"))
            case "compact":
                self._cluster.compact()
            case "snapshot":
                self._backup = self._cluster.snapshot()
            case "restore":
                if self._backup is None:
                    message = "there is no snapshot to restore: make one first"
                    raise failure(409, message)
                self._cluster.restore(self._backup)
                for stream in streams:
                    stream.end()
            case _:
                for stream in streams:
                    await _act_on(stream, action)

    def _act_later(self, after_s: float, action: Action) -> None:
        async def act() -> None:
            await asyncio.sleep(after_s)
            await self.act(action)

        task = asyncio.create_task(act())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _act_on(stream: Stream, action: Action) -> None:
    """Carry out an action on an open watch."""
    match action.do:
        case "close":
            stream.end()
        case "reset":
            stream.reset()
        case "freeze":
            stream.freeze()
        case "thaw":
            stream.thaw()
        case "cut":
            stream.cut()
        case "send":
            await stream.send(action.lines)
        case "replay" | "shuffle":
            newest_first = action.do == "shuffle"
            await stream.replay(action.count, newest_first=newest_first)
        case "error":
            message = action.message or MESSAGES.get(action.status, "")
            await stream.fail(failure(action.status, message, action.reason).status)


def error_of(rule: Rule, request: Request, user: User) -> ApiError:
    """Return the error that ``rule`` answers ``request`` with."""
    if rule.status == 403 and request.kind is not None and not rule.message:
        return denial(attributes_of(request), user)
    message = rule.message or MESSAGES.get(rule.status, "simulated fault")
    retry = {"retryAfterSeconds": rule.retry_after} if rule.retry_after else None
    return failure(rule.status, message, rule.reason, retry)


def watch_list_refusal(code: int) -> ApiError:
    """Return the error of a server without streaming lists."""
    if code != 422:
        return failure(code, "sendInitialEvents is not supported")
    why = (
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate "
        "is enabled"
    )
    cause = not_allowed("sendInitialEvents", why)
    return invalid("ListOptions.meta.k8s.io", "", [cause])
