"""Figures of the API side: gaps, relists, churn and audits at full size."""

import contextlib
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message

from bench import relist, workloads
from bench.api import Api as Wire
from bench.probe import Steady
from bench.process import Subject
from tests.process import DEADLINE_S, free_port
from tests.survival import churning, gaps
from tests.survival.asking import Steadily
from tests.survival.beginnings import CHAIN, measured_cluster
from tests.survival.test_gaps import following
from tests.survival.world import HOST, Server, query, started, udp

SERVICES, ENDPOINTS = 10_000, 150_000
PROMETHEUS = "prometheus 127.0.0.1:{metrics}"


def cut_s(*, compacted: bool) -> float:
    """Return how long after a cut a thousand changes are all answered right."""
    with tempfile.TemporaryDirectory() as folder, following(Path(folder)) as (server, at):
        gaps.until_right_s(server, gaps.fill(at), 30.0)
        return gaps.until_right_s(server, gaps.cut(at, compacted=compacted), 30.0)


def outage_s(down_s: float) -> float:
    """Return how long after an outage they are; what is known is answered throughout.

    Raises:
        AssertionError: it was not.

    """
    with tempfile.TemporaryDirectory() as folder, following(Path(folder)) as (server, at):
        gaps.until_right_s(server, gaps.fill(at), 30.0)
        with Steadily(server.port, 50) as known:
            expected = gaps.outage(at, down_s, compacted=True)
            took_s = gaps.until_right_s(server, expected, 120.0)
        assert (known.lost, known.wrong) == (0, 0)
        return took_s


@contextlib.contextmanager
def large(more: str = "") -> Iterator[tuple[Server, Wire]]:
    """Serve 10,000 Services with 150,000 endpoints, from a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with measured_cluster(folder, SERVICES, ENDPOINTS) as kubeconfig:
            port, metrics = free_port(), free_port()
            text = CHAIN.format(port=port, kubeconfig=kubeconfig)
            text = text.replace("ttl 30", f"ttl 30\n        {more}")
            text = text.replace("errors", f"errors\n    {PROMETHEUS}")
            (folder / "Corefile").write_text(text.replace("{metrics}", str(metrics)))
            server = started(folder, port, {"metrics": metrics})
            try:
                _until_last(server)
                yield server, Wire(kubeconfig, SERVICES, ENDPOINTS)
            finally:
                server.process.kill()
                server.process.wait()


def _until_last(server: Server) -> None:
    """Wait until what is listed last is answered."""
    name = workloads.owner(SERVICES - 2)
    end = time.monotonic() + 5 * DEADLINE_S
    with udp(server.port, 0.2) as sock:
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                sock.send(query(1, name))
                if dns.message.from_wire(sock.recv(512)).answer:
                    return
            time.sleep(0.05)
    raise AssertionError(server.lines)


def relisted(*, streaming: bool) -> relist.Relist:
    """Return what it costs to list everything anew (F39)."""
    with large() as (server, wire):
        time.sleep(2.0)
        subject = Subject("minidns", server.port, server.process.pid)
        number = relist.headless(SERVICES)
        return relist.relist(wire, subject, number, streaming=streaming)


@dataclass
class Audited:
    """The cost of audits of the large cluster."""

    audits: int
    differences: int
    before_mib: float
    peak_mib: float
    slowest_ms: float
    cpu_s: float
    lost: int


def audited(interval_s: float, seconds: float) -> Audited:
    """Audit the large cluster again and again, with endpoints that move meanwhile."""
    rng = random.Random(5)
    with large(f"audit {interval_s:g}s") as (server, wire):
        subject = Subject("minidns", server.port, server.process.pid)
        time.sleep(2.0)
        subject.reset_peak()
        before_mib, cpu_s = subject.rss_mib(), subject.cpu_s()
        asked = workloads.query(workloads.owner(0))
        end = time.monotonic() + seconds
        with Steady(server.port, asked) as steady:
            for moved in range(100_000):
                if time.monotonic() > end:
                    break
                address = f"10.252.{moved >> 8 & 255}.{moved & 255}"
                wire.move_endpoint(rng.randrange(SERVICES), address)
                time.sleep(0.1)
        return Audited(
            _count(server, "audits"),
            _count(server, "audit_differences"),
            before_mib,
            subject.peak_mib(),
            max(steady.took_ms),
            subject.cpu_s() - cpu_s,
            steady.lost,
        )


def _count(server: Server, what: str) -> int:
    url = f"http://{HOST}:{server.ports['metrics']}/metrics"
    with urllib.request.urlopen(url, timeout=5) as got:
        text = got.read().decode()
    found = re.findall(rf"^minidns_kubernetes_{what}_total{{.*}} (\S+)$", text, re.M)
    return int(sum(map(float, found)))


@dataclass
class Churned:
    """The effect of a thousand changes a second."""

    slowest_lag_s: float
    p99_ms: float
    answered: int
    lost: int


def churned(services: int, rate: float, seconds: float) -> Churned:
    """Change endpoints at such a rate and ask all the time how far it is known (F40)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kubeconfig = folder / "kubeconfig"
        sizes = (str(kubeconfig), str(services), str(rate), str(seconds))
        api = subprocess.Popen([sys.executable, "-m", "tests.survival.churning", *sizes], stdout=subprocess.PIPE)
        try:
            while not kubeconfig.exists():
                time.sleep(0.05)
            port = free_port()
            text = CHAIN.format(port=port, kubeconfig=kubeconfig)
            (folder / "Corefile").write_text(text.replace("cache 30", ""))
            server = started(folder, port, {})
            try:
                assert api.stdout is not None
                return _follow(server, float(api.stdout.readline()), services, rate, seconds)
            finally:
                server.process.kill()
                server.process.wait()
        finally:
            api.kill()
            api.wait()


def _follow(server: Server, began: float, services: int, rate: float, seconds: float) -> Churned:
    """Ask for one Service after the other; its address tells which change it is."""
    lags, took, lost, asked = [0.0], [0.0], 0, 0
    with udp(server.port, 1.0) as sock:
        while (at := time.monotonic()) < began + seconds:
            which = asked * 37 % services
            asked += 1
            sock.send(query(asked & 0xFFFF, churning.name(which)))
            try:
                reply = sock.recv(512)
            except TimeoutError:
                lost += 1
                continue
            took.append(time.monotonic() - at)
            (rrset,) = dns.message.from_wire(reply).answer
            known = churning.number_of(str(rrset[0]))
            # the next change of this Service after the one that is known
            if at > (due := began + (known + services) / rate):
                lags.append(at - due)
            time.sleep(0.001)
    took.sort()
    return Churned(max(lags), took[len(took) * 99 // 100] * 1e3, len(took) - 1, lost)
