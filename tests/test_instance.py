"""Corefiles of real clusters, loaded whole: plugins, listeners, answers; and broken ones."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import dns.message
import pytest

from minidns import plugins
from minidns.corefile import blocks
from minidns.corefile.errors import ConfigError
from minidns.kubernetes.objects import Key, Namespace, Port, Service
from minidns.kubernetes.resources import Applied
from minidns.metrics.registry import Metrics
from minidns.server.answer import Answerer
from minidns.server.instance import Instance, Listener
from tests.corefiles import ENVIRON, MOUNT, Case, cases
from tests.table import table
from tests.world import World

CLIENT = "10.244.1.7"
RESOLV_CONF = "nameserver 192.0.2.53\nsearch example.org\n"
OUTSIDE = {
    "/etc/resolv.conf": RESOLV_CONF,
    "/etc/hosts": "127.0.0.1 localhost\n192.0.2.9 node.example.org\n",
    "/rootfs/etc/hosts": "192.0.2.10 master.internal.kops.k8s.local\n",
    "/tmp/hosts/hosts": "192.0.2.11 node.microshift.example.org\n",
}
UNSUPPORTED = {"encrypted-listeners": "https://.:443: https is not supported by minidns"}
"""Real ones with a plugin that minidns does not have: refused, and said so."""


class Mounted:
    """A collection's files beside those of the machine."""

    def __init__(self, case: Case) -> None:
        self._folder = case.files

    def read(self, path: str) -> str:
        return OUTSIDE[path] if path in OUTSIDE else self._folder.read(path)

    def glob(self, pattern: str) -> list[str]:
        return self._folder.glob(pattern)


async def echo(wire: bytes) -> bytes:
    """Answer as an outside resolver would: 192.0.2.80 for every A."""
    query = dns.message.from_wire(wire)
    reply = dns.message.make_response(query)
    reply.flags |= 0x80
    if query.question[0].rdtype == 1:
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "A", "192.0.2.80"))
    return reply.to_wire()


@contextlib.asynccontextmanager
async def loaded(case: Case) -> AsyncIterator[Instance]:
    environ = {**ENVIRON, "KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"}
    world = World(
        environ=environ,
        answer=lambda to, wire: echo(wire),
        list_watch=lambda access, resource: None,  # type: ignore[arg-type,return-value]  # the store is filled by hand
    )
    edges = world.edges
    object.__setattr__(edges, "files", Mounted(case))
    parsed = blocks.parse(
        case.text, file="Corefile", files=edges.files, environ=environ, known=plugins.ORDER, directory=MOUNT
    )
    instance = Instance(
        parsed,
        edges,
        Metrics(),
        read=lambda: parsed,
        reload=_nothing,
        fatal=lambda text: None,
        forget=lambda keys: None,
    )
    try:
        yield instance
    finally:
        await instance.stop()


async def _nothing() -> None: ...


def fill(instance: Instance) -> None:
    """Give every kubernetes plugin the Services that answers are asked for."""
    for site in instance.sites:
        if site.offers.cluster is None:
            continue
        store = site.offers.cluster.main
        for space in ("default", "kube-system"):
            store.apply(Applied(Namespace(Key("", space))))
        ports = (Port("dns", "UDP", 53),)
        store.apply(Applied(Service(Key("default", "kubernetes"), cluster_ips=("10.96.0.1",))))
        store.apply(Applied(Service(Key("kube-system", "kube-dns"), cluster_ips=("10.96.0.10",), ports=ports)))


async def ask(
    instance: Instance, name: str, qtype: str = "A", client: str = CLIENT
) -> tuple[dns.message.Message, Listener]:
    """Ask the listener with the most zones, as a client on the network would."""
    listener = max(instance.routes, key=lambda each: len(instance.zones_of(each)))
    answerer = Answerer(str(listener), instance.routes[listener])
    wire = dns.message.make_query(name, qtype).to_wire()
    query = answerer.decode(wire, "udp", (client, 40000), ("192.0.2.7", 53))
    assert query is not None
    assert not isinstance(query, bytes)
    async with asyncio.timeout(10):
        (reply,) = await answerer.answer(query)
    return dns.message.from_wire(reply), listener


