"""Commands and logs of pods through the API server, as kubectl asks for them."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import dns.message
import pytest

from minidns.kubernetes.client import connect
from minidns.kubernetes.documents import Documents, Refused
from minidns.kubernetes.resources import Access, ApiError
from sim.api.kubelet_paths import LogOptions, Streams
from sim.cluster.simulation import Simulation, started
from sim.node.attach import NodeKubelet
from sim.node.container import Container
from tests.process import DEADLINE_S
from tests.table import table

APP = "/api/v1/namespaces/default/pods/app"
KUBECTL = shutil.which("kubectl")


@pytest.fixture
async def simulation(tmp_path: Path) -> AsyncIterator[Simulation]:
    async with started(tmp_path) as running:
        yield running


@pytest.fixture
async def api(simulation: Simulation) -> AsyncIterator[Documents]:
    async with connect(Access(kubeconfig=str(simulation.kubeconfig))) as connection:
        yield Documents(connection)


COMMANDS = [
    (["cat", "/etc/resolv.conf"], "nameserver 10.96.0.10"),
    (["sh", "-c", "cat /etc/resolv.conf; cat '/etc/resolv.conf'"], "options ndots:5"),
    (["/bin/sh", "-c", "cat /etc/resolv.conf && cat /etc/resolv.conf"], "search default"),
]


@pytest.mark.slow
@table(("command", "text"), COMMANDS)
async def test_a_command_runs_in_the_pod(command: Sequence[str], text: str, api: Documents) -> None:
    assert text in await api.run(APP, "app", command)


async def pod_of(api: Documents, labels: str) -> str:
    """Return the path of the first pod of kube-system with ``labels``."""
    path = "/api/v1/namespaces/kube-system/pods"
    (first, *_) = await api.list_objects(path, labels=labels)
    return f"{path}/{first['metadata']['name']}"


async def test_a_port_of_a_pod_is_forwarded(simulation: Simulation, api: Documents) -> None:
    await simulation.ready()
    query = dns.message.make_query("kubernetes.default.svc.cluster.local.", "A").to_wire()
    async with api.port(await pod_of(api, "k8s-app=kube-dns"), 53) as port:
        came = b""
        for _ in range(2):  # one connection carries several queries
            await port.write(len(query).to_bytes(2) + query)
        async for piece in port.pieces():
            came += piece
            if len(came) > 4 and len(came) == 2 * (2 + int.from_bytes(came[:2])):
                break
    reply = dns.message.from_wire(came[2 : 2 + int.from_bytes(came[:2])])
    assert [record.address for record in reply.answer[0]] == ["10.96.0.1"]


async def test_a_port_where_nothing_listens_is_named(api: Documents) -> None:
    with pytest.raises(ApiError, match="54"):
        async with api.port(await pod_of(api, "k8s-app=kube-dns"), 54) as port:
            assert [piece async for piece in port.pieces()] == []
    with pytest.raises(Refused, match="portforward") as refused:
        async with api.port(f"{APP}-none", 53):
            pass
    assert refused.value.status == 404


FAILING = [
    # pod, container, command, HTTP status of the refusal or 0 for a failed command
    (APP, "app", ["cat", "/none"], 0),
    (APP, "app", ["nope"], 0),
    (APP, "app", ["sh", "-c", "cat < /etc/resolv.conf"], 0),
    (APP, "app", ["sh", "-c", "cat 'x"], 0),
    (APP, "other", ["cat", "/etc/resolv.conf"], 400),
    (APP, "app", [], 400),
    (f"{APP}-none", "app", ["cat", "/etc/resolv.conf"], 404),
]


@pytest.mark.slow
@table(("pod", "container", "command", "status"), FAILING)
async def test_what_cannot_run_is_refused(
    pod: str, container: str, command: Sequence[str], status: int, api: Documents
) -> None:
    with pytest.raises(ApiError) as caught:
        await api.run(pod, container, command)
    refused = caught.value
    assert (refused.status if isinstance(refused, Refused) else 0) == status


@pytest.mark.slow
async def test_exec_and_log_need_a_right(simulation: Simulation) -> None:
    account = "system:serviceaccount:default:default"
    tokens = dict(simulation.api.tokens or {})
    simulation.api.tokens = {**tokens, "weak": account}
    path = simulation.api.kubeconfig(simulation.kubeconfig.parent / "weak", "weak")
    async with connect(Access(kubeconfig=str(path))) as connection:
        with pytest.raises(Refused) as caught:
            await Documents(connection).run(APP, "app", ["cat", "/etc/resolv.conf"])
        refused = await connection.send("GET", f"{APP}/log")
    assert (caught.value.status, refused.status) == (403, 403)


def node(log: Path) -> NodeKubelet:
    def nobody(namespace: str, name: str) -> Container:
        raise AssertionError("no command runs here")

    async def detached(pod: tuple[str, str], streams: Streams) -> int:
        raise AssertionError("nobody attaches here")

    return NodeKubelet(nobody, lambda key: log, detached, lambda address, protocol: None)


LOGS = [(None, b"one\ntwo\nthree\n"), (0, b""), (2, b"two\nthree\n"), (9, b"one\ntwo\nthree\n")]


@pytest.mark.parametrize(("lines", "expected"), LOGS)
async def test_a_log_or_its_end(lines: int | None, expected: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\nthree\n")
    options = LogOptions(tail_lines=lines)
    assert [piece async for piece in node(log).log(("a", "b"), options)] == [expected]


async def test_a_log_that_is_followed_ends_with_its_pod(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\n")
    pieces = node(log).log(("a", "b"), LogOptions(follow=True))
    assert await anext(pieces) == b"one\n"
    with log.open("ab") as file:
        file.write(b"two\n")
    assert await anext(pieces) == b"two\n"
    log.unlink()
    assert [piece async for piece in pieces] == []


class Echo:
    """A kubelet whose every command repeats its standard input."""

    async def execute(self, pod: tuple[str, str], command: Sequence[str], streams: Streams) -> int:
        while line := await streams.stdin.readline():
            await streams.write(line)
        return 3

    async def attach(self, pod: tuple[str, str], streams: Streams) -> int:
        return await self.execute(pod, (), streams)

    async def connect(self, pod: tuple[str, str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise AssertionError("nobody connects here")

    async def log(self, pod: tuple[str, str], options: LogOptions) -> AsyncIterator[bytes]:
        yield b""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exec?command=echo&", "attach?"])
async def test_a_command_reads_its_standard_input_while_it_runs(how: str, simulation: Simulation) -> None:
    simulation.api.kubelet = Echo()
    path = f"{APP}/{how}stdin=true&stdout=true"
    async with connect(Access(kubeconfig=str(simulation.kubeconfig))) as connection, connection.stream(path) as socket:
        for text in (b"one\n", b"two\n"):
            await socket.send_bytes(b"\x00" + text)
            assert await socket.receive_bytes() == b"\x01" + text


@pytest.mark.slow
@pytest.mark.kubectl
@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
async def test_kubectl(simulation: Simulation) -> None:
    async def kubectl(*words: str, text: str = "") -> tuple[int | None, str]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            str(KUBECTL),
            *words,
            env={**os.environ, "KUBECONFIG": str(simulation.kubeconfig)},
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(DEADLINE_S):
            output, _ = await process.communicate(text.encode())
        return process.returncode, output.decode()

    await simulation.ready()
    status, output = await kubectl("exec", "dnsutils", "--", "nslookup", "google.com")
    assert (status, "Address: 192.0.2.100" in output) == (0, True)
    status, output = await kubectl("exec", "dnsutils", "--", "nslookup", "no.example.org")
    assert (status, "NXDOMAIN" in output) == (1, True)
    status, output = await kubectl("-n", "kube-system", "logs", "deploy/coredns")
    assert (status, "minidns" in output) == (0, True)
    simulation.api.kubelet = Echo()
    status, output = await kubectl("exec", "-i", "app", "--", "echo", text="one\n")
    assert (status, output.splitlines()[0]) == (3, "one")
    assert json.loads((await kubectl("get", "pod", "app", "-o", "json"))[1])
