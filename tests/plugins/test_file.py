import logging

import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns import rdata, zonefile
from minidns.dns.model import DnsError, Handler, Opt, Query, Rcode, Response, Reuse
from minidns.plugins import file
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, handler_of, plugin, query, texts

SOA = "@ 300 IN SOA NS.example.org. Admin.example.org. {} 7200 3600 1209600 60\n"
DB = (
    SOA.format(7)
    + """
     600 NS Ns
ns    60 A  192.0.2.53
www   60 CNAME Web
web   60 A  192.0.2.1
mail  60 MX 10 Web
away  60 CNAME www.example.net.
a.ent 60 A 192.0.2.2
sub   60 NS ns.sub
ns.sub 60 A 192.0.2.3
"""
)
NS_LINE = "example.org. 600 NS ns.example.org."
SOA_LINE = "example.org. 300 SOA ns.example.org. admin.example.org. 7 7200 3600 1209600 60"
KEY = ("zone", "example.org.", "/db")
BELOW = Response(rule="below", reuse=Reuse(depends_on=("below",)))


async def below(_: Query) -> Response:
    return BELOW


def served(body: str = "file /db example.org", files: dict[str, str] | None = None) -> tuple[Handler, Site, World]:
    world = World(files={"/db": DB} if files is None else files)
    tested, site = plugin(world, file.PLUGIN.set_up, "file", body)
    return tested(below), site, world


ANSWERS = [
    pytest.param("web", "A", ["web.example.org. 60 A 192.0.2.1"], id="a"),
    pytest.param("WEB", "A", ["web.example.org. 60 A 192.0.2.1"], id="any-case"),
    pytest.param(
        "www", "A", ["web.example.org. 60 A 192.0.2.1", "www.example.org. 60 CNAME web.example.org."], id="cname"
    ),
    pytest.param("mail", "MX", ["mail.example.org. 60 MX 10 web.example.org."], id="lower-case"),
]


@table(("name", "qtype", "expected"), ANSWERS)
async def test_answer(name: str, qtype: str, expected: list[str]) -> None:
    handler, _, _ = served()
    response = await handler(query(f"{name}.example.org", qtype))
    assert texts(response.answer) == expected
    assert texts(response.authority) == [NS_LINE]
    assert (response.rcode, response.aa) == (Rcode.NOERROR, True)
    assert response.reuse == Reuse(depends_on=(KEY,))
    assert response.sources[0] == ("zone", "example.org.", "", "7", True)


@table("target", ["web", "gone.example.net."])
@table("do", [True, False])
async def test_signatures_are_for_clients_that_request_dnssec(do: bool, target: str) -> None:
    text = "RRSIG {} 8 2 60 20300101000000 20200101000000 1 example.org. aaaa"
    records = (f"@ 60 {text.format('SOA')}", f"alias 60 {text.format('CNAME')}")
    db = "\n".join((DB, f"alias 60 CNAME {target}", *records, ""))
    handler, site, _ = served(files={"/db": db})

    async def missing(_: Query) -> Response:
        return Response(Rcode.NXDOMAIN)

    site.top = missing
    response = await handler(query("alias.example.org", opt=Opt(1232, do=do)))
    signatures = [one.owner for one in response.answer if one.rtype == rdata.RRSIG]
    assert signatures == (["alias.example.org."] if do else [])
    denied = [one.owner for one in response.authority if one.rtype == rdata.RRSIG]
    assert denied == (["example.org."] if do and target != "web" else [])


NEGATIVE = [("gone", "A", Rcode.NXDOMAIN), ("web", "AAAA", Rcode.NOERROR), ("ent", "A", Rcode.NOERROR)]


@table(("name", "qtype", "rcode"), NEGATIVE)
async def test_negative(name: str, qtype: str, rcode: int) -> None:
    handler, _, _ = served()
    response = await handler(query(f"{name}.example.org", qtype))
    assert (response.rcode, response.answer, response.aa) == (rcode, (), True)
    assert texts(response.authority) == [SOA_LINE]


async def test_delegation() -> None:
    handler, _, _ = served()
    response = await handler(query("x.sub.example.org"))
    assert (response.rcode, response.answer, response.aa) == (0, (), False)
    assert texts(response.authority) == ["sub.example.org. 60 NS ns.sub.example.org."]
    assert texts(response.additional) == ["ns.sub.example.org. 60 A 192.0.2.3"]


async def test_other_zones_are_passed_on() -> None:
    handler, _, _ = served()
    assert await handler(query("example.net")) is BELOW


