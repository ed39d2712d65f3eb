"""minidns on a laptop, against the simulated API server over real HTTP."""

import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import dns.rcode
import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns import resolv_conf
from minidns.laptop import corefile
from sim.api.http import ApiServer
from sim.controllers.cluster import Cluster
from tests import process
from tests.server import client

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("outside")]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine's may stand before a server on loopback."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@contextlib.asynccontextmanager
async def api(tmp_path: Path, **options: bool) -> AsyncIterator[tuple[ApiServer, str]]:
    async with ApiServer(Cluster(), **options) as server:  # type: ignore[arg-type]
        path = str(tmp_path / "kubeconfig")
        server.kubeconfig(path)
        yield server, path


def flags(path: str, port: int) -> tuple[str, ...]:
    return ("--kubeconfig", path, "--listen", f"127.0.0.1:{port}", "-explain", "off")


async def test_answers_says_what_to_try_and_stops_at_once(tmp_path: Path) -> None:
    async with api(tmp_path) as (server, path):
        port = process.free_port()
        async with process.minidns(*flags(path, port), "--context", "sim") as running:
            await running.said("stop with Ctrl-C")
            said = [line for line in running.lines if not line.startswith("[")]
            assert said[0] == f"listening on 127.0.0.1:{port}, UDP and TCP"
            assert said[1] == f"cluster sim at {server.url}"
            assert said[2].startswith("in sync after ")
            assert said[3] == f"try: dig @127.0.0.1 -p {port} kubernetes.default.svc.cluster.local"
            assert len([line for line in said if line.startswith("try: ")]) == 3
            reply = await client.ask(port, "kubernetes.default.svc.cluster.local.")
            assert str(reply.answer[0][0]) == "10.96.0.1"
            running.signal(signal.SIGINT)
            assert await running.ended() == 0
        assert not any("Traceback" in line for line in running.lines)


async def test_a_change_in_the_cluster_is_answered(tmp_path: Path) -> None:
    async with api(tmp_path) as (server, path):
        port = process.free_port()
        async with process.minidns(*flags(path, port)) as running:
            await running.said("in sync")
            name = "web.default.svc.cluster.local."
            assert (await client.ask(port, name)).rcode() == dns.rcode.NXDOMAIN
            server.cluster.create(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "web", "namespace": "default"},
                    "spec": {"clusterIP": "10.96.3.4", "ports": [{"port": 80}]},
                }
            )
            for _ in range(1000):
                if (reply := await client.ask(port, name)).answer:
                    break
            assert [str(rrset[0]) for rrset in reply.answer] == ["10.96.3.4"]


