"""The traps that need a process, sockets or manifests; see test_traps.py."""

import asyncio
import contextlib
import re
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest
import yaml

from minidns.corefile import blocks
from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests import process
from tests.corefiles import cases
from tests.server import client
from tests.serving import serving
from tests.test_main import answering
from tests.whole import whole

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
HERE = '    bind 127.0.0.1\n    template IN A {\n        answer "{{ .Name }} 60 IN A 192.0.2.7"\n    }\n'
WWW = "www.example.org."


# 2


async def test_trap_02_an_import_is_meant_from_the_file_and_may_find_nothing(
    tmp_path: Path,
) -> None:
    here, conf = tmp_path / "here", tmp_path / "conf"
    for folder in (here, conf):
        (folder / "custom").mkdir(parents=True)
    (here / "custom/wrong.override").write_text("this is not a Corefile {\n")
    text = ".:1053 {\n    errors\n    import custom/*.override\n}\n"
    (conf / "Corefile").write_text(text)
    status, out, err = await process.run("check", str(conf / "Corefile"), cwd=here)
    assert (status, err) == (
        0,
        "[WARNING] No files matching import glob pattern: custom/*.override\n",
    )
    assert out == "ok\ndns://:1053 . errors\n"
    (conf / "custom/right.override").write_text("whoami\n")
    (conf / "custom/.hidden.override").write_text("log\n")  # Go's glob takes it
    status, out, err = await process.run("check", str(conf / "Corefile"), cwd=here)
    assert (status, err) == (0, "")
    assert out == "ok\ndns://:1053 . errors > log > whoami\n"


async def test_02_a_missing_file_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "Corefile").write_text(". {\n    import missing.conf\n}\n")
    status, _, err = await process.run("check", cwd=tmp_path)
    assert status == 1
    assert "File to import not found: missing.conf" in err


# 6

UNKNOWN = {
    "plugin": ("    nosuch\n", "Unknown directive 'nosuch'"),
    "option": ("    cache {\n        nosuch\n    }\n", "nosuch"),
}


@pytest.mark.parametrize(("lines", "said"), UNKNOWN.values(), ids=UNKNOWN)
async def test_trap_06_what_is_unknown_is_fatal_at_the_start_only(
    lines: str, said: str, tmp_path: Path
) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    good, bad = f".:{port} {{\n{HERE}}}\n", f".:{port} {{\n{HERE}{lines}}}\n"
    path.write_text(bad)
    status, _, err = await process.run("-conf", str(path), "-explain", "off")
    assert status == 1
    assert said in err
    path.write_text(good)
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        await server.said("python3")
        path.write_text(bad)
        server.signal(signal.SIGUSR1)
        assert said in await server.said("[ERROR] Restart failed: ")
        assert (await client.ask(port, WWW)).rcode() == dns.rcode.NOERROR
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0


# 7


async def test_trap_07_a_bad_file_is_tried_once_and_costs_no_endpoint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    ports = [process.free_port() for _ in range(3)]
    body = (
        f".:0 {{\n{HERE}    health 127.0.0.1:{ports[0]}\n    ready 127.0.0.1:{ports[1]}\n"
        f"    prometheus 127.0.0.1:{ports[2]}\n    reload 10s 0\n"
    )
    async with serving(body + "}\n") as running:
        running.write(body + "    nosuch\n}\n")
        for _ in range(10):
            await running.pass_(10)
        failed = "coredns_reload_failed_total"
        assert running.world.metrics.value(failed) == 1
        said = [each.getMessage() for each in caplog.records]
        assert said.count("Reloading") == 1
        for port, path in zip(ports, ("/health", "/ready", "/metrics"), strict=True):
            assert (await process.http(port, path))[0] == 200
        running.write(body + "    whoami\n}\n")
        async with asyncio.timeout(10):
            while "Reloading complete" not in said:
                await running.pass_(10)
                said = [each.getMessage() for each in caplog.records]
        for port, path in zip(ports, ("/health", "/ready", "/metrics"), strict=True):
            assert (await process.http(port, path))[0] == 200
        assert running.world.metrics.value(failed) == 1


# 15, 16


class InPod:
    """A Corefile as in a cluster, its ports free ones of this machine."""

    def __init__(self, folder: Path, url: str, lameduck: str, timeout: str) -> None:
        self.dns, self.health, self.ready, self.metrics = (
            process.free_port() for _ in range(4)
        )
        self.path = folder / "Corefile"
        self.path.write_text(
            f""".:{self.dns} {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{self.health} {{
        lameduck {lameduck}
    }}
    ready 127.0.0.1:{self.ready}
    kubernetes cluster.local {{
        endpoint {url}
        startup_timeout {timeout}
        ttl 30
    }}
    prometheus 127.0.0.1:{self.metrics}
}}
"""
        )

    def start(self) -> contextlib.AbstractAsyncContextManager[process.Running]:
        return process.minidns("-conf", str(self.path), "-explain", "off")


