"""What a server under attack stands in: an API server with objects, an upstream.

Both run in threads of the test's process, so that a server is a process of its own and
whoever attacks it may be as synchronous as an attacker is.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from sim.api.faults import Action
from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests.conformance.cases import objects
from tests.process import DEADLINE_S, free_port

T = TypeVar("T")

HOST = "127.0.0.1"
GOOD = "web.conf-a.svc.cluster.local."
GOOD_ADDRESS = "10.96.100.10"
OUTSIDE = "www.example.org."
OUTSIDE_ADDRESS = "192.0.2.80"
SLOW = "slow.example.org."
"""A name that the upstream answers after SLOW_S, like all below it."""
SLOW_S = 0.3
SLOWER = "slower.example.org."
"""A name that the upstream answers after SLOWER_S, like all below it."""
SLOWER_S = 1.5
SILENT = "silent.example.org."
"""The upstream never answers for names below this one."""

KUBEADM = """\
.:{port} {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{health} {{
        lameduck {lameduck}
    }}
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus 127.0.0.1:{metrics}
    forward . 127.0.0.1:{upstream} {{
        max_concurrent 1000
    }}
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    loop
    reload
    loadbalance
    {more}
}}
"""
"""kubeadm's, on loopback."""


@contextlib.contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop beside the test, until left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    """Answer two outside names by UDP and TCP, and deny the others; give the port."""
    port = free_port()
    with loop_in_a_thread() as loop:

        async def start() -> tuple[asyncio.DatagramTransport, asyncio.Server]:
            made = lambda: _Upstream(loop)  # noqa: E731
            datagrams, _ = await loop.create_datagram_endpoint(made, local_addr=(HOST, port))
            return datagrams, await asyncio.start_server(_converse, HOST, port)

        async def stop() -> None:
            datagrams.close()
            streams.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0)  # what they closed ends in the loop's next turn

        datagrams, streams = run(loop, start())
        try:
            yield port
        finally:
            run(loop, stop())


