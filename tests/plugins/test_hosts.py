import dataclasses
import logging
import time
from collections.abc import Callable

import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns.model import DnsError, Handler, Query, Rcode, Response, Reuse
from minidns.plugins import hosts
from minidns.plugins.site import Site
from minidns.system.threads import Threads
from tests.table import table
from tests.world import World, handler_of, plugin, query, texts

BELOW = Response(Rcode.NXDOMAIN, rule="below", reuse=Reuse(depends_on=("below",)))


async def below(_: Query) -> Response:
    return BELOW


async def served(body: str, files: dict[str, str] | None = None) -> tuple[Handler, Site, World]:
    world = World(files=files or {})
    tested, site = plugin(world, hosts.PLUGIN.set_up, "hosts", body)
    for hook in site.hooks.start:
        await hook()
    return tested(below), site, world


INLINE = """hosts {
    10.0.0.1 example.org www.example.org
    2001:db8::1 example.org
    10.0.0.2 *.apps.example.org
    fallthrough
}"""
PTR6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."

ANSWERS = [
    pytest.param("example.org", "A", ["example.org. 3600 A 10.0.0.1"], id="a"),
    pytest.param("example.org", "AAAA", ["example.org. 3600 AAAA 2001:db8::1"], id="aaaa"),
    pytest.param("Example.ORG", "A", ["example.org. 3600 A 10.0.0.1"], id="any-case"),
    pytest.param("x.apps.example.org", "A", ["x.apps.example.org. 3600 A 10.0.0.2"], id="*"),
    pytest.param(
        "1.0.0.10.in-addr.arpa",
        "PTR",
        ["1.0.0.10.in-addr.arpa. 3600 PTR example.org.", "1.0.0.10.in-addr.arpa. 3600 PTR www.example.org."],
        id="ptr",
    ),
    pytest.param(PTR6, "PTR", [f"{PTR6} 3600 PTR example.org."], id="ptr-ipv6"),
    pytest.param("www.example.org", "AAAA", [], id="trap-9-known-name-is-nodata"),
    pytest.param("www.example.org", "TXT", [], id="other-type-is-nodata"),
    pytest.param("x.apps.example.org", "AAAA", [], id="wildcard-nodata"),
]


@table(("name", "qtype", "expected"), ANSWERS)
async def test_answers(name: str, qtype: str, expected: list[str]) -> None:
    handler, _, _ = await served(INLINE)
    response = await handler(query(name, qtype))
    assert texts(response.answer) == expected
    assert (response.rcode, response.aa, response.ra) == (Rcode.NOERROR, True, False)
    assert (response.authority, response.additional) == ((), ())  # no SOA


PASSED_ON = [
    pytest.param(INLINE, "unknown.example", "A", id="unknown-falls-through"),
    pytest.param(INLINE, "unknown.example", "TXT", id="unknown-of-another-type"),
    pytest.param("hosts", "9.9.9.9.in-addr.arpa", "PTR", id="unknown-ptr-always"),
    pytest.param("hosts", "9.in-addr.arpa", "PTR", id="ptr-that-is-no-address"),
    pytest.param("hosts /h example.org", "other.example", "A", id="outside-the-zones-always"),
    pytest.param(
        "hosts {\n10.0.0.1 a\nfallthrough\nfallthrough_unsupported\n}", "a", "TXT", id="fallthrough-unsupported"
    ),
]


@table(("body", "name", "qtype"), PASSED_ON)
async def test_passed_on(body: str, name: str, qtype: str) -> None:
    handler, _, _ = await served(body)
    assert (await handler(query(name, qtype))).rule == "below"


REFUSED = [
    pytest.param("hosts {\n10.0.0.1 a\n}", "unknown.example", "A", id="trap-9-unknown"),
    pytest.param("hosts", "unknown.example", "TXT", id="unknown-of-another-type"),
    pytest.param("hosts", "1.0.0.10.in-addr.arpa", "A", id="reverse-name-not-ptr"),
    pytest.param("hosts {\nfallthrough example.net\n}", "unknown.example", "A", id="fallthrough-of-other-zones"),
]


