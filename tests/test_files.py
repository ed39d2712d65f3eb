"""Whatever stands in place of a file: nothing waits for it, and the error names it."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from minidns.cli import main
from minidns.corefile.errors import ConfigError
from minidns.kubernetes import credentials
from minidns.kubernetes.client import Connections
from minidns.kubernetes.resources import SERVICES, Access
from minidns.server import tcp
from minidns.system import files
from minidns.upstream.tls import client_context
from tests import process
from tests.world import World

DEADLINE_S = 60.0


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


KINDS = {
    "pipe": (_fifo, "named pipe"),
    "socket": (_socket, "socket"),
    "device-without-end": (_device, "character device"),
    "terminal": (_terminal, "character device"),
}


@pytest.mark.parametrize(("make", "kind"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("read", [files.read, files.require_regular])
def test_only_regular_files_are_opened(
    make: Callable[[Path], None], kind: str, read: Callable[[str], object], tmp_path: Path
) -> None:
    path = tmp_path / "x"
    make(path)
    with pytest.raises(OSError, match=kind) as caught:
        read(str(path))
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("path", ["/proc/kmsg", "/proc/self/status", "/sys/kernel/mm"])
def test_no_library_opens_a_file_of_the_kernel(path: str, tmp_path: Path) -> None:
    """A read of one can block forever, although it is a regular file."""
    if not os.path.exists(path):
        pytest.skip("this system has no such file")
    link = tmp_path / "x"
    link.symlink_to(path)
    for name in (path, str(link)):
        with pytest.raises(OSError, match=re.escape(name)) as caught:
            files.require_regular(name)
        assert caught.value.filename == name


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_file_of_the_kernel_is_no_certificate(count: int, tmp_path: Path) -> None:
    link = tmp_path / "x"
    link.symlink_to("/proc/kmsg")
    with pytest.raises(ConfigError, match=re.escape(str(link))):
        client_context(*[str(link)] * count)
    with pytest.raises(OSError, match=re.escape(str(link))):
        tcp.tls_context(str(link), str(link))


def _folder(path: Path) -> None:
    path.mkdir()


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)


def _kernel(path: Path) -> None:
    path.symlink_to("/proc/kmsg")


NOT_FILES = [_fifo, _socket, _device, _terminal, _folder, _large, _kernel]
NAMED = {"tokenFile": "user", "client-certificate": "user", "client-key": "user", "certificate-authority": "cluster"}
"""Keys of a kubeconfig with the name of a file, and what they belong to."""


@pytest.mark.parametrize("name", ["{folder}/x", "x"], ids=["absolute", "relative"])
@pytest.mark.parametrize("make", NOT_FILES)
@pytest.mark.parametrize("key", NAMED)
def test_a_kubeconfig_names_only_regular_files(
    key: str, make: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    if make is _kernel and not os.path.exists("/proc/kmsg"):
        pytest.skip("this system has no such file")
    make(tmp_path / "x")
    named = {key: name.format(folder=tmp_path)}
    cluster, user = (named if NAMED[key] == kind else {} for kind in ("cluster", "user"))
    config = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://[::1]:1", **cluster}}],
        "users": [{"name": "c", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=re.escape(f"open {tmp_path}/x: ")):
        credentials.find(Access(kubeconfig=str(path)), {}, tmp_path)


@pytest.mark.parametrize("make", NOT_FILES[:-1])
def test_a_kubeconfig_is_a_regular_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "x")
    access = Access(kubeconfig=str(tmp_path / "x"))
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "x"))):
        credentials.find(access, {}, tmp_path)


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    """Kubelet writes the files of a ConfigMap as links."""
    (tmp_path / "data").write_bytes(b"\xff.")
    (tmp_path / "link").symlink_to("data")
    assert files.read(str(tmp_path / "link")) == b"\xff."


@pytest.mark.parametrize("name", ["/dev/null", "link"])
def test_the_null_device_is_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    path = str(tmp_path / name)
    files.require_regular(path)
    assert files.read(path) == b""


def test_a_file_without_a_size_is_read() -> None:
    assert files.read("/proc/self/status").startswith(b"Name:")


def test_what_replaces_the_file_between_the_look_and_the_opening_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    _fifo(path)
    looked_at = os.stat(__file__)
    monkeypatch.setattr(os, "stat", lambda _: looked_at)
    with pytest.raises(OSError, match="named pipe"):
        files.read(str(path))
    monkeypatch.undo()
    assert stat.S_ISFIFO(path.stat().st_mode)


ZONE = "@ 60 IN SOA a. b. 1 2 3 4 5\n$INCLUDE {pipe}\n"
PLACES = {
    # id: Corefile, whether it is refused
    "import": (".:0 {{\nimport {pipe}\n}}", True),
    "import-of-all": (".:0 {{\nimport {folder}/*.pipe\n}}", True),
    "hosts": (".:0 {{\nhosts {pipe}\n}}", False),  # read at start, not in a check
    "file": (".:0 {{\nfile {pipe} example.org\n}}", False),  # tried again later
    "file-that-is-not-tried-again": (".:0 {{\nfile {pipe} example.org {{\nreload 0\n}}\n}}", True),
    "include": (".:0 {{\nfile {zone} example.org\n}}", True),
    "weights": (".:0 {{\nloadbalance weighted {pipe}\n}}", False),
    "resolv-conf": (".:0 {{\nforward . {pipe}\n}}", True),
    "autopath": (".:0 {{\nautopath {pipe}\n}}", True),
    "certificate": ("tls://.:0 {{\ntls {pipe} {pipe}\n}}", False),
    "authorities": (".:0 {{\nforward . tls://192.0.2.1 {{\ntls {pipe}\n}}\n}}", True),
    "own-key": (".:0 {{\nforward . tls://192.0.2.1 {{\ntls {pipe} {pipe}\n}}\n}}", True),
    "kubeconfig": (".:0 {{\nkubernetes {{\nkubeconfig {pipe}\n}}\n}}", False),
}


@pytest.mark.parametrize(("text", "refused"), PLACES.values(), ids=PLACES)
def test_check_does_not_wait_for_a_pipe(
    text: str, refused: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe, zone = tmp_path / "a.pipe", tmp_path / "zone"
    _fifo(pipe)
    zone.write_text(ZONE.format(pipe=pipe))
    corefile = tmp_path / "Corefile"
    corefile.write_text(text.format(pipe=pipe, zone=zone, folder=tmp_path))
    assert main(["check", str(corefile)]) == refused
    if refused:
        err = capsys.readouterr().err
        assert str(pipe) in err
        assert "named pipe" in err


def test_check_of_a_pipe_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _fifo(tmp_path / "Corefile")
    assert main(["check", str(tmp_path / "Corefile")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert str(tmp_path / "Corefile") in line
    assert "named pipe" in line


KUBECONFIG = """\
current-context: a
clusters: [{{name: a, cluster: {{server: "http://127.0.0.1:1"}}}}]
contexts: [{{name: a, context: {{cluster: a, user: a}}}}]
users: [{{name: a, user: {{tokenFile: {token}}}}}]
"""


@pytest.mark.parametrize("token", ["{pipe}", "a.pipe"], ids=["absolute", "relative"])
@pytest.mark.parametrize("place", ["kubeconfig", "token"])
async def test_credentials_that_are_pipes_are_refused(place: str, token: str, tmp_path: Path) -> None:
    pipe, kubeconfig = tmp_path / "a.pipe", tmp_path / "config"
    _fifo(pipe)
    kubeconfig.write_text(KUBECONFIG.format(token=token.format(pipe=pipe)))
    path = pipe if place == "kubeconfig" else kubeconfig
    world = World()
    connections = Connections(world.metrics, {}, world.edges.random)
    with pytest.raises(ConfigError, match="named pipe"):
        connections.list_watch(Access(kubeconfig=str(path)), SERVICES)
    await connections.close()


@pytest.mark.parametrize("place", ["token", "ca.crt"])
async def test_a_service_account_of_pipes_is_refused(place: str, tmp_path: Path) -> None:
    for name in ("token", "ca.crt"):
        if name == place:
            _fifo(tmp_path / name)
        else:
            (tmp_path / name).write_text("x")
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    with pytest.raises(ConfigError, match="named pipe"):
        credentials.find(Access(), environ, tmp_path)


def test_certificates_of_a_listener_and_of_a_client(tmp_path: Path) -> None:
    pipe = str(tmp_path / "a.pipe")
    _fifo(Path(pipe))
    with pytest.raises(OSError, match="named pipe"):
        tcp.tls_context(pipe, pipe)
    for arguments in ((pipe,), (pipe, pipe), (__file__, pipe)):
        with pytest.raises(ConfigError, match="named pipe"):
            client_context(*arguments)


REPLACED = {
    # id: lines of the Corefile, and the file that becomes a pipe
    "Corefile": ("whoami", "Corefile"),
    "hosts": ("hosts {folder}/hosts {{\nreload 100ms\n}}", "hosts"),
    "zone": ("file {folder}/zone example.org {{\nreload 100ms\n}}", "zone"),
    "weights": ("loadbalance weighted {folder}/weights {{\nreload 100ms\n}}\nwhoami", "weights"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("lines", "name"), REPLACED.values(), ids=REPLACED)
async def test_a_file_that_becomes_a_pipe_while_serving(lines: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("192.0.2.1 www.example.org\n")
    (tmp_path / "zone").write_text("@ 60 IN SOA a. b. 1 2 3 4 5\n")
    (tmp_path / "weights").write_text("www.example.org\n192.0.2.1 3\n")
    port, health = process.free_port(), process.free_port()
    text = f".:{port} {{\nbind 127.0.0.1\nhealth 127.0.0.1:{health}\nreload 2s 0\n{lines.format(folder=tmp_path)}\n}}\n"
    corefile = tmp_path / "Corefile"
    corefile.write_text(text)
    async with process.minidns("-conf", str(corefile), "-explain", "off") as server:
        await server.said("Running configuration")
        (tmp_path / name).unlink()
        _fifo(tmp_path / name)
        await server.said("named pipe")
        assert (await process.http(health, "/health"))[0] == 200
        server.signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE_S):
            assert await server.ended() == 0


@pytest.mark.parametrize("place", PLACES)
def test_the_null_device_is_an_empty_file_to_every_plugin(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _ = PLACES[place]
    empty = tmp_path / "empty"
    empty.touch()
    (tmp_path / "zone").write_text("@ 60 IN SOA a. b. 1 2 3 4 5\n")
    results = []
    for path in ("/dev/null", str(empty)):
        corefile = tmp_path / "Corefile"
        values = {"pipe": path, "folder": tmp_path, "zone": tmp_path / "zone"}
        corefile.write_text(text.format(**values))
        status = main(["check", str(corefile)])
        results.append((status, capsys.readouterr().err.replace(path, "PATH")))
    assert results[0] == results[1]
