"""The web server of the page: on loopback, for one user, by a token in the URL.

Paths: ``/`` and ``/walk`` are the page, without and with a walk; with ``part=walk`` the
walk alone, with ``part=json`` its JSON form. ``fault``, which may be repeated, names
the faults of the walk: an address without one is a walk without faults. ``/events`` is
a stream of server-sent events, ``/do/NAME`` carries out an action of the source,
``/hello`` says that the server is there.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from minidns.http import gate
from minidns.text.arguments import Parser
from minidns.walk.steps import Walk
from minidns.web import page
from minidns.web.picture import sides
from minidns.web.source import Asked, Events, Source, Wrong

HOST = "127.0.0.1"
PORT = 8765
MAX_BODY = 64 << 10
MAX_PENDING = 10_000
"""limit: events that a page has not read yet; then it has to connect again."""
BEAT_S = 15.0
"""Seconds between signs of life of a stream without events."""
NO_ACCESS = (
    "The token is missing or wrong: open the URL that the command printed when it"
    " started."
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_port(parser: Parser) -> None:
    """Add the option for the port of the page."""
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        metavar="N",
        help="port on loopback; 0 takes a free one",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:6]) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{text}: a port from 0 to 65535 is needed")
    return int(text)


async def serve(source: Source, events: Events, token: str, port: int) -> None:
    """Serve the page and print its URL, until cancelled.

    Raises:
        OSError: the port cannot be used.

    """
    async with PageServer(source, events, token).serving(HOST, port) as url:
        print(f"Open {url}", flush=True)
        print("Ctrl-C ends it.", flush=True)
        await asyncio.Event().wait()


class PageServer:
    """Serves the page of one source."""

    def __init__(self, source: Source, events: Events, token: str) -> None:
        """Serve ``source``, whose ``events`` go to all open pages."""
        self._source = source
        self._events = events
        self._token = token
        self._run = secrets.token_hex(4)
        """Differs after a restart, so that an open page notices one."""
        self._closing = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serving(self, host: str = HOST, port: int = PORT) -> AsyncIterator[str]:
        """Serve until the end of the block; yield the URL with the token.

        Raises:
            OSError: the address cannot be used.

        """
        guard = gate.guard(self._token, NO_ACCESS)
        app = web.Application(client_max_size=MAX_BODY, middlewares=[guard, _plain])
        app.router.add_get("/", self._page)
        app.router.add_get("/walk", self._page)
        app.router.add_get("/events", self._stream)
        app.router.add_get("/hello", self._hello)
        app.router.add_post("/do/{name}", self._do)
        runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:  # its own words quote a tuple
                number = error.errno or 0
                place = f"{host}:{port}"
                raise OSError(number, os.strerror(number), place) from None
            bound = runner.addresses[0][1]
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{bound}/?token={self._token}"
        finally:
            self._closing.set()
            await runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        asked = Asked(*(request.query.get(field, "") for field in Asked._fields))
        faults = list(filter(None, request.query.getall("fault", ())))
        walks: tuple[Walk, ...] = ()
        wrong = ""
        if request.path == "/walk":
            try:
                await self._source.set_faults(faults)
                walks = tuple(await self._source.walks(asked))
            except Wrong as error:
                wrong = str(error)
        match request.query.get("part"):
            case "walk" | "json" if wrong:
                return web.Response(status=404, text=wrong, headers=_HEADERS)
            case "json":
                document = {"walks": [walk.to_json() for walk in walks]}
                return web.json_response(document, headers=_HEADERS)
            case "walk":
                return _html(sides(walks))
        choices = await self._source.choices()
        active = [each["fault"] for each in self._source.state().get("faults", ())]
        shown = page.Shown(asked, walks, wrong, active)
        html, policy = page.document(choices, shown, self._token)
        return _html(html, 404 if wrong else 200, policy)

    async def _hello(self, request: web.Request) -> web.Response:
        return web.json_response(self._run, headers=_HEADERS)

    async def _do(self, request: web.Request) -> web.Response:
        action = self._source.actions.get(request.match_info["name"])
        if action is None:
            known = ", ".join(self._source.actions) or "none: it is read only"
            raise Wrong(f"The page cannot do that; what it can do: {known}")
        try:
            document = await request.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Wrong("The body of the request is not a JSON object")
        return web.json_response(dict(await action(document)), headers=_HEADERS)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Send events until the page or the server closes."""
        headers = {**_HEADERS, "Content-Type": "text/event-stream"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        pending: asyncio.Queue[tuple[str, Any]] = asyncio.Queue(MAX_PENDING)

        def put(name: str, value: Any) -> None:  # noqa: ANN401  # JSON
            if not pending.full():
                pending.put_nowait((name, value))

        self._events.subscribers.append(put)
        try:
            for name, value in {"hello": self._run, **self._source.state()}.items():
                put(name, value)
            await self._send_events(response, pending)
        except ConnectionError:
            pass  # the page was closed
        finally:
            self._events.subscribers.remove(put)
        return response

    async def _send_events(
        self, response: web.StreamResponse, pending: "asyncio.Queue[tuple[str, Any]]"
    ) -> None:
        loop = asyncio.get_running_loop()
        closing = loop.create_task(self._closing.wait())
        try:
            while not self._closing.is_set() and not pending.full():
                event = loop.create_task(pending.get())
                await asyncio.wait(
                    (event, closing),
                    timeout=BEAT_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not event.done():
                    event.cancel()
                    await response.write(b": alive\n\n")
                    continue
                name, value = event.result()
                text = f"event: {name}\ndata: {json.dumps(value)}\n\n"
                await response.write(text.encode())
        finally:
            closing.cancel()


@web.middleware
async def _plain(request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401
    """Answer an error with one line of text."""
    try:
        response: web.StreamResponse = await handler(request)
    except Wrong as error:
        return web.Response(status=400, text=str(error), headers=_HEADERS)
    except web.HTTPException as error:
        text = f"{error.status} {error.reason}: the page is at /"
        return web.Response(status=error.status, text=text, headers=_HEADERS)
    return response


def _html(text: str, status: int = 200, policy: str = "") -> web.Response:
    headers = _HEADERS | ({"Content-Security-Policy": policy} if policy else {})
    return web.Response(
        status=status, text=text, content_type="text/html", headers=headers
    )