@table(("body", "name", "qtype"), REFUSED)
async def test_unknown_without_fallthrough_is_servfail(body: str, name: str, qtype: str) -> None:
    handler, _, _ = await served(body)
    with pytest.raises(DnsError) as error:
        await handler(query(name, qtype))
    assert (error.value.rcode, error.value.text) == (Rcode.SERVFAIL, "")


async def test_etc_hosts_is_read_beside_the_lines_and_comes_first() -> None:
    handler, _, _ = await served("hosts {\n10.0.0.2 a\n}", {"/etc/hosts": "10.0.0.1 a\n10.0.0.3 node"})
    assert (await handler(query("a"))).answer[0].rdata == (b"\n\0\0\1", b"\n\0\0\2")
    assert texts((await handler(query("node"))).answer) == ["node. 3600 A 10.0.0.3"]


OPTIONS = [
    pytest.param("hosts {\nttl 1\n10.0.0.1 a\n}", "a", "A", ["a. 1 A 10.0.0.1"], id="ttl"),
    pytest.param("hosts {\nttl 65535 ignored\n10.0.0.1 a\n}", "a", "A", ["a. 65535 A 10.0.0.1"], id="ttl-most"),
    pytest.param("hosts {\nno_reverse\n10.0.0.1 a\n}", "1.0.0.10.in-addr.arpa", "PTR", None, id="no-reverse"),
    pytest.param(
        "hosts /none example.org {\n10.0.0.1 a.example.org b\n}",
        "1.0.0.10.in-addr.arpa",
        "PTR",
        ["1.0.0.10.in-addr.arpa. 3600 PTR a.example.org."],
        id="zones-filter-names-but-ptr-is-answered",
    ),
    pytest.param("hosts {\n10.0.0.1 a # b\n}", "b", "A", DnsError, id="comment-of-the-corefile"),
    pytest.param("hosts {\nno_revers\n10.0.0.1 a\n}", "a", "A", ["a. 3600 A 10.0.0.1"], id="mistyped-is-an-entry"),
    pytest.param(
        "hosts h {\nfallthrough_unsupported\n10.0.0.1 a\nfallthrough b\n}",
        "a",
        "TXT",
        [],
        id="fallthrough-unsupported-has-the-zones-of-fallthrough",
    ),
]


@table(("body", "name", "qtype", "expected"), OPTIONS)
async def test_option(body: str, name: str, qtype: str, expected: list[str] | type[DnsError] | None) -> None:
    handler, _, _ = await served(body)
    if expected is DnsError:
        with pytest.raises(DnsError):
            await handler(query(name, qtype))
        return
    response = await handler(query(name, qtype))
    assert (None if response.rule == "below" else texts(response.answer)) == expected


LINE = "Corefile:{} - Error during parsing: "
ERRORS = [
    ("hosts {\nttl\n}", LINE.format(3) + "ttl needs a time in second"),
    ("hosts {\nttl x\n}", LINE.format(3) + "ttl needs a number of second"),
    ("hosts {\nttl 1s\n}", LINE.format(3) + "ttl needs a number of second"),
    ("hosts {\nttl 0\n}", LINE.format(3) + "ttl provided is invalid"),
    ("hosts {\nttl -1\n}", LINE.format(3) + "ttl provided is invalid"),
    ("hosts {\nttl 65536\n}", LINE.format(3) + "ttl provided is invalid"),
    ("hosts {\nreload\n}", LINE.format(3) + "reload needs a duration (zero seconds to disable)"),
    ("hosts {\nreload 1s 2s\n}", LINE.format(3) + "reload needs a duration (zero seconds to disable)"),
    ("hosts {\nreload 5\n}", LINE.format(3) + "invalid duration for reload '5'"),
    ("hosts {\nreload -5s\n}", LINE.format(3) + "invalid negative duration for reload '-5s'"),
    ("hosts {\nfallthrough\n10.0.0.1 a\n}", LINE.format(4) + "unknown property '10.0.0.1'"),
    ("hosts {\nfallthrough\nfoo\n}", LINE.format(4) + "unknown property 'foo'"),
    ("hosts {\nfallthrough_unsupported\n}", LINE.format(4) + "fallthrough_unsupported requires fallthrough"),
    (
        "hosts {\nfallthrough\nfallthrough_unsupported x\n}",
        LINE.format(4) + "Wrong argument count or unexpected line ending after 'x'",
    ),
    ("hosts\nhosts", "this plugin can only be used once per Server Block"),
]


