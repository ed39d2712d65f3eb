"""*acl* is respected in every order of plugins, whatever was asked before.

The server remembers replies beside the plugins; these tests ask through that memory, so
that what one client was told cannot reach another.
"""

import json
from collections.abc import Sequence

import dns.message
import dns.rcode
import pytest

from minidns import plugins
from minidns.corefile.releases import RELEASES, Release
from minidns.dns.model import Dropped
from minidns.dns.wire import encode_response
from minidns.server import explain
from minidns.server.answer import Answerer
from minidns.server.remembered import Memory, Miss
from tests.conformance.api import Api, Tree
from tests.table import table
from tests.whole import SERVER, Resolver, Whole, whole
from tests.world import settle

FRIEND, STRANGER = "192.0.2.10", "198.51.100.10"
NAMES = ("www.example.org.", "web.prod.svc.cluster.local.")
EACH_ORDER = list({plugins.order(each): each for each in RELEASES}.values())
"""A release for each order that plugins ever had."""
CACHE_ABOVE_ACL = [each for each in RELEASES if (1, 14, 2) <= each < (1, 14, 7)]
COREFILE = """\
.:53 {
    acl {
        ACTION net 198.51.100.0/24
    }
    CACHE
    loadbalance
    kubernetes cluster.local
    forward . 192.0.2.1
}
"""
TREES: list[Tree] = [
    {"kind": "Namespace", "metadata": {"name": "prod"}},
    {"kind": "Service", "metadata": {"namespace": "prod", "name": "web"}, "spec": {"clusterIP": "10.96.0.1"}},
    {"kind": "Service", "metadata": {"namespace": "prod", "name": "secret"}, "spec": {"clusterIP": "10.96.0.2"}},
    {
        "kind": "Service",
        "metadata": {"namespace": "prod", "name": "alias"},
        "spec": {"type": "ExternalName", "externalName": "secret.example.net"},
    },
    {
        "kind": "Pod",
        "metadata": {"namespace": "prod", "name": "client"},
        "status": {"podIP": STRANGER, "phase": "Running"},
    },
]
RESOLVER = {
    ("www.example.org.", "A"): ["www.example.org. 300 A 192.0.2.80"],
    ("secret.example.net.", "A"): ["secret.example.net. 300 A 192.0.2.81"],
    ("alias.example.org.", "A"): ["alias.example.org. 300 CNAME www.example.org."],
}


class Edge:
    """A listener without sockets: remembered replies first, then the chain."""

    def __init__(self, server: Whole, *, remembers: bool) -> None:
        self._answerer: Answerer = server.answerer()
        self._memory = Memory() if remembers else None
        self._now = server.world.clock.now

    async def ask(self, name: str, peer: str) -> str:
        """Return the rcode and the number of records, or that there was no reply."""
        wire = dns.message.make_query(name, "A", id=1).to_wire()
        key = "udp4", wire[2:]
        tail = self._memory and self._memory.get(key, self._now())
        if tail:
            return _fate(dns.message.from_wire(wire[:2] + tail))
        miss = Miss(key, True, True, 0, 0)  # as if it had been asked before
        query = self._answerer.decode(wire, "udp", (peer, 4000), (SERVER, 53), miss)
        assert query is not None
        assert not isinstance(query, bytes)
        try:
            response = await self._answerer.respond(query)
        except Dropped:
            return "dropped"
        reply = encode_response(query, response)
        if self._memory is not None:
            self._memory.put(miss, query, response, reply)
        return _fate(dns.message.from_wire(reply))


def _fate(reply: dns.message.Message) -> str:
    return f"{dns.rcode.to_text(reply.rcode())} {len(reply.answer)}"


DENIED = {"block": "REFUSED 0", "filter": "NOERROR 0", "drop": "dropped"}
HISTORIES = [[FRIEND, FRIEND, STRANGER, FRIEND, STRANGER], [STRANGER, FRIEND, STRANGER, STRANGER, FRIEND]]


async def _played(text: str, release: Release, name: str, peers: list[str], *, remembers: bool) -> list[str]:
    resolver = Resolver(RESOLVER)
    async with whole(text, release=release, resolver=resolver, api=Api(TREES)) as server:
        edge = Edge(server, remembers=remembers)
        return [await edge.ask(name, peer) for peer in peers]