KUBERNETES = "kubernetes.default.svc.cluster.local."


async def test_trap_15_ready_stays_and_the_lame_duck_answers_to_its_end(
    tmp_path: Path,
) -> None:
    async with ApiServer(ClusterApi()) as api:
        pod = InPod(tmp_path, api.url, "1s", "5s")
        async with pod.start() as server:
            await server.said("python3")
            assert await process.http(pod.ready, "/ready") == (200, "OK")
            await api.down(kill=True)
            await server.said("Failed to watch")
            assert await process.http(pod.ready, "/ready") == (200, "OK")
            began = time.monotonic()
            server.signal(signal.SIGTERM)
            await server.said("[INFO] plugin/health: Going into lameduck mode for 1s")
            with pytest.raises(ConnectionError):
                await process.http(pod.ready, "/ready")
            assert await process.http(pod.health, "/health") == (200, "OK")
            answered = 0.0
            while time.monotonic() - began < 0.9:
                reply = await client.ask(pod.dns, f"x.{KUBERNETES}")
                assert reply.rcode() == dns.rcode.NXDOMAIN
                answered = time.monotonic() - began
            assert answered > 0.5
            assert await server.ended() == 0
            assert time.monotonic() - began >= 1


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Accept connections, and never say a word; yield its URL."""
    ended = asyncio.Event()

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await ended.wait()
        writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        ended.set()
        listening.close()
        await listening.wait_closed()


async def test_trap_16_dns_is_closed_until_synced_and_absence_is_no_answer_before(
    tmp_path: Path,
) -> None:
    async with silent_server() as url:
        pod = InPod(tmp_path, url, "1s", "2s")
        async with pod.start() as server:
            await server.said(
                "[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server"
            )
            assert await process.http(pod.health, "/health") == (200, "OK")
            assert await process.http(pod.ready, "/ready") == (503, "kubernetes")
            assert (await process.http(pod.metrics, "/metrics"))[0] == 200
            wire = dns.message.make_query(KUBERNETES, "A").to_wire()
            with pytest.raises(ConnectionError):
                await client.udp(pod.dns, wire)
            with pytest.raises(ConnectionError):
                await client.tcp(pod.dns, wire)
            await server.said(
                "[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API"
            )
            await server.said("python3")
            reply = await client.ask(pod.dns, KUBERNETES)
            assert reply.rcode() == dns.rcode.SERVFAIL
            assert reply.flags & dns.flags.AA
            assert [str(each.name) for each in reply.authority] == ["cluster.local."]
            assert await process.http(pod.ready, "/ready") == (503, "kubernetes")
            assert server.lines.count('[INFO] plugin/ready: Plugins not ready: "kubernetes"') == 2  # fmt: skip


# 17


async def test_trap_17_a_forwarding_loop_ends_the_process(tmp_path: Path) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    path.write_text(
        f".:{port} {{\n    bind 127.0.0.1\n    loop\n    forward . 127.0.0.1:{port}\n}}\n"
    )
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        assert await server.ended() == 1
    (line,) = (each for each in server.lines if each.startswith("[FATAL]"))
    assert re.fullmatch(
        rf"\[FATAL\] plugin/loop: Loop \(127\.0\.0\.1:\d+ -> 127\.0\.0\.1:{port}\) detected"
        r' for zone "\.", see https://coredns\.io/plugins/loop#troubleshooting\.'
        r' Query: "HINFO \d+\.\d+\."',
        line,
    )


# 22

BASE = ROOT / "minidns/second_dns/base"


def manifest(name: str) -> Any:
    return yaml.safe_load((BASE / name).read_text())


def test_trap_22_the_second_deployment_cannot_be_taken_for_the_first() -> None:
    deployment, service = manifest("deployment.yaml"), manifest("service.yaml")
    pod = deployment["spec"]["template"]
    for labels in (deployment["metadata"]["labels"], pod["metadata"]["labels"]):
        assert labels["k8s-app"] == "kube-dns-2"
    assert pod["spec"]["dnsPolicy"] == "Default"
    (container,) = pod["spec"]["containers"]
    assert not any("subPath" in mount for mount in container["volumeMounts"])
    # one place says a number; probes and the Service go by name
    numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in numbers
    for port in service["spec"]["ports"]:
        assert port["targetPort"] in numbers


def test_22_its_ports_are_those_of_kubeadms_corefile() -> None:
    (case,) = (each for each in cases("real") if each.name == "kubeadm")
    (block,) = blocks.parse(case.text, files=case.files, environ={}).blocks
    (container,) = manifest("deployment.yaml")["spec"]["template"]["spec"]["containers"]
    numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
    (metrics,) = block.named("prometheus")
    assert numbers == {
        "dns": block.keys[0].port,
        "dns-tcp": block.keys[0].port,
        "metrics": int(metrics.args[0].removeprefix(":")),
        "health": 8080,  # the defaults
        "ready": 8181,
    }
    assert not block.named("health")[0].args
    assert not block.named("ready")[0].args


# 23

QUERY = dns.message.make_query(WWW, "A", id=0x1234).to_wire()
HEADER, QUESTION = QUERY[:12], QUERY[12:]
RECORD = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
NOTIMP, FORMERR = 4, 1


def packet(
    second: int = 0x0100,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
    rest: bytes = b"",
) -> bytes:
    head = HEADER[:2] + second.to_bytes(2)
    return head + b"".join(each.to_bytes(2) for each in counts) + QUESTION + rest


SILENCE = {"response": packet(0x8100), "stump": QUERY[:11], "empty": b""}
HEADER_ONLY = {
    "opcode-STATUS": (packet(0x1000), NOTIMP),
    "opcode-UPDATE": (packet(0x2800), NOTIMP),
    "no-question": (packet(counts=(0, 0, 0, 0)), FORMERR),
    "two-questions": (packet(counts=(2, 0, 0, 0), rest=QUESTION), FORMERR),
    "two-answers": (packet(counts=(1, 2, 0, 0), rest=RECORD * 2), FORMERR),
    "two-authorities": (packet(counts=(1, 0, 2, 0), rest=RECORD * 2), FORMERR),
    "three-additional": (packet(counts=(1, 0, 0, 3), rest=RECORD * 3), FORMERR),
    "cut-off": (packet(counts=(1, 0, 0, 1), rest=OPT[:-3]), FORMERR),
}


async def test_trap_23_responses_are_never_answered(tmp_path: Path) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    path.write_text(f".:{port} {{\n{HERE}}}\n")
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        await answering(port)
        loop = asyncio.get_running_loop()
        with contextlib.closing(client_socket(port)) as sock:
            for wire in SILENCE.values():
                await loop.sock_sendall(sock, wire)
            await loop.sock_sendall(sock, QUERY)
            async with asyncio.timeout(5):
                first = await loop.sock_recv(sock, 4096)
        # whatever was answered would have come before
        assert dns.message.from_wire(first).answer
        server.signal(signal.SIGTERM)


def client_socket(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.connect(("127.0.0.1", port))
    return sock


@pytest.mark.parametrize(("wire", "rcode"), HEADER_ONLY.values(), ids=[f"23-{key}" for key in HEADER_ONLY])  # fmt: skip
async def test_what_cannot_be_read_gets_a_header_and_no_more(
    wire: bytes, rcode: int
) -> None:
    async with whole(f". {{\n{HERE}}}\n") as server:
        reply = await server.reply(wire)
    assert reply is not None
    assert len(reply) == 12
    assert reply[:2] == HEADER[:2]
    assert (reply[2] & 0x80, reply[3] & 15) == (0x80, rcode)


TOLERATED = {
    "junk-behind": packet(rest=b"junk"),
    "one-record-besides": packet(counts=(1, 1, 0, 0), rest=RECORD),
}


@pytest.mark.parametrize("wire", TOLERATED.values(), ids=[f"23-{key}" for key in TOLERATED])  # fmt: skip
async def test_what_is_odd_is_answered(wire: bytes) -> None:
    async with whole(f". {{\n{HERE}}}\n") as server:
        reply = await server.reply(wire)
    assert reply is not None
    assert reply[3] & 15 == 0
    assert int.from_bytes(reply[6:8]) == 1


async def test_23_other_edns_versions_and_classes() -> None:
    async with whole(f". {{\n{HERE}}}\n") as server:
        query = dns.message.make_query(WWW, "A", use_edns=1)
        raw = await server.reply(query.to_wire())
        assert raw is not None
        reply = dns.message.from_wire(raw)
        assert (reply.rcode(), reply.edns) == (dns.rcode.BADVERS, 0)
        refused = await server.ask(WWW, qclass="CH")
        assert refused.rcode() == dns.rcode.REFUSED
        assert str(refused.question[0].name) == WWW
