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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from sim.apihttp import ApiServer
from sim.apiserver import Cluster
from tests.conformance.cases import objects
from tests.process import DEADLINE_S, free_port

HOST = "127.0.0.1"
GOOD = "web.conf-a.svc.cluster.local."
GOOD_ADDRESS = "10.96.100.10"
OUTSIDE = "www.example.org."
OUTSIDE_ADDRESS = "192.0.2.80"
SLOW = "slow.example.org."
"""A name that the upstream answers after SLOW_S."""
SLOW_S = 0.3
SILENT = "silent.example.org."
"""What is below is never answered by the upstream."""

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
def upstream() -> Iterator[int]:
    """Answer one outside name and deny the others, until left; give the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        thread = threading.Thread(target=_answer, args=(sock,))
        thread.start()
        try:
            yield int(sock.getsockname()[1])
        finally:
            _wake(sock)
            thread.join()


def _wake(sock: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"", sock.getsockname())


def _answer(sock: socket.socket) -> None:
    while True:
        wire, peer = sock.recvfrom(65535)
        if not wire:
            return
        name = dns.message.from_wire(wire).question[0].name.to_text().lower()
        if name.endswith(SILENT):
            continue
        if name.endswith(SLOW):
            timer = threading.Timer(SLOW_S, _tell, (sock, reply_to(wire), peer))
            timer.daemon = True
            timer.start()
            continue
        sock.sendto(reply_to(wire), peer)


def _tell(sock: socket.socket, wire: bytes, peer: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):
        sock.sendto(wire, peer)


def reply_to(wire: bytes) -> bytes:
    """Return what the upstream says to a query."""
    reply = dns.message.make_response(dns.message.from_wire(wire), True)
    (question,) = reply.question
    name = question.name.to_text().lower()
    if name in (OUTSIDE, SLOW) and question.rdtype == 1:
        reply.answer.append(
            dns.rrset.from_text(question.name, 60, "IN", "A", OUTSIDE_ADDRESS)
        )
    elif name not in (OUTSIDE, SLOW):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply.to_wire()


@contextlib.contextmanager
def api(kubeconfig: Path) -> Iterator[ApiServer]:
    """Serve the conformance objects over HTTP; write a kubeconfig that leads there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    cluster = Cluster(with_controllers=False)
    cluster.load(objects())
    server = ApiServer(cluster)

    def run(work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(DEADLINE_S)  # type: ignore[arg-type]

    try:
        run(server.__aenter__())
        server.kubeconfig(kubeconfig)
        yield server
        run(server.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class Server:
    """A minidns process."""

    process: subprocess.Popen[bytes]
    port: int
    ports: dict[str, int]
    """Of its HTTP endpoints, by their plugins."""
    log: Path

    @property
    def lines(self) -> list[str]:
        """What it has said so far."""
        return self.log.read_text(errors="backslashreplace").split("\n")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def rss_mb(self) -> float:
        """Memory it has resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def files(self) -> int:
        """How many files it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

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
) -> Iterator[Server]:
    """Run a server until left; it is given once it answers."""
    ports = {name: free_port() for name in ("health", "ready", "metrics")}
    port = free_port()
    corefile, log = folder / "Corefile", folder / "log"
    corefile.write_text(
        template.format(
            port=port,
            kubeconfig=kubeconfig,
            upstream=upstream_port,
            lameduck=lameduck,
            more=more,
            **ports,
        )
    )
    command = [*prefix, sys.executable, "-m", "minidns", "-conf", str(corefile)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *(flags or ("-explain", "off"))],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    server = Server(process, port, ports, log)
    try:
        _wait_for(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_for(server: Server) -> None:
    deadline = time.monotonic() + DEADLINE_S
    with udp(server.port, timeout_s=0.1) as sock:
        while time.monotonic() < deadline:
            assert server.is_running, server.lines
            with contextlib.suppress(OSError):
                sock.send(query(1))
                if not sock.recv(4096)[3] & 15:
                    return
                time.sleep(0.05)  # not synced yet
    raise AssertionError(f"does not answer: {server.lines}")


@contextlib.contextmanager
def cluster_dns(
    folder: Path, *flags: str, lameduck: str = "0s", more: str = ""
) -> Iterator[Server]:
    """Run kubeadm's chain with a filled store and an upstream."""
    kubeconfig = folder / "kubeconfig"
    with (
        api(kubeconfig),
        upstream() as port,
        minidns(
            folder,
            KUBEADM,
            *flags,
            kubeconfig=kubeconfig,
            upstream_port=port,
            lameduck=lameduck,
            more=more,
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
