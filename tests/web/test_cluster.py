"""The page of a real cluster: an API over HTTP, minidns's own chain, a DNS service that answers or not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import dns.message
import pytest
from aiohttp import ClientSession

from minidns.dns.model import Address, Query
from minidns.kubernetes import client
from minidns.kubernetes.documents import Documents, Refused
from minidns.kubernetes.port_forward import ForwardedPort
from minidns.kubernetes.resources import Access
from minidns.probe.exchange import Kind as End
from minidns.probe.exchange import Reception
from minidns.walk.steps import Kind
from minidns.web import chain, drawing
from minidns.web.cluster import ClusterSource
from minidns.web.drawing import Box
from minidns.web.picture import sides
from minidns.web.query_log import QueryLog
from minidns.web.server import PageServer
from minidns.web.source import Asked, Events, Wrong
from sim.api.http import ApiServer
from sim.controllers.cluster import Cluster
from sim.controllers.pods import READY
from sim.node import kube_system
from tests.process import mentions

pytestmark = pytest.mark.slow
APP = Asked("default/app", "kubernetes", "glibc")


@asynccontextmanager
async def source(folder: Path) -> AsyncIterator[tuple[ClusterSource, ApiServer]]:
    """Yield the source of a cluster whose DNS service gives the answers of the own chain."""
    cluster = Cluster(seed=1)
    for obj in kube_system.objects():
        cluster.apply(obj)
    for pod in cluster.list("Pod", "kube-system"):
        cluster.patch("Pod", "kube-system", pod["metadata"]["name"], {"metadata": {"annotations": {READY: "true"}}})
    async with ApiServer(cluster) as api:
        kubeconfig = api.kubeconfig(folder / "kubeconfig")
        async with (
            chain.running(str(kubeconfig), "") as own,
            client.connect(Access(kubeconfig=str(kubeconfig))) as link,
        ):

            async def answer(to: Address, query: bytes, timeout_s: float) -> Reception:
                assert to == (kube_system.CLUSTER_DNS, 53)
                asked = own.answerer.decode(query, "udp", ("127.0.0.1", 1), ("127.0.0.1", 53))
                assert isinstance(asked, Query)
                return Reception(End.REPLY, (await own.answerer.answer(asked))[0])

            documents = Documents(link)
            log = QueryLog(documents, Events(), lambda: 0.0)
            yield ClusterSource(documents, own, "a cluster", log, answer, answer), api


async def test_both_sides_answer_and_nothing_is_written(tmp_path: Path) -> None:
    async with source(tmp_path) as (real, api):
        theirs, ours = await real.walks(APP)
        assert (theirs.service, theirs.is_own, ours.service) == ("kube-dns", True, "minidns")
        assert theirs.result.facts["addresses"] == ours.result.facts["addresses"] == ["10.96.0.1"]
        assert "search default.svc.cluster.local" in theirs.client.resolv_conf
        (first, *_) = [step for step in theirs.steps if step.kind is Kind.ROUTE]
        pods = api.cluster.list("Pod", "kube-system", "k8s-app=kube-dns")
        assert first.facts["candidates"] == [pod["status"]["podIP"] for pod in pods]
        (reason, *_) = [step for step in ours.steps if step.kind is Kind.REASON]
        version = api.cluster.get("Service", "default", "kubernetes")["metadata"]["resourceVersion"]
        assert version in [each["resourceVersion"] for each in reason.facts["sources"]]
        for step in (*theirs.steps, *ours.steps):
            if step.wire:
                dns.message.from_wire(step.wire)
        assert {request.verb for request in api.requests} <= {"get", "list", "watch"}


async def test_a_service_that_cannot_be_asked_is_named_with_the_reason(tmp_path: Path) -> None:
    async def elsewhere(to: Address, query: bytes, timeout_s: float) -> Reception:
        return Reception(End.REPLY, query[:2] + b"\x81\x83" + query[4:])

    async with source(tmp_path) as (real, _):
        for exchange, said in ((silent, "no reply in 1 s"), (elsewhere, "NXDOMAIN")):
            theirs, ours = await replace(real, udp=exchange).walks(APP)
            assert said in theirs.result.facts["error"]
            assert theirs.queries == 0
            assert ours.result.facts["addresses"]


class Forwarding:
    """A kubelet whose pods answer over TCP as the own chain does."""

    def __init__(self, own: chain.OwnChain) -> None:
        self.own = own
        self.asked: list[tuple[tuple[str, str], int]] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self.answer, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield

    async def connect(self, pod: tuple[str, str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.asked.append((pod, port))
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        query = self.own.answerer.decode(wire, "tcp", ("127.0.0.1", 1), ("127.0.0.1", 53))
        assert isinstance(query, Query)
        reply = (await self.own.answerer.answer(query))[0]
        whole = len(reply).to_bytes(2) + reply
        for half in (whole[:5], whole[5:]):  # frames are no messages
            writer.write(half)
            await writer.drain()
        writer.close()


async def silent(to: Address, query: bytes, timeout_s: float) -> Reception:
    return Reception(End.NO_REPLY, b"", timeout_s)


async def test_a_service_behind_the_api_alone_is_asked_by_port_forward(tmp_path: Path) -> None:
    async with source(tmp_path) as (real, api):
        kubelet = Forwarding(real.chain)
        api.kubelet = cast("Any", kubelet)
        async with kubelet.running():
            theirs, ours = await replace(real, udp=silent).walks(APP)
        assert theirs.result.facts["addresses"] == ours.result.facts["addresses"] == ["10.96.0.1"]
        pods = {pod["metadata"]["name"] for pod in api.cluster.list("Pod", "kube-system", "k8s-app=kube-dns")}
        assert {(space, port) for (space, _), port in kubelet.asked} == {("kube-system", 53)}
        assert {name for (_, name), _ in kubelet.asked} <= pods
        routes = [step for step in theirs.steps if step.kind is Kind.ROUTE]
        assert len(routes) == theirs.queries > 1
        assert all(mentions(step.says, "TCP port-forward kube-system/coredns") for step in routes)
        assert "no reply in 1 s" in routes[0].says  # why it is not the way of the pod


async def test_a_port_forward_that_is_not_allowed_is_named_with_the_right(tmp_path: Path) -> None:
    class Forbidding(Documents):
        @asynccontextmanager
        async def port(self, pod: str, port: int) -> AsyncIterator[ForwardedPort]:
            raise Refused("portforward is refused (403)", 403, "")
            yield

    async with source(tmp_path) as (real, _):
        real.api.__class__ = Forbidding
        theirs, ours = await replace(real, udp=silent).walks(APP)
        assert mentions(theirs.result.facts["error"], "10.96.0.10 get create pods/portforward kube-system")
        assert theirs.queries == 0
        assert ours.result.facts["addresses"]


async def test_what_there_is_not_is_named_with_what_there_is(tmp_path: Path) -> None:
    async with source(tmp_path) as (real, _):
        for asked, said in (
            (Asked("default/nobody", "web"), "default/app"),
            (Asked("../../x", "web"), "default/app"),
            (Asked("default/app", "web", "go"), "musl"),
            (Asked("default/app", ""), "name"),
            (Asked("default/app", "web", "", "AAA"), "AAAA"),
        ):
            with pytest.raises(Wrong, match=said):
                await real.walks(asked)


async def test_a_fault_of_a_permalink_is_refused(tmp_path: Path) -> None:
    async with source(tmp_path) as (real, _):
        await real.set_faults([])
        with pytest.raises(Wrong, match=r"lose at kube-dns.*minidns-sim web"):
            await real.set_faults(["lose at kube-dns"])


async def test_it_is_the_same_page_read_only(tmp_path: Path) -> None:
    async with (
        source(tmp_path) as (real, _),
        PageServer(real, Events(), "t" * 40).serving(port=0) as url,
        ClientSession() as http,
    ):
        base = f"http://{urlsplit(url).netloc}"
        query = {"token": "t" * 40, **APP._asdict()}
        async with http.get(f"{base}/walk", params=query) as reply:
            text = await reply.text()
        assert reply.status == 200
        assert 'data-read-only="true"' in text
        assert text.count('class="side"') == 2
        async with http.get(f"{base}/walk", params={**query, "part": "json"}) as reply:
            assert [walk["service"] for walk in json.loads(await reply.text())["walks"]] == ["kube-dns", "minidns"]
        async with http.post(f"{base}/do/add", json={"words": "lose link app>node"}, params=query) as reply:
            assert reply.status == 400
            assert "read only" in await reply.text()
        async with http.get(f"{base}/walk", params={**query, "token": ""}) as reply:
            assert reply.status == 403


async def test_the_picture_shows_the_way_that_queries_take(tmp_path: Path) -> None:
    async with source(tmp_path) as (real, api):
        theirs, ours = await real.walks(APP)
        left = drawing.boxes(theirs)
        assert left["proxy"] == Box("kube-proxy", theirs.server)
        assert [left[name].words for name in ("server", "chain", "up")] == [drawing.UNKNOWN] * 3
        right = drawing.boxes(ours)
        assert not right["proxy"].is_passed
        assert theirs.server not in right["proxy"].words
        assert (right["server"].words, right["chain"].words) == ("this process", "kubernetes")
        api.kubelet = cast("Any", kubelet := Forwarding(real.chain))
        async with kubelet.running():
            theirs, _ = await replace(real, udp=silent).walks(APP)
        left = drawing.boxes(theirs)
        assert left["proxy"] == Box("API server", "port-forward")
        assert left["server"].words in {name for (_, name), _ in kubelet.asked}
        assert [left[name].words for name in ("chain", "up")] == [drawing.UNKNOWN] * 2


async def test_the_picture_of_a_service_that_cannot_be_asked_has_nobody(tmp_path: Path) -> None:
    async with source(tmp_path) as (real, _):
        theirs, _ = await replace(real, udp=silent).walks(APP)
    boxes = drawing.boxes(theirs)
    assert not boxes["proxy"].is_passed
    assert {boxes[name].words for name in ("server", "chain", "up")} == {"not asked"}


async def test_the_kubelet_writes_what_it_wrote_alone(tmp_path: Path) -> None:
    async with source(tmp_path) as (real, _):
        theirs, ours = await real.walks(APP)
    said = [next(step.says for step in walk.steps if step.kind is Kind.CONFIG) for walk in (theirs, ours)]
    assert "kubelet" in said[0]
    assert "kubelet" not in said[1]
    assert mentions(said[1], f"127.0.0.1 {kube_system.CLUSTER_DNS}")
    assert ours.client.replaced == (kube_system.CLUSTER_DNS,)


async def test_a_name_of_an_upstream_says_that_the_sides_asked_different_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "resolv.conf"
    here.write_text("nameserver 127.0.0.77\n")  # nobody listens there
    monkeypatch.setattr("minidns.laptop.corefile.resolv_conf", lambda: str(here))
    async with source(tmp_path) as (real, _):
        (theirs, ours) = await real.walks(APP)
        assert (theirs.note, ours.note) == ("", "")
        _, ours = await real.walks(APP._replace(name="google.com."))
    assert mentions(ours.note, "127.0.0.77 kube-dns upstream")
    assert ours.note in unescape(sides([ours]))
