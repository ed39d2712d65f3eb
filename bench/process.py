"""The servers that are measured, as processes pinned to a core."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COREFILE = """\
.:{port} {{
    errors
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig} sim
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    loadbalance
}}
"""
"""kubeadm's, less forward: there is nothing outside; and on loopback."""
_START_S = 60.0


@dataclass
class Subject:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    ready_s: float = 0.0
    """From its start to its first answer."""

    def cpu_s(self) -> float:
        """Return the seconds of CPU it has used, in user and kernel mode."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Return the memory it has resident."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


def free_port() -> int:
    """Return a port that nobody has just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(name: str, command: list[str], port: int, core: int) -> Iterator[Subject]:
    """Start ``command`` on ``core``; yield it once it answers at ``port``."""
    pin = ["taskset", "-c", str(core)] if shutil.which("taskset") else []
    began = time.monotonic()
    process = subprocess.Popen(
        pin + command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        subject = Subject(name, port, process)
        _wait(subject, began)
        yield subject
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def _wait(subject: Subject, began: float) -> None:
    """Wait until the subject answers a question with something, or has ended."""
    asked = bytes.fromhex(
        "00010100000100000000000007636c7573746572056c6f63616c0000060001"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.05)
        sock.connect(("127.0.0.1", subject.port))
        while time.monotonic() - began < _START_S:
            if subject.process.poll() is not None:
                said = subject.process.stderr.read() if subject.process.stderr else b""
                raise SystemExit(f"{subject.name} ended: {said.decode().strip()}")
            with contextlib.suppress(OSError):
                sock.send(asked)
                if sock.recv(4096):
                    subject.ready_s = time.monotonic() - began
                    return
                continue
            time.sleep(0.01)
    raise SystemExit(f"{subject.name} did not answer within {_START_S:.0f} s")


def server(template: str, folder: Path, kubeconfig: Path, port: int) -> list[str]:
    """Return the command of a server; ``{corefile}`` in it is the path of one."""
    corefile = folder / f"Corefile.{port}"
    text = COREFILE.format(port=port, ready=free_port(), kubeconfig=kubeconfig)
    corefile.write_text(text)
    return shlex.split(template.format(corefile=corefile))


def minidns() -> str:
    """Return the command template of this tree's minidns."""
    return f"{sys.executable} -m minidns -conf {{corefile}} -explain off"


def echo(folder: Path) -> list[str] | None:
    """Return the command of the echo, compiled; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    binary = folder / "echo"
    source = Path(__file__).with_name("echo.c")
    subprocess.run([compiler, "-O2", "-o", str(binary), str(source)], check=True)
    return [str(binary)]
