"""A server run from start to end, and everything it was seen to do."""

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import dns.asyncquery
import dns.message
import dns.name

from sim.api.http import ApiServer
from sim.controllers.cluster import Cluster
from tests.process import free_port

HERE, CLIENT = "127.0.0.1", "127.0.0.77"
TOKEN = "s3cr3t-token-of-nobody"
DEADLINE_S = 60.0

HOSTILE = {
    "new line": b"a\n[INFO] all is well",
    "escape": b"\x1b[31mred\x1b[0m",
    "quotes": b'"; drop',
    "not ascii": b"\xff\xfe\xc2\x85",
    "backslash": b"\\n",
    "long": b"x" * 63,
}
UNUSUAL = ("/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/config", "/quit", "/")

COREFILE = """\
.:{dns} {{
    bind {here}
    errors
    log
    debug
    health {here}:{health}
    ready {here}:{ready}
    kubernetes cluster.local {{
        kubeconfig {kubeconfig} sim
    }}
    prometheus {here}:{metrics}
    forward . {here}:{upstream}
}}
"""


@dataclass
class Evidence:
    """Observations of a process from start to end."""

    ports: dict[str, int] = field(default_factory=dict)
    listening: set[tuple[str, str, int]] = field(default_factory=set)
    pages: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    why: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    metrics: str = ""
    log: str = ""
    errors: str = ""
    status: int | None = None


def sockets(pid: int) -> set[tuple[str, str, int]]:
    """Return what a process listens on: protocol, address, port.

    A descriptor that the process closes while the folder is read is left out: it does not
    listen any more.
    """
    inodes = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if found := re.match(r"socket:\[(\d+)\]", str(path.readlink())):
                inodes.add(found[1])
    return {
        (protocol, address, port)
        for protocol, state in (("tcp", "0A"), ("udp", "07"))
        for address, port, inode in _table(protocol, state)
        if inode in inodes
    }


def _table(protocol: str, state: str) -> Iterator[tuple[str, int, str]]:
    for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == state:
            address, port = fields[1].split(":")
            raw = bytes.fromhex(address)[::-1]
            yield socket.inet_ntoa(raw), int(port, 16), fields[9]


def question(label: bytes) -> dns.message.Message:
    labels = (label, b"default", b"svc", b"cluster", b"local", b"")
    return dns.message.make_query(dns.name.Name(labels), "A")


async def collected(folder: Path) -> Evidence:
    """Run a server, ask it everything, end it."""
    seen = Evidence()
    names = ("dns", "health", "ready", "metrics", "explain", "upstream")
    seen.ports = {name: free_port() for name in names}
    async with ApiServer(Cluster(), tokens={TOKEN: "kubernetes-admin"}) as api:
        kubeconfig = api.kubeconfig(folder / "kubeconfig", TOKEN)
        text = COREFILE.format(here=HERE, kubeconfig=kubeconfig, **seen.ports)
        (folder / "Corefile").write_text(text)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-B", "-X", "dev", "-W", "error", "-m", "minidns"),
            *("-conf", str(folder / "Corefile")),
            *("-explain", f"{HERE}:{seen.ports['explain']}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await _ask(seen, process)
            process.terminate()
            out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    seen.log, seen.errors = out.decode(), err.decode()
    seen.status = process.returncode
    return seen


async def _ask(seen: Evidence, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession() as session:
        await _ready(session, seen.ports["ready"], process)
        for label in HOSTILE.values():
            await dns.asyncquery.udp(question(label), HERE, DEADLINE_S, seen.ports["dns"], source=CLIENT)
        for name in ("health", "ready", "metrics", "explain"):
            for path in UNUSUAL:
                async with session.get(f"http://{HERE}:{seen.ports[name]}{path}") as got:
                    seen.pages[name, path] = got.status, await got.text()
        await _ask_why(seen, session)
        seen.listening = sockets(process.pid)  # every endpoint has answered by now
        async with session.get(f"http://{HERE}:{seen.ports['metrics']}/metrics") as got:
            seen.metrics = await got.text()


async def _ready(session: aiohttp.ClientSession, port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while process.returncode is None:
            try:
                async with session.get(f"http://{HERE}:{port}/ready") as got:
                    if got.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)
    assert process.stderr is not None
    raise AssertionError((await process.stderr.read()).decode())


async def _ask_why(seen: Evidence, session: aiohttp.ClientSession) -> None:
    url = f"http://{HERE}:{seen.ports['explain']}/why?name=kubernetes.default.svc.cluster.local"
    asked = {
        "plain": ("GET", {}),
        "other host": ("GET", {"Host": "evil.example.org"}),
        "other origin": ("GET", {"Origin": "http://evil.example.org"}),
        "post": ("POST", {}),
    }
    for name, (method, headers) in asked.items():
        async with session.request(method, url, headers=headers) as got:
            seen.why[name] = got.status, dict(got.headers)