BROKEN = [case for case in cases("broken") if case.error.startswith("plugin/")]


@table("case", BROKEN, ids=lambda case: case.name)
async def test_a_broken_corefile_gives_the_line_coredns_gives(case: Case) -> None:
    with pytest.raises(ConfigError) as caught:
        async with loaded(case):
            pass
    assert str(caught.value) == case.error


REAL = [case for case in cases("real") if case.name not in UNSUPPORTED]


@table("case", REAL, ids=lambda case: case.name)
async def test_a_real_corefile_loads_with_its_plugins_in_their_order(case: Case) -> None:
    async with loaded(case) as instance:
        for site, line in zip(instance.sites, case.blocks, strict=True):
            keys, _, directives = line.partition(" | ")
            assert keys.split()[0] in {str(key) for key in site.block.keys}
            wanted = set(directives.split())
            assert set(site.handlers) <= wanted
            order = [plugins.ORDER.index(name) for name in site.handlers]
            assert order == sorted(order)


def clusters(case: Case) -> list[str]:
    """Return the cluster domains that a Corefile serves, from its own words."""
    return [
        zone
        for zone in ("cluster.local", "k8s.example.org", "cluster.example.org")
        if re.search(rf"kubernetes +{re.escape(zone)}\b", case.text)
    ]


def forwards(case: Case) -> bool:
    """Return whether a Corefile forwards everything it does not know."""
    return re.search(r"forward +\.", case.text) is not None


@table("case", [each for each in REAL if clusters(each)], ids=lambda case: case.name)
async def test_a_real_corefile_answers_a_cluster_name(case: Case) -> None:
    async with loaded(case) as instance:
        fill(instance)
        (domain, *_) = clusters(case)
        reply, _ = await ask(instance, f"kube-dns.kube-system.svc.{domain}.")
        assert [str(rdata) for rdata in reply.answer[0]] == ["10.96.0.10"]
        reply, _ = await ask(instance, "10.0.96.10.in-addr.arpa.", "PTR")
        assert str(reply.answer[0][0]) == f"kube-dns.kube-system.svc.{domain}."


@table("case", [each for each in REAL if forwards(each)], ids=lambda case: case.name)
async def test_a_real_corefile_forwards_an_outside_name(case: Case) -> None:
    async with loaded(case) as instance:
        served = {zone for route in instance.routes for zone in instance.zones_of(route)}
        name = "www.example.net." if "." in served else f"outside.{min(served)}"
        reply, _ = await ask(instance, name)
        assert [str(rdata) for rdata in reply.answer[0]] == ["192.0.2.80"]


@pytest.mark.parametrize(("client", "address"), [(CLIENT, "192.0.2.30"), ("192.0.2.9", "192.0.2.80")])
async def test_the_real_corefile_with_a_view_answers_by_client(client: str, address: str) -> None:
    (case,) = (each for each in cases("real") if each.name == "views")
    async with loaded(case) as instance:
        reply, _ = await ask(instance, "www.example.org.", client=client)
        assert [str(rdata) for rdata in reply.answer[0]] == [address]


@pytest.mark.parametrize(
    "case", [each for each in REAL if not clusters(each) and not forwards(each)], ids=lambda case: case.name
)
async def test_a_real_corefile_with_neither_says_who_asks(case: Case) -> None:
    async with loaded(case) as instance:
        reply, _ = await ask(instance, "www.example.org.")
        assert CLIENT in {str(data) for rrset in reply.additional for data in rrset}


@pytest.mark.parametrize(("name", "error"), UNSUPPORTED.items())
async def test_what_minidns_lacks_is_fatal_where_it_would_change_answers(name: str, error: str) -> None:
    (case,) = (each for each in cases("real") if each.name == name)
    with pytest.raises(ConfigError) as caught:
        async with loaded(case):
            pass
    assert str(caught.value) == error
