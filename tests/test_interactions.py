"""Interactions of plugins in one chain."""

import asyncio
import re
from pathlib import Path

import dns.flags
import pytest

from minidns.upstream.upstream import Upstream
from tests import process
from tests.conformance.api import Api, Tree
from tests.table import table
from tests.whole import Resolver, ttls, whole
from tests.world import settle

WWW = "www.example.org."
RECORDS = {(WWW, "A"): [f"{WWW} 300 A 192.0.2.80"]}
WEB = "web.prod.svc.cluster.local."
CLUSTER: list[Tree] = [
    {"kind": "Namespace", "metadata": {"name": "prod"}},
    {"kind": "Service", "metadata": {"namespace": "prod", "name": "web"}, "spec": {"clusterIP": "10.96.0.1"}},
]


BELOW = {
    "hosts": ("hosts {\n192.0.2.1 www.example.org\nttl 3600\n}", WWW, 30),
    "template": ('template IN A {\nanswer "{{ .Name }} 300 IN A 192.0.2.1"\n}', WWW, 30),
    "rewrite": (f"rewrite name {WWW} a.example.org\nhosts {{\n192.0.2.1 a.example.org\n}}", WWW, 30),
    "kubernetes": ("kubernetes cluster.local {\nttl 7\n}", WEB, 7),
}


@table(("lines", "name", "ttl"), BELOW.values(), ids=BELOW)
async def test_what_answers_is_cached_and_levelled(lines: str, name: str, ttl: int) -> None:
    async with whole(f". {{\n{lines}\ncache 30\n}}\n", api=Api(CLUSTER)) as server:
        first = await server.ask(name)
        assert ttls(first) == {ttl}
        await server.pass_(2)
        second = await server.ask(name)
        assert ttls(second) == {ttl - 2}
        hits = {"server": "dns://:53", "type": "success", "zones": ".", "view": ""}
        assert server.world.metrics.value("coredns_cache_hits_total", hits) == 1


async def test_a_change_is_seen_when_the_cache_lets_go() -> None:
    text = ". {\nhosts /hosts {\nreload 1s\n}\ncache 30\n}\n"
    async with whole(text, files={"/hosts": f"192.0.2.1 {WWW}\n"}) as server:
        await server.ask(WWW)
        server.world.files.texts["/hosts"] = f"192.0.2.2 {WWW}\n"
        await server.pass_(20)
        assert (await server.lines(WWW))[1].endswith("192.0.2.1")
        await server.pass_(11)
        assert (await server.lines(WWW))[1].endswith("192.0.2.2")


async def test_log_and_errors_see_the_clients_name_the_rest_the_rewritten_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    text = """. {
    log
    errors
    rewrite name suffix .old.example.org .new.example.org
    template IN TXT . {
        answer "{{ .Name }} 60 IN TXT {{ .Name }}"
    }
    hosts {
        192.0.2.1 hosts.new.example.org
        fallthrough
    }
    forward . 192.0.2.53
}
"""
    resolver = Resolver(change=lambda query, reply: None)
    async with whole(text, resolver=resolver) as server:
        assert (await server.lines("a.old.example.org.", "TXT"))[1:] == [
            'a.new.example.org. 60 IN TXT "a.new.example.org."'
        ]
        assert (await server.lines("hosts.old.example.org."))[0] == "NOERROR"
        await server.ask("b.old.example.org.")
        checked = {"."}  # of the upstream's health
        assert set(resolver.names) - checked == {"b.new.example.org."}
    said = [record.getMessage() for record in caplog.records]
    assert sum("A IN b.old.example.org. udp" in line for line in said) == 1
    assert sum(line.startswith("2 b.old.example.org. A: ") for line in said) == 1


@table(
    ("lines", "rcode"),
    [
        ("template ANY ANY cluster.local {\nrcode NXDOMAIN\n}", "NXDOMAIN"),
        ("template ANY ANY internal.cloudapp.net {\nrcode NXDOMAIN\n}", "NOERROR"),
        ('template ANY ANY . {\nmatch "[.]reddog[.]$"\nrcode NXDOMAIN\nfallthrough\n}', "NOERROR"),
    ],
    ids=["hides-the-zone", "another-zone", "by-pattern-with-fallthrough"],
)
async def test_a_template_for_a_zone_hides_what_is_in_it(lines: str, rcode: str) -> None:
    text = f". {{\nkubernetes cluster.local\n{lines}\n}}\n"
    async with whole(text, api=Api(CLUSTER)) as server:
        assert (await server.lines(WEB))[0] == rcode


async def test_hosts_without_fallthrough_leaves_pointers_only() -> None:
    text = ". {\nhosts {\n192.0.2.1 a\n}\nkubernetes cluster.local in-addr.arpa {\nfallthrough in-addr.arpa\n}\nforward . 192.0.2.53\n}\n"
    async with whole(text, api=Api(CLUSTER)) as server:
        assert await server.lines(WEB) == ["SERVFAIL"]
        assert await server.lines(WWW) == ["SERVFAIL"]
        assert server.resolver.names == []
        pointer = "1.0.96.10.in-addr.arpa."
        assert (await server.lines(pointer, "PTR"))[1:] == [f"{pointer} 5 IN PTR {WEB}"]
        await server.ask("9.0.0.10.in-addr.arpa.", "PTR")
        assert server.resolver.names == ["9.0.0.10.in-addr.arpa."]


