"""The control path: faults, actions and the request log over HTTP, below /sim/.

- GET, POST, DELETE /sim/faults: the switchboard (`Faults`); DELETE heals all
- POST /sim/actions: one `Action`; down and kill take place right after the answer
- GET, DELETE /sim/requests: the log; `?verb=list&resource=services` narrows it
"""

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from .faults import ANY, Action, Faults, Rule
from .objects import decode, encode
from .rbac import User, attributes_of, denial
from .requests import Request
from .status import (
    ApiError,
    bad_request,
    failure,
    invalid,
    no_such_path,
    not_allowed,
)
from .streams import Stream

if TYPE_CHECKING:
    from .http import ApiServer

PREFIX = "/sim/"
ANSWERED_S = 0.05
"""How long the answer takes to get away, at most."""
MESSAGES = {
    401: "Unauthorized",
    410: "too old resource version: 1 (2)",
    429: "too many requests, please try again later",
    500: "Internal error occurred: simulated fault",
    503: "the server is currently unable to handle the request",
    504: "Timeout: the server was unable to return a response in time",
}
"""The usual messages of status codes that faults are made of."""


async def handle(server: "ApiServer", request: Request, body: bytes) -> web.Response:
    """Answer a request of the control path."""
    try:
        result = await _do(server, request, body)
    except (msgspec.DecodeError, ValueError) as error:
        refusal = bad_request(f"cannot read the body: {error}")
        return web.json_response(body=encode(refusal.status), status=400)
    except ApiError as error:
        return web.json_response(body=encode(error.status), status=error.code)
    return web.json_response(body=encode(result))


async def _do(server: "ApiServer", request: Request, body: bytes) -> object:
    """Do what a request of the control path asks; return what to answer."""
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "faults":
            return server.faults
        case "POST", "faults":
            new = decode(body, type=Faults)
            for name in new.__struct_fields__:  # streams hold the one there is
                setattr(server.faults, name, getattr(new, name))
            return server.faults
        case "DELETE", "faults":
            server.faults.clear()
            return server.faults
        case "POST", "actions":
            action = decode(body, type=Action)
            if action.do in ("down", "kill"):  # not before this is answered
                server.act_later(ANSWERED_S, action)
            else:
                await server.act(action)
            return action
        case "GET", "requests":
            query = request.query
            found = server.requests.of(query.get("verb", ""), query.get("resource", ""))
            return {"count": len(found), "requests": [r.to_json() for r in found]}
        case "DELETE", "requests":
            server.requests.clear()
            return {"count": 0, "requests": []}
    raise no_such_path()


async def act(server: "ApiServer", action: Action) -> None:
    """Do one thing to the open watches of a server, or to the server.

    Raises:
        ApiError: there is no snapshot to restore (409).

    """
    chosen = [s for s in server.streams if action.resource in (ANY, s.kind.plural)]
    match action.do:
        case "up":
            await server.up()
        case "down" | "kill":
            await server.down(kill=action.do == "kill")
            if action.for_s:
                server.act_later(action.for_s, Action("up"))
        case "compact":
            server.cluster.compact()
        case "snapshot":
            server.backup = server.cluster.snapshot()
        case "restore":
            if server.backup is None:
                message = "there is no snapshot to restore: make one first"
                raise failure(409, message)
            server.cluster.restore(server.backup)
            for stream in chosen:
                stream.end()
        case _:
            for stream in chosen:
                await act_on(stream, action)


async def act_on(stream: Stream, action: Action) -> None:
    """Do one thing to an open watch."""
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
    """Return the failure that a rule makes of a request."""
    if rule.status == 403 and request.kind is not None and not rule.message:
        return denial(attributes_of(request), user)
    message = rule.message or MESSAGES.get(rule.status, "simulated fault")
    retry = {"retryAfterSeconds": rule.retry_after} if rule.retry_after else None
    return failure(rule.status, message, rule.reason, retry)


def watch_list_refusal(code: int) -> ApiError:
    """Return what a server says that does not know streaming lists."""
    if code != 422:
        return failure(code, "sendInitialEvents is not supported")
    why = (
        "sendInitialEvents is forbidden for watch unless the WatchList feature gate "
        "is enabled"
    )
    cause = not_allowed("sendInitialEvents", why)
    return invalid("ListOptions.meta.k8s.io", "", [cause])
