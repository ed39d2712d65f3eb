"""``minidns-sim up``: a simulated cluster for kubectl and ``minidns-sim exec``."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TextIO

from aiohttp import web

from ..api import gate
from ..api.status import ApiError
from ..node import commands
from ..node.container import query_lines
from ..node.kind_corefile import HOST
from . import state
from .simulation import Simulation, started
from .state import State

SERVICES = ("kube-dns", "kube-dns-2")
CLIENT_MAX_SIZE = 64 << 10


async def run(out: TextIO, folder: Path) -> None:
    """Run a cluster until cancelled; print its usage to ``out``.

    ``folder`` exists and receives its files.

    Raises:
        NotReady: its DNS servers do not become ready.
        OSError: ``folder`` cannot be written to.

    """
    async with started(folder) as simulation:
        await simulation.ready()
        async with _exec_endpoint(simulation) as reached:
            state.write(folder, reached)
            try:
                for line in _welcome(simulation):
                    print(line, file=out, flush=True)
                await asyncio.Event().wait()
            finally:
                state.remove(folder)


def _welcome(simulation: Simulation) -> Iterator[str]:
    yield f"API server  {simulation.api.url}"
    yield f"kubectl     export KUBECONFIG={simulation.kubeconfig}"
    yield "            kubectl get svc,endpointslices,pods -A"
    for name in SERVICES:
        service = simulation.cluster.get("Service", "kube-system", name)
        for running in simulation.servers(("kube-system", name)):
            ports, log = running.place.ports, simulation.runtime.folder(running.pod)
            yield (
                f"{name:11} {service['spec']['clusterIP']} -> pod {running.address}"
                f" -> {HOST}:{ports.dns}, process {running.pid}, log {log / 'log'}"
            )
            yield f"            minidns why NAME --server http://{HOST}:{ports.explain}"
    yield "look-ups    minidns-sim exec dnsutils -- nslookup google.com"
    yield "            minidns-sim exec app -- getent ahosts kubernetes.default"
    yield "Ctrl-C ends it."


@contextlib.asynccontextmanager
async def _exec_endpoint(simulation: Simulation) -> AsyncIterator[State]:
    """Serve the exec endpoint to local programs with the token."""
    token = secrets.token_urlsafe()

    @web.middleware
    async def checked(
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        host, port = runner.addresses[0][:2]
        try:
            gate.check(
                request.method,
                request.headers,
                request.headers.getall("Host", []),
                url=f"http://{host}:{port}",
            )
        except ApiError as error:
            return web.Response(status=error.code, text=str(error))
        if gate.matching(gate.token_of(request.headers), [token]) is None:
            return web.Response(status=403, text="not the token of this simulation")
        return await handler(request)

    async def handle(request: web.Request) -> web.Response:
        try:
            document = json.loads(await request.read())
            pod, command = str(document["pod"]), list(map(str, document["command"]))
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text="a pod and a command are needed")
        return await _exec(simulation, pod, command)

    app = web.Application(client_max_size=CLIENT_MAX_SIZE, middlewares=[checked])
    app.router.add_post(state.PATH, handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        port = runner.addresses[0][1]
        yield State(os.getpid(), f"http://{HOST}:{port}", token)
    finally:
        await runner.cleanup()


async def _exec(simulation: Simulation, pod: str, command: list[str]) -> web.Response:
    namespace, _, name = pod.rpartition("/")
    try:
        container = simulation.container(namespace or "default", name)
    except (ApiError, LookupError) as error:
        return web.Response(status=404, text=str(error))
    output = await commands.run(container, command)
    return web.json_response(
        {
            "status": output.status,
            "text": output.text,
            "queries": query_lines(output.queries),
        }
    )