@table(("body", "message"), ERRORS)
def test_error(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        plugin(World(), hosts.PLUGIN.set_up, "hosts", body)
    assert str(error.value) == message


async def test_answer_says_where_it_is_written_and_may_be_repeated() -> None:
    handler, _, _ = await served("hosts /h {\n10.0.0.2 a\n}", {"/h": "\n10.0.0.1 a"})
    response = await handler(query("a"))
    assert [source.name for source in response.sources] == ["/h:2", "Corefile:3"]
    assert response.rule == "hosts/address"
    assert response.reuse == Reuse(depends_on=(("hosts", "/h"),))


async def test_what_is_passed_on_is_forgotten_when_the_file_changes() -> None:
    handler, _, _ = await served("hosts /h {\nfallthrough\n}")
    response = await handler(query("a"))
    assert response.reuse == Reuse(depends_on=("below", ("hosts", "/h")))


async def test_outside_the_zones_the_file_does_not_matter() -> None:
    handler, _, _ = await served("hosts /h example.org")
    assert await handler(query("a")) is BELOW


async def test_reload() -> None:
    handler, site, world = await served("hosts /h {\nfallthrough\n}", {"/h": "10.0.0.1 a"})
    forgotten: list[object] = []
    site.forget = forgotten.extend
    assert (await handler(query("a"))).rule == "hosts/address"

    world.files.texts["/h"] = "10.0.0.2 b"
    await world.clock.advance(4.9)
    assert (await handler(query("b"))).rule == "below"
    assert not forgotten
    await world.clock.advance(0.2)
    assert (await handler(query("b"))).rule == "hosts/address"
    assert (await handler(query("a"))).rule == "below"
    assert forgotten == [("hosts", "/h")]

    await world.clock.advance(60)
    assert len(forgotten) == 1  # nothing changed, nothing was forgotten
    await site.stop()


async def test_a_file_that_is_gone_keeps_its_names() -> None:
    handler, site, world = await served("hosts /h", {"/h": "10.0.0.1 a"})
    del world.files.texts["/h"]
    await world.clock.advance(6)
    assert (await handler(query("a"))).rule == "hosts/address"
    world.files.texts["/h"] = "10.0.0.2 a"
    await world.clock.advance(6)
    assert texts((await handler(query("a"))).answer) == ["a. 3600 A 10.0.0.2"]
    await site.stop()


async def test_reload_of_zero_never_reads_again() -> None:
    handler, site, world = await served("hosts /h {\nreload 0\n}", {"/h": "10.0.0.1 a"})
    world.files.texts["/h"] = ""
    await world.clock.advance(3600)
    assert (await handler(query("a"))).rule == "hosts/address"
    await site.stop()


async def test_reload_has_its_own_period() -> None:
    handler, site, world = await served("hosts /h {\nreload 1m\n}", {"/h": ""})
    world.files.texts["/h"] = "10.0.0.1 a"
    await world.clock.advance(59)
    with pytest.raises(DnsError):
        await handler(query("a"))
    await world.clock.advance(2)
    assert (await handler(query("a"))).rule == "hosts/address"
    await site.stop()


WARNINGS: list[tuple[Callable[[World], None], str]] = [
    (lambda world: None, "File does not exist: /h"),
    (lambda world: setattr(world.files, "read", _raises(IsADirectoryError(21, "x"))), 'Hosts file "/h" is a directory'),
    (
        lambda world: setattr(world.files, "read", _raises(PermissionError(13, "Permission denied"))),
        "open /h: permission denied",
    ),
]


def _raises(error: OSError) -> Callable[[str], str]:
    def read(path: str) -> str:
        raise error

    return read


@pytest.mark.parametrize(("prepare", "message"), WARNINGS)
async def test_warning_of_a_file_that_is_named(
    prepare: Callable[[World], None], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    prepare(world)
    _, site = plugin(world, hosts.PLUGIN.set_up, "hosts", "hosts /h")
    await site.hooks.start[0]()
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.WARNING, message)]
    await site.stop()