@pytest.mark.slow
@pytest.mark.parametrize("release", EACH_ORDER, ids=str)
@pytest.mark.parametrize("action", DENIED)
@pytest.mark.parametrize("cache", ["cache 30", "cache 30 {\ndisable success\n}", ""])
@pytest.mark.parametrize("name", NAMES)
async def test_client_is_denied_whatever_others_asked(release: Release, action: str, cache: str, name: str) -> None:
    text = COREFILE.replace("ACTION", action).replace("CACHE", cache)
    for peers in HISTORIES:
        fates = await _played(text, release, name, peers, remembers=True)
        # the memory of the server changes nothing
        assert fates == await _played(text, release, name, peers, remembers=False)
        if cache == "cache 30" and release in CACHE_ABOVE_ACL:
            continue  # what one client was told is in the cache for all, as in CoreDNS
        for peer, fate in zip(peers, fates, strict=True):
            assert fate == (DENIED[action] if peer == STRANGER else "NOERROR 1")


@table("release", CACHE_ABOVE_ACL, ids=str)
async def test_cache_above_acl_is_as_in_coredns(release: Release) -> None:
    text = COREFILE.replace("ACTION", "block").replace("CACHE", "cache 30")
    peers = [STRANGER, FRIEND, STRANGER]
    fates = await _played(text, release, NAMES[0], peers, remembers=True)
    assert fates == ["REFUSED 0", "NOERROR 1", "NOERROR 1"]


SEARCHING = """\
.:53 {
    acl secret.example.net secret.prod.svc.cluster.local {
        ACTION net 198.51.100.0/24
    }
    autopath @kubernetes
    kubernetes cluster.local {
        pods verified
    }
    forward . 192.0.2.1
}
"""


@table("release", EACH_ORDER, ids=str)
@table("action", DENIED)
@table(
    "name", ["secret.example.net.prod.svc.cluster.local.", "secret.prod.prod.svc.cluster.local."]
)  # fmt: skip
async def test_search_list_does_not_lead_around_acl(release: Release, action: str, name: str) -> None:
    text = SEARCHING.replace("ACTION", action)
    fates = await _played(text, release, name, [STRANGER] * 2, remembers=True)
    assert fates == [DENIED[action]] * 2


async def test_search_list_finds_what_is_allowed() -> None:
    for release in EACH_ORDER:
        text = SEARCHING.replace("ACTION", "allow")
        name = "secret.prod.prod.svc.cluster.local."
        assert await _played(text, release, name, [STRANGER], remembers=True) == ["NOERROR 2"]


# -- names that the server itself looks up to complete an answer

ALIASES = {
    "ExternalName": ("alias.prod.svc.cluster.local.", "A", "kubernetes cluster.local"),
    "rewrite": ("alias.example.org.", "A", "rewrite cname exact www.example.org. secret.example.net."),
    "template": (
        "alias.example.org.", "A",
        'template IN A alias.example.org {\nanswer "{{ .Name }} 60 IN CNAME secret.example.net."\n}',
    ),
}  # fmt: skip
"""A name that leads to secret.example.net, and the lines of its plugin, by plugin."""
DECIDERS = {
    "block": ".:53 {\nacl secret.example.net {\nblock net 198.51.100.0/24\n}\nLINES\n}",
    "filter": ".:53 {\nacl secret.example.net {\nfilter net 198.51.100.0/24\n}\nLINES\n}",
    "drop": ".:53 {\nacl secret.example.net {\ndrop net 198.51.100.0/24\n}\nLINES\n}",
    "view": (
        "secret.example.net:53 {\nview friends {\nexpr incidr(client_ip(), '192.0.2.0/24')\n}\n"
        "forward . 192.0.2.1\n}\nsecret.example.net:53 {\nerrors\n}\n.:53 {\nLINES\n}"
    ),
}  # fmt: skip
"""Lines that give the records of secret.example.net to the friend, and not to the stranger."""


