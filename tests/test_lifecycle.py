"""Start and stop of the process: order, signals, messages, exit statuses."""

import asyncio
import contextlib
import re
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest
import trustme

from minidns import __version__
from sim.api.faults import Rule
from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests import process
from tests.kubernetes.served import certify
from tests.server import client
from tests.server.resolvers import Call, Resolver, good
from tests.test_metrics import HAS_IPV6

pytestmark = pytest.mark.slow

WWW = "www.example.org."
ANSWER = '    template IN A {\n        answer "{{ .Name }} 60 IN A 192.0.2.7"\n    }\n'


def write(folder: Path, *blocks: str) -> str:
    """Write a Corefile of blocks ``KEYS | LINES``; return its path."""
    path = folder / "Corefile"
    path.write_text(
        "".join(f"{keys} {{\n{lines}\n{ANSWER}}}\n" for keys, _, lines in (block.partition(" | ") for block in blocks))
    )
    return str(path)


def started(path: str, *more: str) -> "contextlib.AbstractAsyncContextManager[process.Running]":  # fmt: skip
    return process.minidns("-conf", path, "-explain", "off", *more)


class InPod:
    """A Corefile as in a cluster, its ports free ones of this machine."""

    def __init__(self, folder: Path, url: str, lameduck: str, timeout: str) -> None:
        self.dns, self.health, self.ready, self.metrics = (process.free_port() for _ in range(4))
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


# -- start


async def test_dns_opens_as_soon_as_the_cluster_is_known(tmp_path: Path) -> None:
    async with ApiServer(ClusterApi()) as api:
        api.faults.rules.append(Rule(resource="services", status=503))
        pod = InPod(tmp_path, api.url, "0s", "60s")
        async with pod.start() as server:
            await server.said("waiting for Kubernetes API before starting server")
            assert await process.http(pod.health, "/health") == (200, "OK")
            assert await process.http(pod.ready, "/ready") == (503, "kubernetes")
            wire = dns.message.make_query(KUBERNETES, "A").to_wire()
            with pytest.raises(ConnectionError):
                await client.udp(pod.dns, wire)
            api.faults.rules.clear()
            await server.said("python3")
            assert await process.http(pod.ready, "/ready") == (200, "OK")
            reply = await client.ask(pod.dns, KUBERNETES)
            assert reply.rcode() == dns.rcode.NOERROR
            assert not any("unsynced" in line for line in server.lines)


async def test_a_signal_ends_the_wait_for_the_cluster(tmp_path: Path) -> None:
    async with ApiServer(ClusterApi()) as api:
        api.faults.rules.append(Rule(resource="services", status=503))
        pod = InPod(tmp_path, api.url, "0s", "60s")
        async with pod.start() as server:
            await server.said("waiting for Kubernetes API before starting server")
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0


async def test_what_is_served_is_said_in_order(tmp_path: Path) -> None:
    one, two = process.free_port(), process.free_port()
    path = write(
        tmp_path,
        f"example.org:{one} b.org:{one} | bind 127.0.0.1",
        f"a.org:{one} | bind 127.0.0.1",
        f".:{two} | bind 127.0.0.1 ::1" if HAS_IPV6 else f".:{two} | bind 127.0.0.1",
    )
    async with started(path) as server:
        await server.said("python3")
    six = [f".:{two} on ::1"] if HAS_IPV6 else []
    assert server.lines[:-3] == [
        f"a.org.:{one} on 127.0.0.1",
        f"b.org.:{one} on 127.0.0.1",
        f"example.org.:{one} on 127.0.0.1",
        f".:{two} on 127.0.0.1",
        *six,
    ]
    assert server.lines[-3] == f"minidns-{__version__}"


async def test_without_a_corefile_it_is_whoami_with_a_log(tmp_path: Path) -> None:
    port = process.free_port()
    flags = ("-dns.port", str(port), "-explain", "off")
    async with process.minidns(*flags, cwd=tmp_path) as server:
        await server.said(f".:{port}")
        await server.said("python3")
        reply = await client.ask(port, WWW)
        assert not reply.answer
        assert {str(rrset.name) for rrset in reply.additional} == {WWW, f"_udp.{WWW}"}
        await server.said(f'"A IN {WWW} udp 33 false 512" NOERROR qr,aa,rd')


