"""Measures the time from the start of a process to its first correct answer."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message

from bench import cluster
from tests.process import DEADLINE_S, free_port
from tests.survival.world import query, started, udp

CHAIN = """\
.:{port} {{
    bind 127.0.0.1
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 30
    }}
    cache 30
    loadbalance
}}
"""


def first_answers(services: int, endpoints: int, times: int) -> float:
    """Start and kill a server of such a cluster; return the slowest first answer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with measured_cluster(folder, services, endpoints) as kubeconfig:
            port = free_port()
            text = CHAIN.format(port=port, kubeconfig=kubeconfig)
            (folder / "Corefile").write_text(text)
            return max(_begin(folder, port, services) for _ in range(times))


@contextlib.contextmanager
def measured_cluster(folder: Path, services: int, endpoints: int) -> Iterator[Path]:
    """Serve the cluster of the benchmarks from a process of its own."""
    kubeconfig = folder / "kubeconfig"
    sizes = (str(services), str(endpoints), str(kubeconfig))
    process = subprocess.Popen([sys.executable, "-m", "bench.cluster", *sizes])
    try:
        deadline = time.monotonic() + 10 * DEADLINE_S
        while not kubeconfig.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield kubeconfig
    finally:
        process.terminate()
        process.wait()


def _begin(folder: Path, port: int, services: int) -> float:
    """Start a server, kill -9 it once it answers right; return how long that took."""
    number = services - 2  # one with an address; among the last that are listed
    name = f"{cluster.name(number)}.{cluster.namespace(number)}.svc.cluster.local."
    began = time.monotonic()
    server = started(folder, port, {})
    try:
        with udp(port, 0.02) as sock:
            while time.monotonic() - began < 60:
                with contextlib.suppress(OSError):
                    sock.send(query(1, name))
                    if dns.message.from_wire(sock.recv(512)).answer:
                        return time.monotonic() - began
                time.sleep(0.005)
        raise AssertionError(f"no answer: {server.lines}")
    finally:
        server.process.kill()
        server.process.wait()