@table("decider", DECIDERS)
@table("plugin", ALIASES)
async def test_what_completes_an_answer_is_decided_for_each_client(plugin: str, decider: str) -> None:
    name, _, lines = ALIASES[plugin]
    common = "cache 30\nkubernetes cluster.local\nforward . 192.0.2.1\n"
    more = "" if plugin == "ExternalName" else f"{lines}\n"
    text = DECIDERS[decider].replace("LINES", common + more)
    alone = {peer: (await _played(text, RELEASES[-1], name, [peer], remembers=False))[0] for peer in (FRIEND, STRANGER)}
    assert alone[FRIEND] != alone[STRANGER]
    for peers in HISTORIES:
        fates = await _played(text, RELEASES[-1], name, peers, remembers=True)
        assert fates == [alone[peer] for peer in peers]


SELF_REFERENT = {
    "dns64": ("dns64", "AAAA", "198.51.100.10", "2001:db8::10"),
    "template": (
        'template IN A secret.example.net {\nanswer "{{ .Name }} 60 IN A {{ .Remote }}"\n}',
        "A", FRIEND, STRANGER,
    ),
}  # fmt: skip
"""By plugin: its lines, a type, and two clients whose answers differ."""


@table("release", [RELEASES[-1], CACHE_ABOVE_ACL[0]], ids=str)
@table("above", ["", "acl {\nblock type ANY\n}\n"])
@table("plugin", SELF_REFERENT)
async def test_what_depends_on_the_client_is_not_cached_behind_an_alias(
    plugin: str, above: str, release: Release
) -> None:
    lines, qtype, *clients = SELF_REFERENT[plugin]
    common = "cache 30\nkubernetes cluster.local\nforward . 192.0.2.1\n"
    text = f".:53 {{\n{above}{common}{lines}\n}}"

    async def answers(peers: Sequence[str]) -> list[list[str]]:
        records = {**RESOLVER, ("secret.example.net.", "AAAA"): []}
        async with whole(text, release=release, resolver=Resolver(records), api=Api(TREES)) as server:
            replies = [await server.ask("alias.prod.svc.cluster.local.", qtype, peer=peer) for peer in peers]
        sections = [(*reply.answer, *reply.additional) for reply in replies if reply]
        return [sorted(str(rrset) for rrset in section) for section in sections]

    alone = {peer: (await answers([peer]))[0] for peer in clients}
    assert len(set(map(str, alone.values()))) == 2
    for order in (clients, clients[::-1], [*clients, *clients]):
        assert await answers(order) == [alone[peer] for peer in order]


# -- minidns why


async def _why(text: str, name: str, client: str, at: str = "") -> tuple[int, str]:
    async with whole(text, resolver=Resolver(RESOLVER), api=Api(TREES)) as server:
        await settle()
        parameters = {"name": name, "client": client, **({"at": at} if at else {})}
        wall = server.world.edges.wall()
        reply = await explain.why(server.instance, server.answerer(), parameters, "127.0.0.1:8053", wall)
        return reply.status, reply.body.decode()


@table("at", ["", "0s"], ids=["now", "past"])
@table("action", DENIED)
async def test_why_tells_nothing_that_the_client_is_denied(action: str, at: str) -> None:
    text = COREFILE.replace("ACTION", action).replace("CACHE", "")
    status, body = await _why(text, NAMES[1], STRANGER, at)
    found = json.loads(body)
    assert status == 200
    assert found["rule"] == f"acl/{action}"
    assert not found["details"]
    assert "10.96.0.1" not in body
    assert "prod/web" not in body
    _, body = await _why(text, NAMES[1], FRIEND, at)
    assert "10.96.0.1" in body
    assert "prod/web" in body


async def test_why_does_not_hint_at_names_that_are_denied() -> None:
    text = SEARCHING.replace("ACTION", "block").replace("autopath @kubernetes", "")
    name = "secre.prod.svc.cluster.local."
    _, body = await _why(text, name, STRANGER)
    assert "secret" not in body
    _, body = await _why(text, name, FRIEND)
    assert "secret" in body


@table("client", ["", "localhost", "192.0.2.300", "\x1b[0m"])
async def test_why_needs_an_address_of_a_client(client: str) -> None:
    status, _ = await _why(SEARCHING.replace("ACTION", "block"), NAMES[1], client)
    assert status == 400
