"""The search list of a Pod, from its address to the answer: both plugins in a chain."""

from minidns import plugins
from minidns.dns.model import Rcode, Response
from minidns.plugins import chain
from minidns.plugins.site import Site
from tests.conformance.api import Api, Tree
from tests.table import table
from tests.world import World, query, texts

POD, STRANGER = "10.0.0.1", "10.0.0.2"
COREFILE = """\
.:53 {
    autopath @kubernetes
    kubernetes cluster.local {
        pods %s
        ttl 30
    }
    template IN A example.net {
        match ^www[.]example[.]net[.]$
        answer "{{ .Name }} 60 IN A 192.0.2.80"
        fallthrough
    }
    template ANY ANY net {
        rcode NXDOMAIN
    }
}
"""
TREES: list[Tree] = [
    {"kind": "Namespace", "metadata": {"name": "prod"}},
    {"kind": "Service", "metadata": {"namespace": "prod", "name": "web"}, "spec": {"clusterIP": "10.96.0.1"}},
    {"kind": "Pod", "metadata": {"namespace": "prod", "name": "client"}, "status": {"podIP": POD, "phase": "Running"}},
]


async def answered(name: str, peer: str, pods: str) -> tuple[Response, Site]:
    world = World(files={"/etc/resolv.conf": "search example.net\n"}, list_watch=Api(TREES).list_watch)
    site = world.site(COREFILE % pods)
    site.top = chain.build(plugins.configure(site))
    for hook in site.hooks.start:
        await hook()
    try:
        return await site.top(query(name, peer=peer)), site
    finally:
        await site.stop()


ALIAS = "www.example.net"
FOUND = {
    "in-the-cluster-at-once": ("web.prod.svc.cluster.local.", ["web.prod.svc.cluster.local. 30 A 10.96.0.1"]),
    "next-domain-of-the-cluster": (
        "web.prod.prod.svc.cluster.local.",
        [
            "web.prod.prod.svc.cluster.local. 30 CNAME web.prod.svc.cluster.local.",
            "web.prod.svc.cluster.local. 30 A 10.96.0.1",
        ],
    ),
    "domain-of-the-server's-resolv.conf": (
        "www.prod.svc.cluster.local.",
        [f"www.prod.svc.cluster.local. 60 CNAME {ALIAS}.", f"{ALIAS}. 60 A 192.0.2.80"],
    ),
    "bare-name": (
        f"{ALIAS}.prod.svc.cluster.local.",
        [f"{ALIAS}. 60 A 192.0.2.80", f"{ALIAS}.prod.svc.cluster.local. 60 CNAME {ALIAS}."],
    ),
}


@table(("name", "lines"), FOUND.values(), ids=FOUND)
async def test_a_pod_is_answered_with_what_its_search_list_finds(name: str, lines: list[str]) -> None:
    response, site = await answered(name, POD, "verified")
    assert texts(response.answer) == sorted(lines)
    counted = site.metrics.value("coredns_autopath_success_total", {"server": "dns://:53"})
    assert counted == 1


@table(("peer", "pods"), [(STRANGER, "verified"), (POD, "insecure"), (POD, "disabled")])
async def test_who_is_not_known_is_answered_as_without_it(peer: str, pods: str) -> None:
    response, _ = await answered(f"{ALIAS}.prod.svc.cluster.local.", peer, pods)
    assert (response.rcode, response.answer) == (Rcode.NXDOMAIN, ())