ENDPOINTS = {"health": "health", "ready": "ready", "prometheus": "prometheus"}


@pytest.mark.parametrize("plugin", ENDPOINTS)
async def test_an_endpoints_port_in_use_is_fatal(plugin: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = write(tmp_path, f".:{process.free_port()} | {plugin} {address}")
        status, _, err = await process.run("-conf", path, "-explain", "off")
    assert (status, err) == (1, f"minidns: listen tcp {address}: bind: address already in use\n")


# -- stop

QUIET_SIGNALS = (signal.SIGHUP, signal.SIGUSR2)


@pytest.mark.parametrize("number", QUIET_SIGNALS, ids=lambda each: each.name)
async def test_a_signal_that_is_ignored(number: signal.Signals, tmp_path: Path) -> None:
    port = process.free_port()
    async with started(write(tmp_path, f".:{port} | bind 127.0.0.1")) as server:
        await server.said("python3")
        said = list(server.lines)
        server.signal(number)
        assert (await client.ask(port, WWW)).answer
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    assert server.lines[: len(said)] == said
    assert server.lines[len(said) :] == ["[INFO] SIGTERM: Shutting down servers then terminating", "<end>"]


ENDS = {
    "SIGTERM": (
        "[INFO] SIGTERM: Shutting down servers then terminating",
        "[INFO] plugin/health: Going into lameduck mode for 200ms",
    ),
    "SIGINT": ("[INFO] SIGINT: Shutting down", "[INFO] plugin/health: Going into lameduck mode for 200ms"),
    "SIGQUIT": ("[INFO] SIGQUIT: Quitting process immediately",),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_signal_that_ends_it(name: str, tmp_path: Path) -> None:
    port, health = process.free_port(), process.free_port()
    path = write(tmp_path, f".:{port} | bind 127.0.0.1\nhealth 127.0.0.1:{health} {{\nlameduck 200ms\n}}")
    async with started(path) as server:
        await server.said("python3")
        said = len(server.lines)
        server.signal(signal.Signals[name])
        assert await server.ended() == 0
    assert tuple(server.lines[said:-1]) == ENDS[name]


async def test_lame_ducks_of_several_blocks_come_one_after_the_other(tmp_path: Path) -> None:
    health = f"health 127.0.0.1:{process.free_port()} {{\nlameduck 300ms\n}}"
    port = process.free_port()
    path = write(tmp_path, f"example.org:{port} | bind 127.0.0.1\n{health}", f".:{port} | bind 127.0.0.1\n{health}")
    async with started(path) as server:
        await server.said("python3")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        assert time.monotonic() - began >= 0.6
    said = [line for line in server.lines if "Going into lameduck mode" in line]
    assert said == ["[INFO] plugin/health: Going into lameduck mode for 300ms"] * 2


async def test_a_second_interrupt_means_it(tmp_path: Path) -> None:
    port, health = process.free_port(), process.free_port()
    path = write(tmp_path, f".:{port} | bind 127.0.0.1\nhealth 127.0.0.1:{health} {{\nlameduck 60s\n}}")
    async with started(path) as server:
        await server.said("python3")
        server.signal(signal.SIGINT)
        await server.said("Going into lameduck mode for 1m0s")
        assert (await client.ask(port, WWW)).answer
        server.signal(signal.SIGINT)
        assert await server.ended() == 2


async def test_a_quit_does_not_wait_for_the_lame_duck(tmp_path: Path) -> None:
    health = process.free_port()
    path = write(tmp_path, f".:{process.free_port()} | health 127.0.0.1:{health} {{\nlameduck 60s\n}}")
    async with started(path) as server:
        await server.said("python3")
        began = time.monotonic()
        server.signal(signal.SIGQUIT)
        assert await server.ended() == 0
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_query_under_way_is_answered_at_the_end(transport: str, tmp_path: Path) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slowly(call: Call) -> None:
        asked.set()
        await may_answer.wait()
        call.send(good(call.wire))

    port = process.free_port()
    async with Resolver(slowly, slowly) as upstream:
        path = tmp_path / "Corefile"
        path.write_text(f".:{port} {{\nbind 127.0.0.1\nforward . {upstream}\n}}\n")
        async with started(str(path)) as server:
            await server.said("python3")
            wire = dns.message.make_query(WWW, "A").to_wire()
            waiting = asyncio.ensure_future(asked_by(transport, port, wire))
            await asked.wait()
            server.signal(signal.SIGTERM)
            await server.said("SIGTERM: Shutting down servers then terminating")
            may_answer.set()
            assert dns.message.from_wire(await waiting).answer
            assert await server.ended() == 0


async def asked_by(transport: str, port: int, wire: bytes) -> bytes:
    if transport == "udp":
        return await client.udp(port, wire)
    (reply,) = await client.tcp(port, wire)
    return reply


async def test_ready_stays_and_the_lame_duck_answers_to_its_end(tmp_path: Path) -> None:
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

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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


async def test_dns_is_closed_until_the_sync_and_no_name_is_denied_before(tmp_path: Path) -> None:
    async with silent_server() as url:
        pod = InPod(tmp_path, url, "1s", "2s")
        async with pod.start() as server:
            await server.said("[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server")
            assert await process.http(pod.health, "/health") == (200, "OK")
            assert await process.http(pod.ready, "/ready") == (503, "kubernetes")
            assert (await process.http(pod.metrics, "/metrics"))[0] == 200
            wire = dns.message.make_query(KUBERNETES, "A").to_wire()
            with pytest.raises(ConnectionError):
                await client.udp(pod.dns, wire)
            with pytest.raises(ConnectionError):
                await client.tcp(pod.dns, wire)
            await server.said("[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API")
            await server.said("python3")
            reply = await client.ask(pod.dns, KUBERNETES)
            assert reply.rcode() == dns.rcode.SERVFAIL
            assert reply.flags & dns.flags.AA
            assert [str(rrset.name) for rrset in reply.authority] == ["cluster.local."]
            assert await process.http(pod.ready, "/ready") == (503, "kubernetes")
            assert server.lines.count('[INFO] plugin/ready: Plugins not ready: "kubernetes"') == 2  # fmt: skip


async def test_a_forwarding_loop_ends_the_process(tmp_path: Path) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    path.write_text(f".:{port} {{\n    bind 127.0.0.1\n    loop\n    forward . 127.0.0.1:{port}\n}}\n")
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        assert await server.ended() == 1
    (line,) = (each for each in server.lines if each.startswith("[FATAL]"))
    assert re.fullmatch(
        rf"\[FATAL\] plugin/loop: Loop \(127\.0\.0\.1:\d+ -> 127\.0\.0\.1:{port}\) detected"
        r' for zone "\.", see https://coredns\.io/plugins/loop#troubleshooting\.'
        r' Query: "HINFO \d+\.\d+\."',
        line,
    )


# -- listeners


async def test_a_block_answers_where_it_is_bound_and_nowhere_else(tmp_path: Path) -> None:
    port, other = process.free_port(), process.free_port()
    path = write(
        tmp_path,
        f"example.org:{port} | bind 127.0.0.1",
        f"example.net:{port} | bind 127.0.0.1",
        f".:{other} | bind lo {{\nexcept ::1\n}}",
    )
    async with started(path) as server:
        await server.said("python3")
        for name, rcode in (
            (WWW, dns.rcode.NOERROR),
            ("www.example.net.", dns.rcode.NOERROR),
            ("www.example.com.", dns.rcode.REFUSED),
        ):
            assert (await client.ask(port, name)).rcode() == rcode
        assert (await client.ask(other, "www.example.com.")).answer
        wire = dns.message.make_query(WWW, "A").to_wire()
        with pytest.raises(ConnectionError):
            await client.udp(port, wire, host="127.0.0.2")


@pytest.mark.skipif(not HAS_IPV6, reason="there is no IPv6 here")
@pytest.mark.parametrize("bind", ["", "bind ::1"], ids=["every-address", "bound"])
async def test_ipv6_over_udp_and_tcp(bind: str, tmp_path: Path) -> None:
    port = process.free_port()
    async with started(write(tmp_path, f".:{port} | {bind}\nlog")) as server:
        await server.said("python3")
        wire = dns.message.make_query(WWW, "A").to_wire()
        assert dns.message.from_wire(await client.udp(port, wire, host="::1")).answer
        (streamed,) = await client.tcp(port, wire, host="::1")
        assert dns.message.from_wire(streamed).answer
        await server.said("[INFO] [::1]:")
        if bind:
            with pytest.raises(ConnectionError):
                await client.udp(port, wire)


async def test_dns_over_tls_beside_plain_dns(tmp_path: Path) -> None:
    plain, encrypted = process.free_port(), process.free_port()
    authority = trustme.CA()
    files = certify(tmp_path / "tls", authority, "127.0.0.1")
    path = write(
        tmp_path,
        f"tls://example.org:{encrypted} | bind 127.0.0.1\ntls {files.certificate} {files.key}",
        f"example.org:{plain} | bind 127.0.0.1",
    )
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with started(path) as server:
        await server.said("python3")
        assert server.lines[0] == f"tls://example.org.:{encrypted} on 127.0.0.1"
        wires = [dns.message.make_query(name, "A").to_wire() for name in (WWW, "a.example.org.", "www.example.net.")]
        rcodes = [dns.message.from_wire(each).rcode() for each in await over_tls(encrypted, trusting, wires)]
        assert rcodes == [dns.rcode.NOERROR, dns.rcode.NOERROR, dns.rcode.REFUSED]
        with pytest.raises(ssl.SSLError):
            await over_tls(encrypted, ssl.create_default_context(), wires)
        with pytest.raises((ConnectionError, EOFError)):
            await over_tls(encrypted, None, wires)
        assert (await client.ask(plain, WWW)).answer
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0


async def over_tls(port: int, context: ssl.SSLContext | None, wires: list[bytes]) -> list[bytes]:
    """Return the replies to messages sent at once over TLS, or plain without."""
    name = "127.0.0.1" if context else None
    async with asyncio.timeout(client.DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        writer.write(b"".join(len(each).to_bytes(2) + each for each in wires))
        return [await client.read_frame(reader) for _ in wires]
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def test_clients_may_have_to_show_a_certificate(tmp_path: Path) -> None:
    port, authority = process.free_port(), trustme.CA()
    files = certify(tmp_path / "tls", authority, "127.0.0.1")
    lines = (
        f"bind 127.0.0.1\ntls {files.certificate} {files.key} {files.authority} {{\nclient_auth require_and_verify\n}}"
    )
    path = write(tmp_path, f"tls://.:{port} | {lines}")
    nobody, known = ssl.create_default_context(), ssl.create_default_context()
    for context in (nobody, known):
        authority.configure_trust(context)
    authority.issue_cert("client.example.org").configure_cert(known)
    async with started(path) as server:
        await server.said("python3")
        wires = [dns.message.make_query(WWW, "A").to_wire()]
        (reply,) = await over_tls(port, known, wires)
        assert dns.message.from_wire(reply).answer
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            await over_tls(port, nobody, wires)


async def test_a_certificate_that_cannot_be_used_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    path = write(tmp_path, f"tls://.:{process.free_port()} | tls {tmp_path}/cert.pem {tmp_path}/key.pem")
    status, _, err = await process.run("-conf", path, "-explain", "off")
    assert status == 1
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


async def test_standard_input_may_be_the_corefile(tmp_path: Path) -> None:
    port = process.free_port()
    text = f".:{port} {{\nbind 127.0.0.1\n{ANSWER}}}\n"
    flags = ("-conf", "stdin", "-explain", "off")
    async with process.minidns(*flags, cwd=tmp_path, stdin=text) as server:
        await server.said("python3")
        assert (await client.ask(port, WWW)).answer
        server.signal(signal.SIGUSR1)  # what was read is read again
        await server.said("[INFO] Reloading complete")
        assert (await client.ask(port, WWW)).answer
    async with process.minidns(*flags, cwd=tmp_path, stdin=". {\nnosuch\n}\n") as server:
        assert await server.ended() == 1
    assert server.lines[0].startswith("/dev/stdin:2 - Error during parsing: ")


async def test_two_servers_do_not_share_the_endpoint_of_why(tmp_path: Path) -> None:
    explain = f"127.0.0.1:{process.free_port()}"
    first, second = (
        process.minidns(*("-conf", write(tmp_path, f".:{process.free_port()}"), "-explain", explain)) for _ in range(2)
    )
    async with first as one:
        await one.said("python3")
        async with second as other:
            await other.said("address already in use")
            assert await other.ended() == 1
        url = f"http://{explain}"
        status, out, _ = await process.call("why", WWW, "--server", url)
        assert status == 0
        assert f"pid {one.process.pid} at {explain}" in out
