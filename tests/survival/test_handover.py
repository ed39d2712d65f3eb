"""One process takes over from another on one host, and nobody notices (-handover)."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.process import DEADLINE_S, free_port
from tests.survival.asking import Dialling, Steadily
from tests.survival.world import HOST, KUBEADM, api, is_good, query, udp, upstream


@dataclass
class Host:
    """Where processes succeed one another."""

    folder: Path
    port: int
    corefile: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "handover.sock"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        """Start a process that takes over from whoever serves."""
        command = [sys.executable, "-m", "minidns", "-conf", str(self.corefile)]
        command += ["-explain", "off", "-handover", str(self.socket), *flags]
        with (self.folder / "log").open("ab") as out:
            process = subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.running.append(process)
        return process

    def until(self, text: str) -> None:
        """Wait until ``text`` is in the log."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the first process; return it once it answers."""
        process = self.start()
        deadline = time.monotonic() + DEADLINE_S
        while not self.socket.exists():
            assert time.monotonic() < deadline, self.log
            assert process.poll() is None, self.log
            time.sleep(0.01)
        return process

    def succeed(self, old: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Let another process take over; return it once the old one has ended."""
        new = self.start()
        assert old.wait(DEADLINE_S) == 0, self.log
        return new

    def answers(self) -> bool:
        with udp(self.port, timeout_s=2.0) as sock:
            sock.send(query(7))
            return is_good(sock.recv(512))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with host_in(tmp_path) as made:
        yield made


@contextlib.contextmanager
def host_in(folder: Path) -> Iterator[Host]:
    """Give a host with an API server and an upstream, and no process yet."""
    kubeconfig = folder / "kubeconfig"
    ports = {name: free_port() for name in ("health", "ready", "metrics")}
    made = Host(folder, free_port(), folder / "Corefile")
    with contextlib.ExitStack() as stack:
        stack.enter_context(api(kubeconfig))
        port = stack.enter_context(upstream())
        made.corefile.write_text(
            KUBEADM.format(
                port=made.port,
                kubeconfig=kubeconfig,
                upstream=port,
                lameduck="30s",  # which a handover does not wait for
                more="",
                **ports,
            )
        )
        try:
            yield made
        finally:
            for process in made.running:
                process.kill()
                process.wait()


def test_nothing_is_lost_over_several_handovers(host: Host) -> None:
    process = host.serve()
    with Steadily(host.port, 500) as datagrams, Dialling(host.port, 0.02) as streams:
        for _ in range(3):
            process = host.succeed(process)
            datagrams.until(datagrams.sent + 300)
            streams.until(streams.sent + 15)
    assert (datagrams.lost, datagrams.wrong) == (0, 0)
    assert not streams.failures
    assert host.log.count("Took over from process") == 3
    assert host.log.count("took over: finishing what is under way") == 3


def test_who_is_not_ready_does_not_take_over(host: Host) -> None:
    old = host.serve()
    corefile = host.corefile.read_text()
    nowhere = f"endpoint http://127.0.0.1:{free_port()}\nstartup_timeout 100ms"
    broken = host.folder / "broken"
    broken.write_text(re.sub("kubeconfig .*", nowhere, corefile))
    new = host.start("-conf", str(broken))
    host.until("starting server with unsynced Kubernetes API")
    for _ in range(20):
        assert host.answers()
    assert new.poll() is old.poll() is None
    new.send_signal(signal.SIGQUIT)
    assert new.wait(DEADLINE_S) == 0
    assert "Took over" not in host.log
    assert host.answers()
    host.succeed(old)
    assert host.answers()


def test_who_cannot_serve_does_not_take_over(host: Host) -> None:
    old = host.serve()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        other = host.folder / "other"
        more = f"\norg:{port} {{\nbind 127.0.0.1\nwhoami\n}}\n"
        other.write_text(host.corefile.read_text() + more)
        new = host.start("-conf", str(other))
        assert new.wait(DEADLINE_S) == 1
    assert f"listen udp 127.0.0.1:{port}: bind: address already in use" in host.log
    assert old.poll() is None
    assert host.answers()
    host.succeed(old)


def test_the_new_corefile_counts(host: Host) -> None:
    """One listener comes, one goes, one stays."""
    first, second = free_port(), free_port()
    base = host.corefile.read_text()
    block = "\norg:{} {{\nbind 127.0.0.1\nwhoami\n}}\n"
    host.corefile.write_text(base + block.format(first))
    old = host.serve()
    host.corefile.write_text(base + block.format(second))
    host.succeed(old)
    assert host.answers()
    with udp(second, timeout_s=2.0) as sock:
        sock.send(query(1, "x.org."))
        assert sock.recv(512)[3] & 15 == 0
    with udp(first, timeout_s=2.0) as sock:
        sock.send(query(1, "x.org."))
        with pytest.raises(ConnectionRefusedError):
            sock.recv(512)


def test_a_client_that_stays_connected_is_served_on(host: Host) -> None:
    old = host.serve()
    wire = query(3)
    with (
        socket.create_connection((HOST, host.port), 2.0) as client,
        client.makefile("rb") as stream,
    ):
        new = host.start()
        host.until("took over: finishing")
        for _ in range(20):  # while the old one lingers
            client.sendall(len(wire).to_bytes(2) + wire)
            assert is_good(stream.read(int.from_bytes(stream.read(2))))
            time.sleep(0.02)
        assert old.poll() is None
    assert old.wait(DEADLINE_S) == 0
    assert new.poll() is None


def test_with_workers_it_is_all_the_same(host: Host) -> None:
    text = host.corefile.read_text().replace("errors\n", "errors\nmultisocket 2\n")
    host.corefile.write_text(text)
    process = host.serve()
    host.until("Worker 1 answers")
    with contextlib.ExitStack() as stack:
        # of several ports, so that both shares are asked
        asking = [stack.enter_context(Steadily(host.port, 50)) for _ in range(6)]
        process = host.succeed(process)
        process = host.succeed(process)
        for each in asking:
            each.until(100)
    assert [(each.lost, each.wrong) for each in asking] == [(0, 0)] * 6


def test_killed_there_is_nobody_to_take_over_from(host: Host) -> None:
    old = host.serve()
    old.kill()
    old.wait()
    assert host.socket.exists()
    host.start()
    with pytest.raises(ConnectionRefusedError):
        host.answers()
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            assert host.answers()
            return
        time.sleep(0.02)
    raise AssertionError(host.log)


def test_a_path_that_cannot_be_used(host: Host) -> None:
    process = host.start("-handover", str(host.folder / "no" / "such"))
    assert process.wait(DEADLINE_S) == 1
    assert "-handover" in host.log
    assert "No such file or directory" in host.log