async def test_an_api_server_that_is_not_there(tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        pass
    port = process.free_port()
    async with process.minidns(*flags(path, port)) as running:
        line = await running.said("Failed to watch: failed to list")
        assert line.startswith("[ERROR] plugin/kubernetes: ")
        assert "refused" in line
        await running.said("not in sync yet")
        reply = await client.ask(port, "kubernetes.default.svc.cluster.local.")
        assert reply.rcode() == dns.rcode.SERVFAIL
    assert not any("Traceback" in line for line in running.lines)


_OF_ANOTHER_FORM = (
    "[1]",
    "word",
    "contexts: 3",
    "contexts: [3]",
    "contexts: [{name: a}]",
    "contexts: [{name: a, context: b}]",
    "contexts: [{name: [a], context: {}}]",
    "clusters: [{cluster: {}}]",
)


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        ("{}", "", "no current context"),
        ("contexts: [{name: a, context: {cluster: c}}]", "b", 'context "b" does not exist'),
        (":\n- [", "", ""),
        *((text, "", "") for text in _OF_ANOTHER_FORM),
    ],
    ids=["nothing-in-it", "unknown-context", "not-yaml", *_OF_ANOTHER_FORM],
)
def test_a_kubeconfig_that_is_of_no_use(text: str, context: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        corefile.cluster(str(path), context)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "ended"), [("localhost", 2), ("localhost:5354", 1), ("nosuch0:5354", 1)])
async def test_listen_needs_an_address_and_a_port(value: str, ended: int, tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        status, _, err = await process.run("--kubeconfig", path, "--listen", value)
    assert status == ended
    assert err.startswith(f"minidns: --listen {value}: ")


ALIASES = ("--alias", "k8s.internal", "--alias", "c1.example.org")


@pytest.mark.parametrize(
    ("name", "qtype", "rcode", "answer"),
    [
        ("kubernetes.default.svc.k8s.internal.", "A", "NOERROR", "10.96.0.1"),
        ("kubernetes.default.svc.c1.example.org.", "A", "NOERROR", "10.96.0.1"),
        ("kubernetes.default.svc.cluster.local.", "A", "NOERROR", "10.96.0.1"),
        (
            "_https._tcp.kubernetes.default.svc.k8s.internal.",
            "SRV",
            "NOERROR",
            "0 100 443 kubernetes.default.svc.k8s.internal.",
        ),
        ("nope.default.svc.k8s.internal.", "A", "NXDOMAIN", "k8s.internal."),
        ("k8s.internal.", "A", "NOERROR", "k8s.internal."),
        ("1.0.96.10.in-addr.arpa.", "PTR", "NOERROR", "kubernetes.default.svc.cluster.local."),
    ],
    ids=["a", "second-alias", "cluster.local-too", "srv-and-its-target", "nxdomain-soa", "apex-nodata", "ptr-is-cluster.local"],
)  # fmt: skip
async def test_an_alias_has_the_same_names(name: str, qtype: str, rcode: str, answer: str, tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        port = process.free_port()
        async with process.minidns(*flags(path, port), *ALIASES) as running:
            await running.said("in sync")
            reply = await client.ask(port, name, qtype)
    assert dns.rcode.to_text(reply.rcode()) == rcode
    if reply.answer:
        assert str(reply.answer[0][0]) == answer
        assert str(reply.answer[0].name) == name
    else:
        assert str(reply.authority[0].name) == answer
        assert name.endswith(answer)  # or nobody keeps it (RFC 2308 5)


def test_an_alias_is_whole_labels() -> None:
    text = corefile.corefile("k", "", "127.0.0.1", 5353, ["k8s.example.org."])
    assert r"name regex ^(.*\.)?k8s\.example\.org\.$ {1}cluster.local." in text
    assert "disable denial cluster.local k8s.example.org." in text


async def test_a_name_that_only_ends_like_an_alias_is_forwarded(tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        port, file = process.free_port(), tmp_path / "resolv.conf"
        # port 53 of an address where nobody listens: an error, but not NXDOMAIN
        file.write_text("nameserver 127.0.0.253\n")
        more = ("--alias", "k8s.internal", "--resolv-conf", str(file))
        async with process.minidns(*flags(path, port), *more) as running:
            await running.said("in sync")
            reply = await client.ask(port, "kubernetes.default.svc.xk8s.internal.")
            assert reply.rcode() == dns.rcode.SERVFAIL
            await running.said("127.0.0.253:53")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("k8s.local", "--alias k8s.local: an alias is to get away from .local"),
        ("local", "--alias local: an alias is to get away from .local"),
        (".", "--alias '.': not the name of a zone"),
        ("", "--alias '': not the name of a zone"),
        ("a b", "--alias 'a b': not the name of a zone"),
        ("a{$HOME}", "--alias 'a{$HOME}': not the name of a zone"),
        ("x.ip6.arpa", "--alias x.ip6.arpa: "),
    ],
)
def test_no_alias(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        corefile.alias(text)
    assert str(caught.value).startswith(said)


STUB = "nameserver 127.0.0.53\noptions edns0\n"
ONE = "nameserver 192.0.2.1\n"


@pytest.mark.parametrize(
    ("text", "behind", "before", "used"),
    [
        (STUB, ONE, None, resolv_conf.BEHIND_STUB),
        (STUB, "search .\n", None, ""),
        (STUB, None, None, resolv_conf.RESOLV_CONF),
        (ONE, ONE, None, resolv_conf.RESOLV_CONF),
        ("nameserver 127.0.0.1\n", None, ONE, resolv_conf.BEFORE_US),
        ("# none\n", ONE, None, ""),
        (None, ONE, None, ""),
    ],
    ids=["systemd-resolved", "resolved-offline", "nothing-behind-it", "another", "split-dns-is-in-it", "names-nobody", "no-file"],
)  # fmt: skip
def test_whom_to_forward_to(
    text: str | None, behind: str | None, before: str | None, used: str, tmp_path: Path
) -> None:
    for path, content in (
        (resolv_conf.RESOLV_CONF, text),
        (resolv_conf.BEHIND_STUB, behind),
        (resolv_conf.BEFORE_US, before),
    ):
        if content is not None:
            (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path[1:]).write_text(content)
    assert corefile.resolv_conf(tmp_path) == used


def test_without_anybody_to_ask_nothing_is_forwarded() -> None:
    text = corefile.corefile("k", "", "127.0.0.1", 5353, resolv_conf="")
    assert "forward" not in text
    assert "loop" not in text
