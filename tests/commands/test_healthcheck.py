"""The health check, as a probe runs it: against servers that are well, and others."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from minidns.commands import healthcheck
from tests import process
from tests.process import mentions

COREFILE = """\
.:{dns} {{
    bind 127.0.0.1
    health 127.0.0.1:{health}
    ready 127.0.0.1:{ready}
    hosts {{
        192.0.2.7 web.example.org
    }}
    kubernetes cluster.local {{
        kubeconfig {folder}/kubeconfig
    }}
}}
"""
NOT_THERE = """\
apiVersion: v1
kind: Config
current-context: x
clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
users: [{name: x, user: {}}]
"""


@pytest.mark.slow
async def test_a_server_that_is_well_and_not_ready(tmp_path: Path) -> None:
    ports = {each: process.free_port() for each in ("dns", "health", "ready")}
    (tmp_path / "kubeconfig").write_text(NOT_THERE)
    corefile = tmp_path / "Corefile"
    corefile.write_text(COREFILE.format(folder=tmp_path, **ports))
    server = f"127.0.0.1:{ports['dns']}"
    async with process.minidns("-conf", str(corefile), "-explain", "off"):
        await process.until_answering(ports["health"])
        health = f"127.0.0.1:{ports['health']}"
        assert await run("--address", health) == (0, f"{health}/health: OK\n", "")
        ready = f"127.0.0.1:{ports['ready']}"
        status, out, err = await run("--ready", "--address", ready)
        assert (status, out) == (1, "")
        assert mentions(err, f"{ready}/ready 503 kubernetes")
        while (await run("--dns", "web.example.org", "--server", server))[0]:
            pass
        status, out, err = await run("--dns", "web.example.org", "--server", server)
        assert (status, err) == (0, "")
        assert mentions(out, f"{server} web.example.org. 1")
        both = ("--address", health, "--dns", "x.cluster.local", "--server", server)
        status, out, err = await run(*both)
        assert (status, out) == (1, f"{health}/health: OK\n")
        assert mentions(err, f"{server} x.cluster.local. SERVFAIL")


async def run(*args: str) -> tuple[int, str, str]:
    return await process.run("healthcheck", "--timeout", "5", *args)


@asynccontextmanager
async def answering(said: bytes, *, ends: bool = True):  # type: ignore[no-untyped-def]
    """Serve anybody who asks the same bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        if not ends:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


Said = Callable[[bytes], Awaitable[str]]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 500 Oh\r\n\r\nbroken\n", "{}/health 500 broken"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "{}/health 404"),
        (b"HTTP/1.1 200\r\n\r\n", ""),
        (b"HTTP/1.1 503 x\r\n\r\n\x1b[31mred\nx", r"{}/health 503 \x1b[31mred\nx"),
        (b"SSH-2.0-x\r\n", "{} HTTP"),
        (b"", "{} HTTP"),
    ],
    ids=["500", "404-empty", "200-bare", "control-bytes", "other-protocol", "nothing"],
)
async def test_what_an_endpoint_may_say(said: bytes, reason: str) -> None:
    async with answering(said) as to:
        where = f"127.0.0.1:{to[1]}"
        asked = asyncio.to_thread(healthcheck.http, to, "/health", 5.0)
        if not reason:
            assert await asked == f"{where}/health: "
            return
        with pytest.raises(healthcheck.Unhealthy) as caught:
            await asked
        assert mentions(str(caught.value), reason.format(where))


async def test_an_endpoint_that_never_ends_is_left_in_time() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", ends=False) as to:
        with pytest.raises(healthcheck.Unhealthy, match=r"127\.0\.0\.1"):
            await asyncio.to_thread(healthcheck.http, to, "/health", 0.1)


def test_without_a_host_both_families_are_tried() -> None:
    port = process.free_port()
    with pytest.raises(healthcheck.Unhealthy) as caught:
        healthcheck.http(("", port), "/health", 1.0)
    assert mentions(str(caught.value), f"127.0.0.1:{port} connection refused")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a" * 64 + ".org", "--dns aaa"), ("a..b", "--dns a..b: ")],
    ids=["label-too-long", "empty-label"],
)
def test_a_name_that_is_none(name: str, reason: str) -> None:
    with pytest.raises(healthcheck.Unhealthy) as caught:
        healthcheck.dns(("127.0.0.1", 1), name, 1.0)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        (":8181", "", 8181),
        ("[::1]:53", "::1", 53),
        ("localhost:1", "localhost", 1),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert healthcheck.address(text) == (host, port)


@pytest.mark.parametrize("text", ["8080", "x", "::1", "a:0", "a:65536", "a:", "a:²"])
def test_what_is_no_address(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        healthcheck.main(["--address", text])
    assert ended.value.code == 2
    assert mentions(capsys.readouterr().err, f"{text} HOST:PORT")


def test_it_imports_no_event_loop_and_no_http_library() -> None:
    asked = (
        "import sys\n"
        "from minidns.cli import main\n"
        "main(['healthcheck', '--address', '127.0.0.1:1'])\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    slow = {"asyncio", "http.client", "urllib.request", "msgspec", "ssl", "yaml"}
    assert "minidns.commands.healthcheck" in loaded
    assert not slow & loaded
