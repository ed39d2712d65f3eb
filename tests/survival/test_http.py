"""Hostile files, credentials programs and HTTP clients, against the whole process.

Hostile requests are in tests/http/test_server.py, hostile names in test_names.py.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from minidns.http.server import MAX_CONNECTIONS
from tests import process
from tests.survival.world import HOST, cluster_dns, is_good, query, udp

pytestmark = pytest.mark.slow

START_S = 30.0
"""A process starts in half a second; a busy machine may take its time."""

SERVED = ".:1053 {\n    bind 127.0.0.1\n    whoami\n}\n"
COREFILES: dict[str, tuple[str, str]] = {
    # id: text, what is said
    "10-MB": ("# \n" * 3_500_000, "larger than 10 MiB"),
    "2-MB": ("a " * 1_000_000, "larger than 1 MiB"),
    "binary": ("".join(map(chr, range(1, 256))) * 100, "Corefile:"),
    "nul": ("\0" * 1000, "Corefile:"),
    "brace-open": (SERVED[:-2], "Corefile:"),
    "braces-open": (". {\n" * 1000, "Corefile:2 - Error during parsing"),
    "braces-closed": (SERVED + "}\n" * 1000, "cannot serve dns://}.:53"),
    "import-of-itself": (".:1053 {\n import Corefile\n}\n", "maximum file import depth"),
    "snippets-that-double": (
        "".join(f"(s{n}) {{\nimport s{n - 1}\nimport s{n - 1}\n}}\n" for n in range(40)) + ".:1053 {\nimport s39\n}\n",
        "Corefile:2 - Error during parsing",
    ),
    "environment": (".:1053 {\n" + "whoami {$BOMB}\n" * 1000 + "}\n", "too much comes from environment variables"),
    "environment-of-itself": (".:1053 {\nwhoami {$LOOP}\n}\n", "environment variable LOOP refers to itself"),
    "backtracking": (".:1053 {\nbind 127.0.0.1\nrewrite name regex (a+)+$ b\nwhoami\n}\n", ""),
    "empty-resolv-conf": (".:1053 {\nforward . empty.conf\n}\n", "no nameservers found"),
    "100-servers": (".:1053 {\nforward . many.conf\n}\n", "more than 15 TOs configured: 100"),
    "scope": (".:1053 {\nbind 127.0.0.1\nforward . scope.conf\n}\n", ""),
    "a-million-lines": (".:1053 {\nbind 127.0.0.1\nhosts hosts.txt\n}\n", ""),
}
ENVIRON = {"BOMB": "x" * 100_000, "LOOP": "{$LOOP}{$LOOP}"}


def files(folder: Path) -> Mapping[str, str]:
    return {
        "empty.conf": "search example.org\n",
        "many.conf": "".join(f"nameserver 192.0.2.{n}\n" for n in range(100)),
        "scope.conf": "nameserver ::1%lo\n",
        "hosts.txt": "10.0.0.1 a\0b c\n" * 600_000,
    }


@pytest.mark.parametrize(("text", "said"), COREFILES.values(), ids=COREFILES)
async def test_files(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "Corefile").write_text(text)
    for name, content in files(tmp_path).items():
        if name in text:
            (tmp_path / name).write_text(content)
    began = time.monotonic()
    status, out, err = await process.call("check", "Corefile")
    assert time.monotonic() - began < START_S
    if not said:
        assert (status, err) == (0, "")
        assert out.startswith("ok\n")
        return
    assert status == 1
    assert said in err
    assert "Traceback" not in err
    assert len(err) < 100_000


EXEC = """\
apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:1"}}}}]
users:
- name: u
  user:
    exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, args: [TOKEN-IN-ARGUMENTS]}}
"""


async def test_an_exec_plugin_that_fails_is_one_line(tmp_path: Path) -> None:
    """Naming the file is the leave to run what it names, as with kubectl."""
    (tmp_path / "kubeconfig").write_text(EXEC.format(command=tmp_path / "nosuch"))
    port = process.free_port()
    (tmp_path / "Corefile").write_text(
        f".:{port} {{\nbind 127.0.0.1\nkubernetes cluster.local {{\nkubeconfig {tmp_path}/kubeconfig\n}}\n}}\n"
    )
    async with process.minidns("-explain", "off", cwd=tmp_path) as server:
        line = await server.said("No such file or directory")
        assert line.startswith("[ERROR] ")
        await server.said("Failed to watch")
        assert not [each for each in server.lines if "TOKEN-IN-ARGUMENTS" in each]


async def test_a_thousand_idle_http_connections(tmp_path: Path) -> None:
    with cluster_dns(tmp_path) as server:
        before = server.files()
        port = server.ports["health"]
        idle = [await asyncio.open_connection(HOST, port) for _ in range(1000)]
        assert await healthy(port)
        assert server.files() <= before + MAX_CONNECTIONS + 10
        with udp(server.port) as sock:
            sock.send(query(1))
            assert is_good(sock.recv(512))
        for _, writer in idle:
            writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await idle[-1][1].wait_closed()


async def healthy(port: int) -> bool:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(5):
        reply = await reader.read()
    writer.close()
    return reply.startswith(b"HTTP/1.1 200 ")
