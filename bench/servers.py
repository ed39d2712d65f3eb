"""Starts the servers: minidns of this tree, peers, and the echo in C."""

import contextlib
import functools
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import workloads
from bench.process import LOAD_CORE, Ready, Subject, free_port, process, running

COREFILE = """\
.:{port} {{
    errors
    health 127.0.0.1:{health} {{
        lameduck 5s
    }}
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig} sim
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
}}
"""
"""kubeadm's, but with ports of its own, a kubeconfig and the address of an upstream."""

MINIDNS = f"{shlex.quote(sys.executable)} -m minidns -conf {{corefile}} -explain off"
"""The command of this tree's minidns."""

BUILD_S = 900.0
"""How long the simulated API server may take to make its objects."""


@dataclass(frozen=True)
class Place:
    """The environment of the servers."""

    folder: Path
    """A temporary folder."""
    services: int
    endpoints: int
    kubeconfig: Path
    upstream: int
    """The port of the external resolver."""


@contextlib.contextmanager
def place(
    folder: Path, services: int, endpoints: int, many: int = 0
) -> Iterator[Place]:
    """Start a simulated API server with a cluster, and the external resolver.

    ``many`` is the number of endpoints of one more Service.
    """
    folder.mkdir()
    port = free_port()
    at = Place(folder, services, endpoints, folder / "kubeconfig", port)
    api = [sys.executable, "-m", "bench.cluster", str(services), str(endpoints)]
    upstream = [sys.executable, "-m", "bench.upstream", str(port)]
    with (
        process([*api, str(at.kubeconfig), f"--many={many}"], LOAD_CORE) as started,
        process(upstream, LOAD_CORE),
    ):
        end = time.monotonic() + BUILD_S
        while not at.kubeconfig.exists():
            if time.monotonic() > end:
                raise SystemExit(f"no simulated API server within {BUILD_S:.0f} s")
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(0.05)
                errors = started.stderr.read() if started.stderr else b""
                raise SystemExit(f"no simulated API server: {errors.decode()}")
        yield at


@contextlib.contextmanager
def serving(
    name: str, template: str, at: Place, *, tls: bool = False
) -> Iterator[Subject]:
    """Run a DNS server; ``{corefile}`` in its command is the path of its Corefile.

    With ``tls`` it serves DNS over TLS, too.
    """
    port, health, ready, metrics, tls_port = (free_port() for _ in range(5))
    corefile = at.folder / f"Corefile.{port}"
    text = _with_tls(COREFILE, at, tls_port) if tls else COREFILE
    corefile.write_text(
        text.format(
            port=port,
            health=health,
            ready=ready,
            metrics=metrics,
            kubeconfig=at.kubeconfig,
            upstream=at.upstream,
        )
    )
    last = workloads.query(workloads.owner(at.services - 1))
    here = "http://127.0.0.1"
    when = Ready(last, f"{here}:{ready}/ready", f"{here}:{health}/health")
    command = shlex.split(template.format(corefile=corefile))
    with running(name, command, port, when) as subject:
        subject.tls_port = tls_port if tls else 0
        yield subject


def _with_tls(corefile: str, at: Place, port: int) -> str:
    """Return ``corefile`` with a key for DNS over TLS; any certificate will do."""
    certificate, key = at.folder / "api.crt", at.folder / "api.key"
    keys = f".:{{port}} tls://.:{port} {{{{\n    tls {certificate} {key}"
    return corefile.replace(".:{port} {{", keys, 1)


@contextlib.contextmanager
def echo() -> Iterator[Subject | None]:
    """Run the echo, the cheapest possible server; None without a C compiler."""
    binary = compiled("echo")
    if binary is None:
        yield None
        return
    port = free_port()
    ready = Ready(workloads.query("example.org"))
    with running("C echo", [str(binary), str(port)], port, ready, is_dns=False) as it:
        yield it


def peer(text: str) -> tuple[str, str]:
    """Return name and command of ``[NAME=]COMMAND``; by default the program's name.

    >>> peer("before=env PYTHONPATH=../old python -P -m minidns -conf {corefile}")[0]
    'before'
    >>> peer("/opt/coredns -conf {corefile}")[0]
    'coredns'
    """
    if match := re.match(r"([\w.-]+)=(.*)", text):
        return match[1], match[2]
    return Path(shlex.split(text)[0]).name, text


@functools.cache
def compiled(program: str) -> Path | None:
    """Return a C program of this folder, compiled; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    source = Path(__file__).with_name(f"{program}.c")
    binary = Path(__file__).parent / "__pycache__" / program
    binary.parent.mkdir(exist_ok=True)
    subprocess.run([compiler, "-O2", "-o", str(binary), str(source)], check=True)
    return binary


def generator() -> Path:
    """Return the load generator over UDP.

    Raises:
        SystemExit: no C compiler.

    """
    binary = compiled("load")
    if binary is None:
        raise SystemExit("bench needs a C compiler (cc or gcc) for its load generator")
    return binary
