"""One process takes over from another on one host, and nobody notices (-handover)."""

import asyncio
import contextlib
import os
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
    kubeconfig = tmp_path / "kubeconfig"
    ports = {name: free_port() for name in ("health", "ready", "metrics")}
    made = Host(tmp_path, free_port(), tmp_path / "Corefile")
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
    assert datagrams.sent > 1000
    assert (datagrams.lost, datagrams.wrong) == (0, 0)
    assert streams.sent > 50
    assert not streams.failures
    assert host.log.count("Took over from process") == 3
    assert host.log.count("took over: finishing what is under way") == 3