FALLS = [
    pytest.param("fallthrough", "gone", "A", True, id="nxdomain"),
    pytest.param("fallthrough", "ent", "A", True, id="empty-non-terminal"),
    pytest.param("fallthrough", "web", "AAAA", False, id="nodata-stays"),
    pytest.param("fallthrough", "sub", "A", False, id="delegation-stays"),
    pytest.param("fallthrough x.example.org", "a.x", "A", True, id="in-its-zone"),
    pytest.param("fallthrough x.example.org", "a", "A", False, id="in-another-zone"),
    pytest.param("", "gone", "A", False, id="without-it"),
]


@table(("option", "name", "qtype", "falls"), FALLS)
async def test_fallthrough(option: str, name: str, qtype: str, falls: bool) -> None:
    handler, _, _ = served(f"file /db example.org {{\n{option}\n}}")
    response = await handler(query(f"{name}.example.org", qtype))
    assert (response.rule == "below") is falls
    if falls:
        assert response.reuse == Reuse(depends_on=("below", KEY))


TARGETS = [
    pytest.param(
        Response(answer=zonefile.rrsets([zonefile.record("www.example.net 5 A 192.0.2.9")])),
        Rcode.NOERROR,
        ["www.example.net. 5 A 192.0.2.9"],
        NS_LINE,
        id="found",
    ),
    pytest.param(Response(Rcode.NXDOMAIN), Rcode.NXDOMAIN, [], SOA_LINE, id="nxdomain"),
    pytest.param(Response(), Rcode.NOERROR, [], SOA_LINE, id="nodata"),
    pytest.param(Response(Rcode.SERVFAIL), Rcode.SERVFAIL, [], NS_LINE, id="rfc6604-3-servfail"),
    pytest.param(DnsError("unreachable"), Rcode.SERVFAIL, [], NS_LINE, id="not-answered"),
    pytest.param(Response(Rcode.REFUSED), Rcode.NOERROR, [], NS_LINE, id="refused"),
]


@table(("target", "rcode", "more", "authority"), TARGETS)
async def test_alias_out_of_the_zone(target: Response | DnsError, rcode: int, more: list[str], authority: str) -> None:
    handler, site, _ = served()
    received: list[Query] = []

    async def top(query: Query) -> Response:
        received.append(query)
        if isinstance(target, DnsError):
            raise target
        return target

    site.top = top
    response = await handler(query("away.example.org"))
    alias = "away.example.org. 60 CNAME www.example.net."
    assert texts(response.answer) == [alias, *more]
    assert response.rcode == rcode
    assert texts(response.authority) == [authority]
    assert response.reuse is None  # the target gives no leave
    assert received[0].question == ("www.example.net.", rdata.A, 1)


async def test_leave_of_an_alias_is_that_of_both() -> None:
    handler, site, _ = served()
    site.top = below
    response = await handler(query("away.example.org"))
    assert response.reuse == Reuse(depends_on=(KEY, "below"))


@pytest.mark.parametrize("qtype", ["AXFR", "IXFR"])
async def test_transfer_is_refused_here(qtype: str) -> None:
    handler, _, _ = served()
    with pytest.raises(DnsError) as error:
        await handler(query("example.org", qtype))
    assert (error.value.rcode, error.value.text) == (Rcode.REFUSED, "")


async def test_zone_is_handed_out_for_transfers() -> None:
    _, site, _ = served()
    (transfer,) = site.offers.transfers
    records = transfer("example.org.")
    assert records
    assert [records[0].rtype, records[-1].rtype] == [rdata.SOA, rdata.SOA]
    assert NS_LINE in texts(records)
    assert transfer("example.net.") is None


async def test_one_file_for_several_zones() -> None:
    handler, _, _ = served(
        "file /db example.org example.net", {"/db": "@ 60 SOA ns admin 1 2 3 4 5\nwww 60 A 192.0.2.1\n"}
    )
    for zone in ("example.org", "example.net"):
        response = await handler(query(f"www.{zone}"))
        assert texts(response.answer) == [f"www.{zone}. 60 A 192.0.2.1"]


async def test_several_files_and_the_longest_zone() -> None:
    head = "@ 60 SOA ns admin 1 2 3 4 5\n"
    handler, _, _ = served(
        "file /a example.org\nfile /b x.example.org",
        {"/a": head + "y.x 60 A 192.0.2.1", "/b": head + "y 60 A 192.0.2.2"},
    )
    response = await handler(query("y.x.example.org"))
    assert texts(response.answer) == ["y.x.example.org. 60 A 192.0.2.2"]


