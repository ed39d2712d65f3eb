"""The end of a process, and a new beginning."""

import signal
import socket
import time
import urllib.request
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from tests.process import DEADLINE_S
from tests.survival.asking import Steadily
from tests.survival.world import HOST, OUTSIDE_ADDRESS, SLOW, Server, again, cluster_dns, is_good, query, udp

pytestmark = pytest.mark.slow

LAMEDUCK_S = 1.0
GOING_ON_S = 0.6
"""For how long clients go on asking after SIGTERM: kube-proxy is not told at once."""


def is_ready(server: Server) -> bool:
    url = f"http://{HOST}:{server.ports['ready']}/ready"
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def test_SIGTERM_under_load_loses_nothing(tmp_path: Path) -> None:
    with cluster_dns(tmp_path, lameduck=f"{LAMEDUCK_S}s") as server:
        assert is_ready(server)
        with Steadily(server.port, 1000) as load:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            told = time.monotonic()
            while is_ready(server):
                assert time.monotonic() - told < LAMEDUCK_S
            # nobody is to be sent here any more, but who was is still answered
            assert server.is_running
            while time.monotonic() - told < GOING_ON_S:
                time.sleep(0.05)
        assert server.process.wait(DEADLINE_S) == 0
        assert time.monotonic() - told >= LAMEDUCK_S
    assert load.sent > 100
    assert (load.lost, load.wrong) == (0, 0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_waits_at_the_end_is_answered(tmp_path: Path, transport: str) -> None:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    wire = query(5, f"end.{SLOW}")
    if transport == "tcp":
        wire = len(wire).to_bytes(2) + wire
    with cluster_dns(tmp_path) as server, socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect((HOST, server.port))
        sock.sendall(wire)
        with udp(server.port) as other:
            other.send(query(1))
            assert is_good(other.recv(512))  # so the slow one has been read
        assert server.end() == 0
        reply = sock.recv(512)
    message = dns.message.from_wire(reply[2:] if transport == "tcp" else reply)
    assert str(message.answer[0][0]) == OUTSIDE_ADDRESS


def test_kill_9_and_a_new_process(tmp_path: Path) -> None:
    with cluster_dns(tmp_path) as first:
        first.process.kill()
        first.process.wait()
        with again(tmp_path, first) as second:
            assert second.process.pid != first.process.pid
            with udp(second.port) as sock:
                sock.send(query(1))
                assert is_good(sock.recv(512))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_hang(tmp_path: Path, number: signal.Signals) -> None:
    with cluster_dns(tmp_path, lameduck="30s") as server:
        server.process.send_signal(number)
        deadline = time.monotonic() + DEADLINE_S
        while not any("lameduck" in line for line in server.lines):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(5) in (0, 2)


def test_reloads_under_load_lose_nothing(tmp_path: Path) -> None:
    with cluster_dns(tmp_path) as server:
        files = server.files()
        corefile = tmp_path / "Corefile"
        text = corefile.read_text()
        with Steadily(server.port, 1000) as load:
            for number in range(1, 11):
                corefile.write_text(f"{text}# {number}\n")
                server.process.send_signal(signal.SIGUSR1)
                deadline = time.monotonic() + DEADLINE_S
                while sum("Reloading complete" in x for x in server.lines) < number:
                    assert time.monotonic() < deadline, server.lines
                    time.sleep(0.02)
        assert load.sent > 50
        assert (load.lost, load.wrong) == (0, 0)
        deadline = time.monotonic() + DEADLINE_S
        while server.files() > files + 4:
            assert time.monotonic() < deadline
            time.sleep(0.05)
