"""The command line as a user has it: real processes, real sockets, wrong input."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import dns.message
import dns.rcode
import pytest

from minidns import __version__, cli
from tests import process
from tests.server import client
from tests.table import table

pytestmark = pytest.mark.slow

Refusal: TypeAlias = Callable[..., str]

ANSWERING = """\
{key} {{
    bind 127.0.0.1
    errors
    template IN A {{
        answer "{{{{ .Name }}}} 60 IN A 192.0.2.7"
    }}
{more}
}}
"""


def corefile(folder: Path, port: int, more: str = "", zone: str = ".") -> str:
    path = folder / "Corefile"
    path.write_text(ANSWERING.format(key=f"{zone}:{port}", more=more))
    return str(path)


async def test_serves_udp_and_tcp_and_says_so(tmp_path: Path) -> None:
    port = process.free_port()
    async with process.minidns("-conf", corefile(tmp_path, port), "-explain", "off") as server:
        await server.said("python3")
        assert server.lines[0] == f".:{port} on 127.0.0.1"
        assert server.lines[1] == f"minidns-{__version__}"
        reply = await client.ask(port, "a.example.org.")
        assert str(reply.answer[0]) == "a.example.org. 60 IN A 192.0.2.7"
        wire = dns.message.make_query("b.example.org.", "A").to_wire()
        (streamed,) = await client.tcp(port, wire)
        assert dns.message.from_wire(streamed).answer
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    assert "[INFO] SIGTERM: Shutting down servers then terminating" in server.lines


async def test_port_of_keys_without_one_and_quiet(tmp_path: Path) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    path.write_text("example.org {\n bind 127.0.0.1\n template IN A\n}\n")
    pidfile = tmp_path / "pid"
    flags = ("--conf", str(path), f"-dns.port={port}", "-quiet", "-explain", "off")
    async with process.minidns(*flags, "-pidfile", str(pidfile)) as server:
        await answering(port)
        assert (await client.ask(port, "a.example.org.")).rcode() == dns.rcode.NOERROR
        assert (await client.ask(port, "a.example.net.")).rcode() == dns.rcode.REFUSED
        assert pidfile.read_text() == f"{server.process.pid}\n"
        server.signal(signal.SIGINT)
        assert await server.ended() == 0
    assert server.lines == ["[INFO] SIGINT: Shutting down", "<end>"]


async def answering(port: int) -> None:
    """Return once the port answers."""
    wire = dns.message.make_query("ready.", "A").to_wire()
    async with asyncio.timeout(process.DEADLINE_S):
        while True:
            try:
                await client.udp(port, wire, deadline_s=0.1)
            except (OSError, TimeoutError):
                await asyncio.sleep(0.02)
                continue
            return


async def test_wrong_input_ends_the_process_with_1_and_one_line(tmp_path: Path) -> None:
    status, _, err = await process.run("-conf", "nosuch", cwd=tmp_path)
    assert (status, err) == (1, "minidns: nosuch: no such file or directory\n")


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Give a function that returns why minidns does not serve; it runs in this process."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOST", "PORT"):
        monkeypatch.delenv(f"KUBERNETES_SERVICE_{name}", raising=False)

    def why(*words: str) -> str:
        assert cli.PROGRAM.main([*words, "-explain", "off"]) == 1
        return capsys.readouterr().err

    return why


BROKEN = [
    (".:0 {\n foo\n}\n", "Corefile:2 - Error during parsing: Unknown directive 'foo'"),
    (".:0 {\n forwrd . 192.0.2.1\n}\n", "did you mean 'forward'?"),
    (".:0 {\n errors\n", "Corefile:2 - Syntax error: Unexpected token"),
    (".:0 {\n etcd\n}\n", "plugin/etcd: not supported by minidns"),
    (".:0 {\n cache 0\n}\n", "cache TTL can not be zero or negative: 0"),
    (".:0 {\n forward . nosuch\n}\n", 'failed to resolve "nosuch"'),
    ("https://.:0 {\n errors\n}\n", "https is not supported by minidns"),
    ("tls://.:0 {\n errors\n}\n", "needs a tls line with certificate and key"),
    (".:0 {\n bind 192.0.2.77\n errors\n}\n", "this machine does not have that address"),
    (".:0 {\n kubernetes cluster.local\n}\n", "unable to load in-cluster configuration"),
]


@table(("text", "expected"), BROKEN)
def test_a_broken_corefile_is_fatal_with_its_line(text: str, expected: str, tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "Corefile").write_text(text)
    (line,) = refusal("-conf", "Corefile").splitlines()
    assert expected in line


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_a_port_in_use_is_fatal(kind: int, tmp_path: Path, refusal: Refusal) -> None:
    port = process.free_port()
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        err = refusal("-conf", corefile(tmp_path, port))
    assert f"127.0.0.1:{port}: bind: address already in use (another program has port {port})" in err


async def test_usr1_reloads_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    port = process.free_port()
    path = corefile(tmp_path, port)
    async with process.minidns("-conf", path, "-explain", "off") as server:
        await server.said("python3")
        Path(path).write_text(Path(path).read_text().replace("192.0.2.7", "192.0.2.8"))
        server.signal(signal.SIGUSR1)
        await server.said("[INFO] Reloading complete")
        assert str((await client.ask(port, "a.example.org.")).answer[0][0]) == "192.0.2.8"
        Path(path).write_text(".:53 {\n foo\n}\n")
        server.signal(signal.SIGUSR1)
        await server.said("[ERROR] Restart failed: ")
        assert str((await client.ask(port, "b.example.org.")).answer[0][0]) == "192.0.2.8"
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0


async def test_version_and_plugins() -> None:
    status, out, _ = await process.call("-version")
    assert status == 0
    assert out.startswith(f"minidns-{__version__}\n")
    status, out, _ = await process.call("-plugins")
    assert status == 0
    assert "  dns.forward\n" in out
    assert "  dns.kubernetes\n" in out


def _position(listed: str) -> list[str]:
    shown = [line.removeprefix("  dns.") for line in listed.splitlines()]
    return [name for name in shown if name in ("acl", "autopath", "cache", "rewrite")]


ORDERS = {
    "1.13.1": ["acl", "cache", "rewrite", "autopath"],
    "1.14.6": ["cache", "rewrite", "acl", "autopath"],
    "1.14.7": ["rewrite", "autopath", "acl", "cache"],
}


@pytest.mark.parametrize("version", ORDERS)
async def test_plugins_and_check_show_the_order_of_a_release(version: str, tmp_path: Path) -> None:
    status, out, _ = await process.call("-plugins", "-as", version)
    assert (status, _position(out)) == (0, ORDERS[version])
    search = tmp_path / "resolv.conf"
    search.write_text("search example.org\n")
    more = f"    cache\n    acl\n    rewrite name a b\n    autopath {search}"
    path = corefile(tmp_path, 1053, more=more)
    status, out, _ = await process.call("check", "-as", version, path)
    chain = out.split()[3::2]
    assert status == 0
    assert [name for name in chain if name in ORDERS[version]] == ORDERS[version]


@pytest.mark.parametrize("command", [("-plugins",), ("check",)])
async def test_unknown_release(command: tuple[str, ...]) -> None:
    status, _, err = await process.call(*command, "-as", "1.15.0")
    assert status == 2
    assert "1.15.0" in err
    assert "1.14.0 to 7" in err


async def test_directive_of_a_later_release_is_unknown(tmp_path: Path) -> None:
    path = corefile(tmp_path, 1053, more="    proxyproto")
    status, _, err = await process.call("check", "-as", "1.14.2", path)
    assert status == 1
    assert "Unknown directive 'proxyproto'" in err


async def test_check_says_ok_and_the_chain_in_its_order(tmp_path: Path) -> None:
    path = corefile(tmp_path, 1053, more="    cache 30\n    log")
    status, out, _ = await process.call("check", path)
    assert status == 0
    assert out == "ok\ndns://127.0.0.1:1053 . errors > log > cache > template\n"


async def test_check_shows_every_problem_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "Corefile").write_text(".:53 {\n    forwrd . 192.0.2.1\n    errrs\n}\n")
    status, out, err = await process.call("check", str(tmp_path / "Corefile"))
    assert (status, out) == (1, "")
    assert "    2 |     forwrd . 192.0.2.1\n    did you mean 'forward'?\n" in err
    assert "Corefile:3 - Error during parsing: Unknown directive 'errrs'\n" in err


async def test_why_tells_answer_rule_and_sources(tmp_path: Path) -> None:
    port, local = process.free_port(), process.free_port()
    where = f"127.0.0.1:{local}"
    async with process.minidns("-conf", corefile(tmp_path, port), "-explain", where) as server:
        await server.said("python3")
        status, out, _ = await process.call("why", "a.example.org", "--server", f"http://{where}")
        assert status == 0
        assert out.startswith("a.example.org. A: NOERROR\n  answer     a.example.org. 60 A 192.0.2.7\n")
        status, _, err = await process.call("why", "a..b", "--server", f"http://{where}")
        assert status == 2
        assert "a..b.: empty label" in err


async def test_json_log_lines(tmp_path: Path) -> None:
    async with process.minidns(
        "-conf", corefile(tmp_path, process.free_port()), "-explain", "off", "-log.format", "json"
    ) as server:
        await server.said("python3")
        server.signal(signal.SIGTERM)
        line = await server.said("SIGTERM")
        assert '"level": "info"' in line
        assert await server.ended() == 0


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("target"))


def _link_to_a_file(path: Path) -> None:
    path.with_name("target").write_text("precious")
    _link(path)


PLANTED = {
    "link-to-nothing": _link,
    "link-to-a-file": _link_to_a_file,
    "fifo": lambda path: os.mkfifo(path),
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_a_pidfile_that_is_no_file_is_left_alone(
    plant: Callable[[Path], None], tmp_path: Path, refusal: Refusal
) -> None:
    path = tmp_path / "pid"
    plant(path)
    before = {each.name: each.lstat().st_ino for each in tmp_path.iterdir()}
    assert refusal("-p", str(process.free_port()), "-pidfile", str(path)) == f"minidns: {path}: not a regular file\n"
    assert {each.name: each.lstat().st_ino for each in tmp_path.iterdir()} == before
    target = tmp_path / "target"
    assert not target.is_file() or target.read_text() == "precious"


async def test_a_pidfile_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("another one's pid, much longer\n")
    flags = ("-p", str(process.free_port()), "-explain", "off", "-pidfile", str(path))
    async with process.minidns(*flags, cwd=tmp_path) as server:
        await server.said("python3")
        assert path.read_text() == f"{server.process.pid}\n"
    assert [each.name for each in tmp_path.iterdir()] == ["pid"]


def test_a_pidfile_that_cannot_be_written(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "nowhere" / "pid"
    assert (
        refusal("-p", str(process.free_port()), "-pidfile", str(path))
        == f"minidns: {path}: no such file or directory\n"
    )
