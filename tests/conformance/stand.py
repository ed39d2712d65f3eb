"""A test stand on loopback: API server, upstream, and the server under test.

The server is any command that can be started as ``COMMAND -conf FILE`` and opens the
ready endpoint its Corefile names.
"""

import asyncio
import json
import subprocess
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.message

from tests.conformance.api import Api
from tests.conformance.cases import Setting, objects
from tests.conformance.sockets import HOST, ask_udp, forwarding_to
from tests.conformance.stub_api import StubApi

API_PORT, UPSTREAM_PORT, FIRST_PORT = 18080, 15353, 20000
LISTED, UNLISTED = "10.244.9.53", "10.244.9.99"
"""Addresses of the machine: one that is in a slice of kube-dns, one in none."""
PATIENCE_S = 20.0
STOP_S = 3.0

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "stub", "cluster": {"server": f"http://{HOST}:{API_PORT}"}}],
    "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
    "users": [{"name": "stub", "user": {}}],
    "current-context": "stub",
}


class NotStarted(Exception):
    """The server under test did not become ready."""


@dataclass
class Server:
    """The server under test, running."""

    port: int
    output: list[str] = field(default_factory=list)
    ready_port: int = 0
    """The one after ``port`` when not given."""

    def ready(self) -> int:
        """Return the HTTP status of its ready endpoint, 0 when it is not open."""
        url = f"http://{HOST}:{self.ready_port or self.port + 1}/ready"
        try:
            with urllib.request.urlopen(url, timeout=1) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    async def answers(self) -> bool:
        """Return whether its port is open."""
        query = dns.message.make_query("cluster.local.", "SOA").to_wire()
        try:
            return bool(await ask_udp(self.port, query, 0.3))
        except OSError:
            return False


class Stand:
    """API server and upstream at work, and servers started one after the other."""

    def __init__(self, command: Sequence[str], work: Path) -> None:
        self.api = Api(objects())
        self.stub = StubApi(self.api)
        self._command = command
        self._work = work
        self._port = FIRST_PORT
        self._api_up = AsyncExitStack()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Stand"]:
        """Run API server and upstream meanwhile."""
        (self._work / "kubeconfig").write_text(json.dumps(KUBECONFIG))
        async with forwarding_to(UPSTREAM_PORT), self._api_up:
            await self.api_comes()
            yield self

    async def api_goes(self) -> None:
        """Let the API server refuse connections."""
        await self._api_up.aclose()

    async def api_comes(self) -> None:
        """Let it accept them again."""
        await self._api_up.enter_async_context(self.stub.serving(API_PORT))

    @asynccontextmanager
    async def server(self, setting: Setting, *, wait: bool = True) -> AsyncIterator[Server]:
        """Run the server under test meanwhile.

        Raises:
            NotStarted: it ended, or did not become ready in time.

        """
        self._port += 10
        server = Server(self._port)
        path = self._work / f"Corefile.{self._port}"
        kubernetes = f"kubeconfig {self._work}/kubeconfig stub"
        ready = f"ready {HOST}:{self._port + 1}"
        upstream = f"{HOST}:{UPSTREAM_PORT}"
        path.write_text(setting.corefile(self._port, upstream, kubernetes, ready))
        process = await asyncio.create_subprocess_exec(*self._command, "-conf", str(path), stdout=PIPE, stderr=STDOUT)
        reading = asyncio.ensure_future(_read(process, server))
        try:
            if wait:
                await self._until_ready(server, process)
            yield server
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
            await reading

    async def _until_ready(self, server: Server, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_S
        while loop.time() < end and process.returncode is None:
            ready = await asyncio.to_thread(server.ready)
            if ready == 200 and await server.answers():
                return
            await asyncio.sleep(0.05)
        raise NotStarted(" | ".join(server.output[-5:]))


async def _read(process: asyncio.subprocess.Process, server: Server) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        server.output.append(line.decode(errors="replace").rstrip())


@asynccontextmanager
async def addressed(address: str) -> AsyncIterator[None]:
    """Give the machine ``address`` meanwhile; for a network namespace of its own."""
    change = ["ip", "addr", "add", f"{address}/32", "dev", "lo"]
    await asyncio.to_thread(subprocess.run, change, check=True)
    try:
        yield
    finally:
        change[2] = "del"
        await asyncio.to_thread(subprocess.run, change, check=True)