@pytest.mark.parametrize(("fallthrough", "leaks"), [("fallthrough", True), ("fallthrough ip6.arpa", False)])
async def test_fallthrough_without_zones_leaks_cluster_names(fallthrough: str, leaks: bool) -> None:
    text = f". {{\nkubernetes cluster.local {{\n{fallthrough}\n}}\nforward . 192.0.2.53\n}}\n"
    async with whole(text, api=Api(CLUSTER)) as server:
        await server.ask(f"x.{WEB}")
        assert bool(server.resolver.names) == leaks


async def test_a_stub_block_is_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    text = """.:53 {
    errors
    log
    prometheus 127.0.0.1:0
    cache 30
    forward . 192.0.2.53
}
example.org:53 {
    cache 10
    forward . 192.0.2.54
}
example.net:53 {
    forward . 192.0.2.55
}
"""
    async with whole(text, resolver=Resolver(RECORDS)) as server:
        assert ttls(await server.ask(WWW)) == {10}
        assert (await server.ask(WWW)).flags & dns.flags.AA  # its cache's
        server.resolver.change = lambda query, reply: None
        await server.ask("a.example.net.")
        queries = "coredns_dns_requests_total"
        families = {family.name: family for family in server.world.metrics.families()}
        assert families[queries].values == {}
        hits = {"server": "dns://:53", "type": "success", "zones": "example.org."}
        assert server.world.metrics.value("coredns_cache_hits_total", hits) == 1
    said = [record for record in caplog.records if record.name != "asyncio"]
    assert said == []


async def test_some_plugins_are_for_the_process_wherever_they_are_written() -> None:
    ports = [process.free_port() for _ in range(3)]
    text = f"""example.org:53 {{
    health 127.0.0.1:{ports[0]}
    ready 127.0.0.1:{ports[1]}
    prometheus 127.0.0.1:{ports[2]}
}}
.:53 {{
    erratic
    ready 127.0.0.1:{ports[1]}
    hosts {{
        192.0.2.1 a
    }}
}}
"""
    files = {"/etc/hosts": "192.0.2.2 b\n"}
    async with whole(text, files=files) as server:
        assert await process.http(ports[0], "/health") == (200, "OK")
        # of the other block
        assert await process.http(ports[1], "/ready") == (503, "erratic")
        await server.ask(WWW)
        status, page = await process.http(ports[2], "/metrics")
        assert status == 200
        assert 'coredns_hosts_entries{hostsfile="/etc/hosts"}' in page


async def test_the_cache_keeps_one_order_and_each_reply_has_its_own() -> None:
    many = [f"{WWW} 300 A 192.0.2.{n}" for n in range(1, 9)]
    text = ". {\ncache 30\nloadbalance\nforward . 192.0.2.53\n}\n"
    async with whole(text, resolver=Resolver({(WWW, "A"): many})) as server:
        orders = set()
        for _ in range(60):
            (rrset,) = (await server.ask(WWW)).answer
            orders.add(tuple(str(each) for each in rrset))
        assert len(server.resolver.asked) == 1
        assert len(orders) > 1
        assert len({order[0] for order in orders}) == 8


async def test_a_refusal_for_too_many_is_not_kept() -> None:
    text = ". {\nerrors\ncache 30\nforward . 192.0.2.53 {\nmax_concurrent 1\n}\n}\n"
    release = asyncio.Event()

    class Slow(Resolver):
        async def __call__(self, to: Upstream, wire: bytes) -> bytes:
            await release.wait()
            return await super().__call__(to, wire)

    async with whole(text, resolver=Slow(RECORDS)) as server:
        first = asyncio.ensure_future(server.ask("slow.example.org."))
        await settle()
        assert await server.lines(WWW) == ["REFUSED"]
        release.set()
        await first
        assert await server.lines(WWW) == ["NOERROR", f"{WWW} 30 IN A 192.0.2.80"]


@pytest.mark.slow
async def test_each_block_probes_for_loops_in_its_own_zone(tmp_path: Path) -> None:
    zones, port = (("cluster.local", "in-addr.arpa", "ip6.arpa", "."), process.free_port())
    path = tmp_path / "Corefile"
    path.write_text("".join(f"{zone}:{port} {{\nbind 127.0.0.1\nloop\nlog\ntemplate ANY HINFO\n}}\n" for zone in zones))
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        for zone in ("cluster.local.", "in-addr.arpa.", "ip6.arpa.", ""):
            await server.matched(rf'"HINFO IN \d+\.\d+\.{re.escape(zone)} udp')
        probes = [each for each in server.lines if '"HINFO IN ' in each]
        assert len(probes) == len(zones)
