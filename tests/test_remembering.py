"""With the edge's memory on, answers are those of the chain without it, at any time."""

import asyncio
from random import Random

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.kubernetes.objects import Key, Namespace, Service
from minidns.kubernetes.resources import Applied, Event
from minidns.metrics.registry import Labels
from minidns.server.remembered import Memory, Miss
from tests.kubernetes.histories import QUESTIONS, histories
from tests.whole import CLIENT, SERVER, Whole, whole

PLAIN = """. {
    errors
    prometheus 127.0.0.1:0
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        %s
        fallthrough in-addr.arpa ip6.arpa
    }
    whoami
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
}
"""
OTHER_BLOCK = PLAIN + "q.a.svc.cluster.local {\n    whoami\n}\n"
ABOVE = PLAIN.replace("errors", "errors\n    rewrite name q.a.svc.cluster.local s.a.svc.cluster.local")  # fmt: skip
NO_FALLTHROUGH = PLAIN.replace("fallthrough in-addr.arpa ip6.arpa", "")
UNCACHED = PLAIN[: PLAIN.index("    cache")] + "}\n"
ALL_CACHED = UNCACHED.replace("whoami", "whoami\n    cache 30")
TTLS_ABOVE = ALL_CACHED.replace("errors", "errors\n    rewrite ttl regex .* 10-20")
CACHED = PLAIN.replace("cache 30", "cache 3 q.a.svc.cluster.local")
UNUNCACHED = PLAIN[: PLAIN.index("    cache")] + "}\n"
ALL_CACHED = UNCACHED.replace("whoami", "whoami\n    cache 30")
TTLS_ABOVE = ALL_CACHED.replace("errors", "errors\n    rewrite ttl regex .* 10-20")
CACHED = PLAIN[: PLAIN.index("    cache")] + "}\n"
COREFILES = {
    "kubeadm": PLAIN % "pods insecure",
    "verified": PLAIN % "pods verified",
    "strict": PLAIN % "strict",
    "without-a-cache": UNCACHED % "",
    "all-cached": ALL_CACHED % "",
    "bounded-ttls-above-the-cache": TTLS_ABOVE % "",
    "zonal": PLAIN % "zonal",
    "fallthrough": PLAIN % "fallthrough",
    "reverse-zones-of-its-own": NO_FALLTHROUGH % "pods insecure",
    "another-block-for-one-name": OTHER_BLOCK % "pods insecure",
    "a-plugin-for-one-name": ABOVE % "pods insecure",
    "a-cache-for-one-name": CACHED % "pods insecure",
}
SIBLINGS = [
    (name, qtype)
    for label in ("q", "x", "Y", "s", "t", "h", "_", "*", "1", "\\046", "\\\\", "\\255")
    for end in ("", "a.", "b.", "c.", "s.a.", "q.a.", "one.more.a.", "q.one.more.a.")
    for name, qtype in (
        (f"{label}.{end}svc.cluster.local", "A"),
        (f"{label}.{end}svc.cluster.local", "SRV"),
        (f"{label}.{end}example.cluster.local", "A"),
    )
] + [
    (f"{label}.0.0.10.in-addr.arpa", "PTR")  # of an endpoint, and of none
    for label in ("1", "2", "3", "x", "y")
]


class Edge:
    """Two listeners without sockets, one with remembered replies and one without."""

    def __init__(self, server: Whole) -> None:
        self.memory = Memory()
        self.repeated = 0
        (self.cluster,) = (site.offers.cluster for site in server.instance.sites if site.offers.cluster)
        self._answerer = server.answerer()
        self._now = server.world.edges.now

    async def fresh(self, wire: bytes, miss: Miss | None = None) -> bytes:
        """Answer by the chain."""
        peer, local = (CLIENT, 40000), (SERVER, 53)
        query = self._answerer.decode(wire, "udp", peer, local, miss)
        assert query is not None
        if isinstance(query, bytes):
            return query
        response = await self._answerer.respond(query)
        reply = self._answerer.encode(query, response)
        if miss is not None:
            self.memory.put(miss, query, response, reply)
        return reply

    async def ask(self, wire: bytes) -> bytes:
        """Answer from memory where that can be done."""
        key = "udp4", wire[2:]
        if (tail := self.memory.get(key, self._now())) is not None:
            self.repeated += 1
            return wire[:2] + tail
        return await self.fresh(wire, self.memory.miss(key))

    def change(self, event: Event) -> None:
        self.memory.invalidate(self.cluster.main.apply(event))


def wires(rng: Random, count: int) -> list[bytes]:
    """Return questions; names that do not exist are among them again and again."""
    asked = rng.choices(QUESTIONS, k=count // 4) + rng.choices(SIBLINGS, k=count)
    rng.shuffle(asked)
    return [
        dns.message.make_query(name, qtype, id=rng.randrange(65536), use_edns=rng.choice((None, 0))).to_wire()
        for name, qtype in asked
    ]


async def compare(corefile: str, history: list[Event], rng: Random) -> None:
    async with whole(corefile) as server:
        edge = Edge(server)
        for event in history:
            server.world.clock.time += rng.choice((0, 1, 40))
            edge.change(event)
            for wire in wires(rng, 40):
                want = await edge.fresh(wire)
                assert await edge.ask(wire) == want, dns.message.from_wire(wire)


@pytest.mark.slow
@pytest.mark.parametrize("corefile", COREFILES.values(), ids=COREFILES)
@settings(max_examples=settings().max_examples // 10)  # each has some hundred queries
@given(history=histories, rng=st.randoms(use_true_random=True))
def test_any_history(corefile: str, history: list[Event], rng: Random) -> None:
    asyncio.run(compare(corefile, history, rng))


COUNTED = (
    "coredns_dns_requests_total",
    "coredns_dns_responses_total",
    "coredns_dns_request_size_bytes",
    "coredns_dns_response_size_bytes",
    "coredns_cache_misses_total",
)


def counts(server: Whole) -> list[dict[Labels, object]]:
    """Return what CoreDNS's metrics say of the queries."""
    families = server.world.metrics.families()
    return [dict(family.values) for family in families if family.name in COUNTED]


async def test_one_entry_answers_many_names_and_counts_them() -> None:
    corefile = COREFILES["kubeadm"]
    async with whole(corefile) as server, whole(corefile) as other:
        edge, without = Edge(server), Edge(other)
        for number in range(100, 200):
            name = f"X{number}.nowhere.svc.cluster.local"
            wire = dns.message.make_query(name, "A").to_wire()
            reply = await edge.ask(wire)
            assert reply == await without.fresh(wire)
            assert str(dns.message.from_wire(reply).question[0].name) == f"{name}."
        edge.memory.report()
        assert edge.repeated == 98
        assert len(edge.memory.entries) == 1
        assert counts(server) == counts(other)


async def test_addresses_are_never_taken_for_siblings() -> None:
    async with whole(COREFILES["reverse-zones-of-its-own"]) as server:
        edge = Edge(server)
        edge.change(Applied(Namespace(Key("", "a"))))
        edge.change(Applied(Service(Key("a", "s"), cluster_ips=("10.96.0.1",))))
        found = []
        for label in "xyz12":
            wire = dns.message.make_query(f"{label}.0.96.10.in-addr.arpa", "PTR").to_wire()
            found.append(len(dns.message.from_wire(await edge.ask(wire)).answer))
        assert found == [0, 0, 0, 1, 0]
