"""More than there is room for: queries, datagrams, files, memory."""

import asyncio
import contextlib
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from random import Random

import dns.message
import dns.rcode
import pytest
from prometheus_client.parser import text_string_to_metric_families

from minidns.server.udp import MAX_IN_FLIGHT
from tests.process import DEADLINE_S
from tests.survival.messages import labels
from tests.survival.streams import connected, is_answered
from tests.survival.world import (
    HOST,
    KUBEADM,
    OUTSIDE,
    OUTSIDE_ADDRESS,
    SILENT,
    SLOWER,
    Server,
    api,
    is_good,
    minidns,
    query,
    udp,
    upstream,
)

pytestmark = pytest.mark.slow

MOST_MB = 48
"""The memory in MB that an overload may add to the process."""
UNLIMITED = KUBEADM.replace("        max_concurrent 1000\n", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with (
        api(folder / "kubeconfig"),
        upstream() as port,
        minidns(folder, UNLIMITED, kubeconfig=folder / "kubeconfig", upstream_port=port) as running,
    ):
        yield running


def metric(server: Server, name: str, **labels: str) -> float:
    """Return a number of the metrics page; the sum where several have the labels."""
    url = f"http://{HOST}:{server.ports['metrics']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as reply:
        families = list(text_string_to_metric_families(reply.read().decode()))
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def good_s(server: Server, timeout_s: float = DEADLINE_S) -> float:
    """Ask a good query; return the seconds until its answer."""
    with udp(server.port, timeout_s) as sock:
        began = time.perf_counter()
        sock.send(query(1))
        assert is_good(sock.recv(512))
        return time.perf_counter() - began


@pytest.mark.survive  # on a busy machine the first time out before the last is sent
def test_queries_that_wait_are_bounded_and_the_newest_served(server: Server) -> None:
    dropped = metric(server, "minidns_dropped_queries_total", proto="udp")
    memory, files = server.rss_mb(), server.files()
    count = MAX_IN_FLIGHT + 1024  # sent before the first of them times out
    with udp(server.port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        for number in range(count):
            sock.send(query(number, f"n{number}.{SILENT}"))
            if number % 64 == 63:  # in step with the server: none is lost on the way
                good_s(server)
        # whoever comes now finds a place, and an answer
        sock.send(query(count, OUTSIDE))
        refused = 0
        while (reply := dns.message.from_wire(sock.recv(512))).id != count:
            assert reply.rcode() == dns.rcode.SERVFAIL  # those that made room
            refused += 1
        assert str(reply.answer[0][0]) == OUTSIDE_ADDRESS
    assert server.files() <= files + MAX_IN_FLIGHT + 10
    dropped = metric(server, "minidns_dropped_queries_total", proto="udp") - dropped
    assert count - MAX_IN_FLIGHT <= dropped <= count
    assert refused >= count - MAX_IN_FLIGHT
    assert server.rss_mb() - memory < MOST_MB
    assert good_s(server) < 5


def test_as_many_as_may_wait_are_all_answered_by_a_slow_upstream(server: Server) -> None:
    count, memory = 2600, server.rss_mb()
    with udp(server.port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        for number in range(count):
            sock.send(query(number, f"n{number}.{SLOWER}"))
            if number % 64 == 63:
                good_s(server)
        replies = [dns.message.from_wire(sock.recv(512)) for _ in range(count)]
    assert {reply.id for reply in replies} == set(range(count))
    # every query has its reply; on a busy machine the upstream itself is too late for most
    answered = sum(reply.rcode() == dns.rcode.NOERROR for reply in replies)
    assert answered > 0.1 * count
    assert server.rss_mb() - memory < MOST_MB


def test_what_the_kernel_drops_is_counted(server: Server) -> None:
    """Answered and dropped are all that was sent, to the last."""
    sent = 20_000
    before = metric(server, "minidns_overflowed_datagrams_total")
    with udp(server.port, timeout_s=1) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        with stopped(server):
            for number in range(sent):
                sock.send(query(number))
        answered = 0
        with contextlib.suppress(TimeoutError):
            while True:
                answered += is_good(sock.recv(512))
    dropped = metric(server, "minidns_overflowed_datagrams_total") - before
    assert dropped > 0
    assert answered > 0
    assert answered + dropped == sent


@contextlib.contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Let the process do nothing for a while."""
    server.process.send_signal(19)
    try:
        yield
    finally:
        server.process.send_signal(18)


def hostile(number: int, rng: Random) -> bytes:
    """Return a query for a name that nobody asked before, as costly as can be."""
    name = labels(rng.randbytes(63), rng.randbytes(63), rng.randbytes(50), *_ZONE)
    return struct.pack("!6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"


_ZONE = (b"conf-a", b"svc", b"cluster", b"local")


def test_hostile_names_take_no_memory(server: Server) -> None:
    rng = Random(5)
    memory = server.rss_mb()
    with udp(server.port) as sock:
        for number in range(8_000):
            sock.send(hostile(number, rng))
            if number >= 50:
                sock.recv(1024)
    assert server.rss_mb() - memory < MOST_MB / 4


def test_twice_its_capacity(server: Server) -> None:
    """A flood for a second: no crash, no growth, and normal answers right after it."""
    memory = server.rss_mb()
    with flood(server, 1.0):
        time.sleep(0.5)  # in the middle of it
        assert server.is_running
    used, deadline = server.cpu_s(), time.monotonic() + DEADLINE_S
    while True:
        with contextlib.suppress(TimeoutError):  # the kernel's queue is still full
            good_s(server, 0.5)
            break
        assert time.monotonic() < deadline
    assert server.cpu_s() - used < 1  # of its own time: the machine may be busy
    assert server.rss_mb() - memory < MOST_MB


@contextlib.contextmanager
def flood(server: Server, seconds: float) -> Iterator[None]:
    """Send without waiting for anything."""
    rng = Random(6)
    wires = [hostile(number, rng) for number in range(5000)]
    end = time.monotonic() + seconds

    def send() -> None:
        with udp(server.port) as sock:
            sock.setblocking(False)
            while time.monotonic() < end:
                for wire in wires:
                    with contextlib.suppress(OSError):
                        sock.send(wire)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        thread.join()


# -- files


@pytest.fixture
def poor(tmp_path: Path) -> Iterator[Server]:
    """A server that may have 64 files open."""
    limited = ("sh", "-c", 'ulimit -n 64 && exec "$@"', "sh")
    with (
        api(tmp_path / "kubeconfig"),
        upstream() as port,
        minidns(tmp_path, prefix=limited, kubeconfig=tmp_path / "kubeconfig", upstream_port=port) as running,
    ):
        yield running


async def test_T24_no_file_left(poor: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(200):
            await stack.enter_async_context(connected(poor.port, f"127.6.0.{number + 1}"))
        for endpoint in ("health", "ready", "metrics"):  # these are not limited so low
            for _ in range(60):
                await stack.enter_async_context(connected(poor.ports[endpoint]))
        await asyncio.sleep(0.3)  # let it try
        used = poor.cpu_s()
        for _ in range(1000):
            assert good_s(poor) < 5  # none lost
        await asyncio.sleep(0.5)
        assert poor.cpu_s() - used < 1.0  # and no busy loop
        assert poor.files() <= 64
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                assert await is_answered(poor.port) < 5
                break
    assert await is_answered(poor.port) < 5
    assert [line for line in poor.lines if "Traceback" in line] == []


async def test_few_files_are_shared_out(poor: Server) -> None:
    """Clients cannot use up the file descriptors that upstreams need."""
    async with contextlib.AsyncExitStack() as stack:
        for number in range(200):
            await stack.enter_async_context(connected(poor.port, f"127.6.1.{number + 1}"))
        assert await is_answered(poor.port) < 5
        with udp(poor.port) as sock:
            sock.send(query(9, OUTSIDE))
            assert dns.message.from_wire(sock.recv(512)).answer
        assert poor.files() < 60