def run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Do ``work`` in a loop of another thread."""
    return asyncio.run_coroutine_threadsafe(work, loop).result(DEADLINE_S)


class _Upstream(asyncio.DatagramProtocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        wait_s = _wait_s(data)
        if wait_s is not None:
            send = self._transport.sendto
            self._loop.call_later(wait_s, send, reply_to(data), addr)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(EOFError, OSError):
        while True:
            size = int.from_bytes(await reader.readexactly(2))
            wire = await reader.readexactly(size)
            wait_s = _wait_s(wire)
            if wait_s is not None:
                await asyncio.sleep(wait_s)
                reply = reply_to(wire)
                writer.write(len(reply).to_bytes(2) + reply)


def _wait_s(wire: bytes) -> float | None:
    """Return how long the upstream takes to answer; None: for ever."""
    name = dns.message.from_wire(wire).question[0].name.to_text().lower()
    if name.endswith(SILENT):
        return None
    if name.endswith(f".{SLOWER}"):
        return SLOWER_S
    return SLOW_S if name.endswith(SLOW) else 0.0


def reply_to(wire: bytes) -> bytes:
    """Return what the upstream says to a query."""
    reply = dns.message.make_response(dns.message.from_wire(wire), True)
    (question,) = reply.question
    name = question.name.to_text().lower()
    is_known = name == OUTSIDE or name.endswith((SLOW, SLOWER))
    if is_known and question.rdtype == 1:
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", OUTSIDE_ADDRESS))
    elif not is_known:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply.to_wire()


@dataclass
class Api:
    """An API server that runs in another thread."""

    server: ApiServer
    loop: asyncio.AbstractEventLoop

    def act(self, action: Action) -> None:
        """Do something to its watches, or to itself."""
        run(self.loop, self.server.act(action))


@contextlib.contextmanager
def api(kubeconfig: Path) -> Iterator[Api]:
    """Serve the conformance objects over HTTP; write a kubeconfig that leads there."""
    cluster = ClusterApi()
    cluster.load(objects())
    server = ApiServer(cluster)
    with loop_in_a_thread() as loop:
        run(loop, server.__aenter__())
        try:
            server.kubeconfig(kubeconfig)
            yield Api(server, loop)
        finally:
            run(loop, server.__aexit__(None, None, None))


@dataclass
class Server:
    """A minidns process."""

    process: subprocess.Popen[bytes]
    port: int
    ports: dict[str, int]
    """The ports of its HTTP endpoints, by plugin."""
    log: Path

    @property
    def lines(self) -> list[str]:
        """The lines of its log so far."""
        return self.log.read_text(errors="backslashreplace").split("\n")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def rss_mb(self) -> float:
        """Memory it has resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def files(self) -> int:
        """The number of its open files."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connections(self) -> int:
        """The number of accepted TCP connections that are open."""
        rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
        ends = [(row.split()[1], row.split()[3]) for row in rows]
        return ends.count((f"0100007F:{self.port:04X}", "01"))

    def cpu_s(self) -> float:
        """Seconds of CPU it has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        return sum(map(int, stat.split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> int:
        """Tell it to end; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


@contextlib.contextmanager
def minidns(
    folder: Path,
    template: str = KUBEADM,
    *flags: str,
    prefix: tuple[str, ...] = (),
    kubeconfig: Path | None = None,
    upstream_port: int = 1,
    lameduck: str = "0s",
    more: str = "",
    ready_when: int = 0,
) -> Iterator[Server]:
    """Run a server until left; it is given once it answers with ``ready_when``."""
    ports = {name: free_port() for name in ("health", "ready", "metrics")}
    port = free_port()
    text = template.format(
        port=port, kubeconfig=kubeconfig, upstream=upstream_port, lameduck=lameduck, more=more, **ports
    )
    (folder / "Corefile").write_text(text)
    server = started(folder, port, ports, prefix, flags)
    try:
        _wait_for(server, ready_when)
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def started(
    folder: Path, port: int, ports: dict[str, int], prefix: tuple[str, ...] = (), flags: tuple[str, ...] = ()
) -> Server:
    """Start a process for the Corefile in ``folder``."""
    log = folder / "log"
    flags = flags or ("-explain", "off")
    corefile = str(folder / "Corefile")
    command = (*prefix, sys.executable, "-m", "minidns", "-conf", corefile)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, *flags], stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    return Server(process, port, ports, log)


@contextlib.contextmanager
def again(folder: Path, before: Server) -> Iterator[Server]:
    """Run a server in the place of one that has ended."""
    server = started(folder, before.port, before.ports)
    try:
        _wait_for(server, 0)
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def _wait_for(server: Server, rcode: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    with udp(server.port, timeout_s=0.1) as sock:
        while time.monotonic() < deadline:
            assert server.is_running, server.lines
            with contextlib.suppress(OSError):
                sock.send(query(1))
                if sock.recv(4096)[3] & 15 == rcode:
                    return
                time.sleep(0.05)  # not synced yet
    raise AssertionError(f"does not answer: {server.lines}")


@contextlib.contextmanager
def cluster_dns(folder: Path, *flags: str, lameduck: str = "0s", more: str = "") -> Iterator[Server]:
    """Run kubeadm's chain with a filled store and an upstream."""
    kubeconfig = folder / "kubeconfig"
    with (
        api(kubeconfig),
        upstream() as port,
        minidns(
            folder, KUBEADM, *flags, kubeconfig=kubeconfig, upstream_port=port, lameduck=lameduck, more=more
        ) as server,
    ):
        yield server


def query(ident: int, name: str = GOOD, qtype: str = "A") -> bytes:
    """Return a query as a client sends it."""
    message = dns.message.make_query(name, qtype)
    message.id = ident
    return message.to_wire()


@contextlib.contextmanager
def udp(port: int, timeout_s: float = DEADLINE_S) -> Iterator[socket.socket]:
    """Give a socket that asks the server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect((HOST, port))
        yield sock


def is_good(reply: bytes) -> bool:
    """Return whether ``reply`` is the answer to a good query."""
    message = dns.message.from_wire(reply)
    return [str(each) for rrset in message.answer for each in rrset] == [GOOD_ADDRESS]