async def test_missing_file_is_servfail_until_it_is_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    handler, site, world = served("file /db example.org", {})
    assert [record.message for record in caplog.records] == [
        'Failed to open "open /db: no such file or directory": trying again in 1m0s'
    ]
    with pytest.raises(DnsError) as error:
        await handler(query("web.example.org"))
    assert (error.value.rcode, error.value.text) == (Rcode.SERVFAIL, "")

    for hook in site.hooks.start:
        await hook()
    await world.clock.advance(60)
    assert caplog.records[-1].message == (
        'Failed to open zone "example.org." in "/db": open /db: no such file or directory'
    )
    world.files.texts["/db"] = DB
    await world.clock.advance(60)
    assert (await handler(query("web.example.org"))).rcode == Rcode.NOERROR
    await site.stop()


NEW = DB.replace("192.0.2.1\n", "192.0.2.99\n")
RELOADS = [
    pytest.param("", NEW.replace(" 7 ", " 8 "), True, id="serial-changed"),
    pytest.param("", NEW.replace(" 7 ", " 6 "), True, id="serial-went-back"),
    pytest.param("", NEW, False, id="serial-forgotten"),
    pytest.param("reload_by_mtime", NEW, True, id="any-change-counts"),
    pytest.param("", NEW.replace(" 7 ", " 8 ") + "broken", False, id="broken"),
    pytest.param("", "", False, id="empty"),
    pytest.param("reload 0", NEW.replace(" 7 ", " 8 "), False, id="never"),
]


@table(("option", "text", "changes"), RELOADS)
async def test_reload(option: str, text: str, changes: bool) -> None:
    handler, site, world = served(f"file /db example.org {{\n{option}\n}}")
    forgotten: list[object] = []
    site.forget = forgotten.extend
    for hook in site.hooks.start:
        await hook()
    world.files.texts["/db"] = text
    await world.clock.advance(59)
    before = texts((await handler(query("web.example.org"))).answer)
    assert before == ["web.example.org. 60 A 192.0.2.1"]
    await world.clock.advance(2)
    after = texts((await handler(query("web.example.org"))).answer)
    assert (after == ["web.example.org. 60 A 192.0.2.99"]) is changes
    assert forgotten == ([KEY] if changes else [])
    await site.stop()


async def test_reload_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _, site, world = served("file /db example.org {\nreload 10s\n}")
    for hook in site.hooks.start:
        await hook()
    await world.clock.advance(11)  # nothing has changed
    more = "\n".join(f"host{number} 60 A 192.0.2.1" for number in range(500))
    world.files.texts["/db"] = DB.replace(" 7 ", " 8 ") + more
    await world.clock.advance(10)
    world.files.texts["/db"] = "x"
    await world.clock.advance(10)
    assert [record.message for record in caplog.records] == [
        'Successfully reloaded zone "example.org." in "/db" with 8 SOA serial',
        'Parsing zone "example.org.": failed to parse file "/db" for origin example.org. with error line 1: no type',
    ]
    await site.stop()


async def test_relative_path_is_meant_from_the_root() -> None:
    world = World(files={"/zones/db": DB})
    site = world.site("example.org {\nfile db\n}")
    site.root = "/zones"
    handler = handler_of(file.PLUGIN, site)(below)
    assert (await handler(query("web.example.org"))).rcode == Rcode.NOERROR


LINE = "Corefile:{} - Error during parsing: "
NONE: dict[str, str] = {}
ERRORS = [
    ("file", NONE, LINE.format(2) + "Wrong argument count or unexpected line ending after 'file'"),
    ("file /db example.org {\nfoo\n}", NONE, LINE.format(3) + "unknown property 'foo'"),
    ("file /db {\nreload\n}", NONE, "reload duration value is expected"),
    ("file /db {\nreload 5\n}", NONE, 'plugin/file: time: missing unit in duration "5"'),
    ("file /db {\nreload -5s\n}", NONE, "plugin/file: negative reload duration -5s"),
    ("file /db {\nreload 0\n}", NONE, "plugin/file: open /db: no such file or directory"),
    ("file /db example.org", {"/db": "a 60 A 192.0.2.1"}, 'file "/db" has no SOA record for origin example.org.'),
    (
        "file /db example.org",
        {"/db": "a 60 A x"},
        'failed to parse file "/db" for origin example.org. with error line 1: the data is not valid for type A',
    ),
]


@table(("body", "files", "message"), ERRORS)
def test_error(body: str, files: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        served(body, files)
    assert str(error.value) == message


async def test_upstream_of_old_is_accepted() -> None:
    handler, _, _ = served("file /db example.org {\nupstream 192.0.2.1\n}")
    assert (await handler(query("web.example.org"))).rcode == Rcode.NOERROR
