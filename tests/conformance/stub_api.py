"""The same API server over HTTP: as much of LIST and WATCH as a cluster DNS needs.

Whoever starts it may change objects, refuse kinds, cut watches, and take it away.
"""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import web

from minidns.kubernetes.resources import IMPORTS, NAMESPACES, PODS, SERVICES, SLICES, Resource
from tests.conformance.api import Api, Tree, told, wanted

RESOURCES = (SERVICES, SLICES, NAMESPACES, replace(PODS, field_selector=""), IMPORTS)
HOST = "127.0.0.1"


def status(code: int, reason: str, message: str) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }
    return web.json_response(body, status=code)


class StubApi:
    """Serves ``api``."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.forbidden: set[str] = set()
        """Plurals that nobody may list."""
        self.granted: set[str] = set()
        """The only namespaces that there are Roles in; empty for a ClusterRole."""
        self._open: dict[int, web.Request] = {}

    def drop_watches(self) -> None:
        """Cut every watch that is open."""
        for request in self._open.values():
            if request.transport is not None:
                request.transport.abort()

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Listen at ``port`` meanwhile."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._get)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        try:
            yield
        finally:
            self.drop_watches()
            await runner.cleanup()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        inside = re.fullmatch(r"(.+)/namespaces/([^/]+)(/.+)", request.path)
        namespace = inside[2] if inside else ""
        path = inside[1] + inside[3] if inside else request.path
        found = next((each for each in RESOURCES if each.path == path), None)
        if found is None:
            return status(404, "NotFound", "the server could not find the resource")
        if self.granted and namespace not in self.granted:
            where = f'in the namespace "{namespace}"' if inside else "at cluster scope"
            text = f'{found.plural} is forbidden: User "x" cannot list resource'
            return status(403, "Forbidden", f'{text} "{found.plural}" {where}')
        query = request.query
        resource = replace(
            found,
            namespace=namespace,
            label_selector=query.get("labelSelector", ""),
            field_selector=query.get("fieldSelector", ""),
        )
        if found.plural in self.forbidden:
            text = f'{found.plural} is forbidden: User "x" cannot list resource'
            return status(403, "Forbidden", f'{text} "{found.plural}"')
        if query.get("sendInitialEvents") == "true":
            return status(422, "Invalid", "sendInitialEvents is forbidden")
        if query.get("watch") in ("1", "true"):
            return await self._watch(request, resource)
        return self._list(request, resource)

    def _list(self, request: web.Request, resource: Resource) -> web.Response:
        items = [tree for tree in self.api.trees.values() if wanted(tree, resource)]
        meta: Tree = {"resourceVersion": str(self.api.version)}
        limit = int(request.query.get("limit", 0))
        # as with the real one, a limit does not count at version 0
        if limit and request.query.get("resourceVersion") != "0":
            start = int(request.query.get("continue", 0))
            if start + limit < len(items):
                meta["continue"] = str(start + limit)
            items = items[start : start + limit]
        kind = resource.kind.__name__
        body = {"kind": f"{kind}List", "metadata": meta, "items": items}
        return web.json_response(body)

    async def _watch(self, request: web.Request, resource: Resource) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        self._open[id(request)] = request
        version = int(request.query.get("resourceVersion", 0))
        try:
            async for change in self.api.since(version):
                if event := told(change, resource):
                    line = {"type": event[0], "object": event[1]}
                    await response.write(json.dumps(line).encode() + b"\n")
        except ConnectionError:
            pass
        finally:
            del self._open[id(request)]
        return response