async def test_no_warning_without_etc_hosts(caplog: pytest.LogCaptureFixture) -> None:
    _, site, _ = await served("hosts")
    assert not caplog.records
    await site.stop()


async def test_lines_that_mean_nothing_are_counted_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    _, site, _ = await served("hosts /h", {"/h": "10.0.0.1 a\nx\n10.0.0 b"})
    assert caplog.records[0].message.startswith("/h: 2 lines ")
    await site.stop()


async def test_metrics() -> None:
    _, site, world = await served("hosts /h {\n10.0.0.1 a\n}", {"/h": "10.0.0.2 b c"})
    value = world.metrics.value
    assert value("coredns_hosts_entries", {"hostsfile": "/h"}) == 6
    read_at = value("coredns_hosts_reload_timestamp_seconds")
    assert read_at == world.edges.wall()
    world.files.texts["/h"] = ""
    await world.clock.advance(6)
    assert value("coredns_hosts_entries", {"hostsfile": "/h"}) == 2
    assert value("coredns_hosts_reload_timestamp_seconds") == read_at + 5
    await site.stop()


async def test_metrics_without_a_file() -> None:
    _, site, world = await served("hosts /h {\n10.0.0.1 a\n}")
    families = {family.name: family for family in world.metrics.families()}
    assert families["coredns_hosts_entries"].values == {}
    assert families["coredns_hosts_reload_timestamp_seconds"].values == {(): 0}
    await site.stop()


async def test_relative_path_is_meant_from_the_root() -> None:
    world = World(files={"/etc/coredns/custom": "10.0.0.1 a"})
    site = world.site(".:53 {\nhosts custom\n}")
    site.root = "/etc/coredns"
    tested = handler_of(hosts.PLUGIN, site)
    await site.hooks.start[0]()
    assert (await tested(below)(query("a"))).rule == "hosts/address"
    await site.stop()


async def test_zones_default_to_those_of_the_block() -> None:
    world = World()
    site = world.site("example.org {\nhosts {\n10.0.0.1 a.example.org b\n}\n}")
    handler = handler_of(hosts.PLUGIN, site)(below)
    assert (await handler(query("a.example.org"))).rule == "hosts/address"
    assert await handler(query("b")) is BELOW


FAILURES = [
    pytest.param(OSError(27, "file is larger than 10 MiB"), id="too-large"),
    pytest.param(PermissionError(13, "Permission denied"), id="no-permission"),
    pytest.param(FileNotFoundError(2, "No such file or directory"), id="gone"),
    pytest.param(IsADirectoryError(21, "Is a directory"), id="a-directory"),
]


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_file_that_cannot_be_read_for_a_while_is_read_again_later(
    failure: OSError, caplog: pytest.LogCaptureFixture
) -> None:
    handler, site, world = await served("hosts /h", {"/h": "10.0.0.1 a"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.files, "read", _raises(failure))
        await world.clock.advance(16)
        assert (await handler(query("a"))).rule == "hosts/address"
    assert len(caplog.records) == 1  # three failures of one kind are one line
    world.files.texts["/h"] = "10.0.0.1 b"
    await world.clock.advance(6)
    assert (await handler(query("b"))).rule == "hosts/address"
    await site.stop()


@pytest.mark.slow
async def test_a_large_file_is_parsed_outside_the_event_loop() -> None:
    text = "".join(f"10.0.{n >> 8}.{n & 255} h{n}.example\n" for n in range(50_000))
    world = World(files={"/etc/hosts": text})
    world.edges = dataclasses.replace(world.edges, aside=Threads().aside)
    tested, site = plugin(world, hosts.PLUGIN.set_up, "hosts", "hosts")
    used_s, used_here_s = time.process_time(), time.thread_time()
    for hook in site.hooks.start:
        await hook()
    used_s, used_here_s = (time.process_time() - used_s, time.thread_time() - used_here_s)
    assert used_here_s < used_s / 4
    assert (await tested(below)(query("h49999.example"))).answer
