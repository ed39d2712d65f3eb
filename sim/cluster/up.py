"""``minidns-sim up``: a simulated cluster for kubectl and ``minidns-sim exec``."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from aiohttp import web

from minidns.http import gate

from ..api.status import ApiError
from ..node import commands
from ..node.container import query_lines
from ..node.effects import EFFECTS, usage
from ..node.fault_control import PROXY, PROXY_USAGE, FaultControl
from ..node.kind_corefile import HOST
from ..node.processes import Processes
from . import state
from .simulation import NotReady as NotReady
from .simulation import Simulation, started
from .state import State

SERVICES = ("kube-dns", "kube-dns-2")
CLIENT_MAX_SIZE = 64 << 10


async def run(
    out: TextIO, folder: Path, processes: Processes, coredns: Path | None = None
) -> None:
    """Run a cluster until cancelled; print its usage to ``out``.

    ``folder`` exists and receives its files; ``processes`` start servers; ``coredns``
    is the program of the pods of kube-dns, if that is not minidns.

    Raises:
        NotReady: its DNS servers do not become ready.
        OSError: ``folder`` cannot be written to.

    """
    async with started(folder, coredns=coredns, processes=processes) as simulation:
        await simulation.ready()
        async with _control_endpoint(simulation) as reached:
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
            if running.is_minidns:
                where = f"http://{HOST}:{ports.explain}"
                yield f"            minidns why NAME --server {where}"
    yield "look-ups    minidns-sim exec dnsutils -- nslookup google.com"
    yield "            minidns-sim exec app -- getent ahosts kubernetes.default"
    yield "faults      minidns-sim fault add 'lose 1/10 link app>node'"
    yield "Ctrl-C ends it."


@contextlib.asynccontextmanager
async def _control_endpoint(simulation: Simulation) -> AsyncIterator[State]:
    """Serve commands and faults to local programs with the token."""
    token = secrets.token_urlsafe()
    guard = gate.guard(token, "not the token of this simulation")
    app = web.Application(client_max_size=CLIENT_MAX_SIZE, middlewares=[guard])
    app.router.add_post(state.EXEC, partial(_exec, simulation))
    for method in ("GET", "POST", "DELETE"):
        app.router.add_route(method, state.FAULTS, partial(_faults, simulation.faults))
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        port = runner.addresses[0][1]
        yield State(os.getpid(), f"http://{HOST}:{port}", token)
    finally:
        await runner.cleanup()


async def _exec(simulation: Simulation, request: web.Request) -> web.Response:
    """Run a command in a pod."""
    try:
        document = json.loads(await request.read())
        pod, command = str(document["pod"]), list(map(str, document["command"]))
    except (ValueError, KeyError, TypeError):
        return web.Response(status=400, text="a pod and a command are needed")
    namespace, _, name = pod.rpartition("/")
    try:
        container = simulation.container(namespace or "default", name)
    except ApiError as error:
        pods = (each["metadata"] for each in simulation.cluster.list("Pod"))
        known = ", ".join(f"{each['namespace']}/{each['name']}" for each in pods)
        return web.Response(status=404, text=f"{error}; there are: {known}")
    except LookupError as error:
        return web.Response(status=404, text=str(error))
    output = await commands.run(container, command)
    return web.json_response(
        {
            "status": output.status,
            "text": output.text,
            "queries": query_lines(output.queries),
        }
    )


async def _faults(control: FaultControl, request: web.Request) -> web.Response:
    """List the faults, add one, or remove one or all."""
    words: list[str] = []
    if request.method != "GET":
        try:
            words = list(map(str, json.loads(await request.read())["words"]))
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text="the words of a fault are needed")
    try:
        match request.method:
            case "POST":
                control.add(words)
            case "DELETE":
                control.clear(" ".join(words))
    except ValueError as error:
        return web.Response(status=400, text=f"{error}{_usage(words)}")
    active = [{"fault": fault.text, "hits": fault.hits} for fault in control.active()]
    return web.json_response({"faults": active})


def _usage(words: list[str]) -> str:
    """Return the usage of the fault that ``words`` begin with, in brackets."""
    if words[:1] == [PROXY]:
        return f" (usage: {PROXY} {PROXY_USAGE})"
    if words and words[0] in EFFECTS:
        return f" (usage: {words[0]} {usage(words[0])})"
    return " (usage: FAULT [WORD]..., of docs/scenarios.md, or proxy WORD VALUE...)"
