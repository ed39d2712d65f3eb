import logging
import re

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import DnsError, Dropped, Opt, Query, Rcode, Response, RRset, Source, replace
from minidns.dns.names import to_wire
from minidns.dns.rdata import AXFR, CNAME, NS, RRSIG, SOA, A, a, soa
from minidns.plugins import log, metadata
from minidns.server.logs import Lines
from tests.table import table
from tests.world import World, always, chain, directives, handler_of, plugin, query

ADDRESS = RRset("a.example.org.", A, 30, (a("192.0.2.1"),))
ALIAS = RRset("a.example.org.", CNAME, 30, (to_wire("b.example.org."),))
APEX = RRset("example.org.", SOA, 30, (soa("ns.", "root.", 1, 2, 3, 4, 5),))
SERVERS = RRset("example.org.", NS, 30, (to_wire("ns.example.org."),))
EXPIRED = RRset("a.example.org.", RRSIG, 30, (bytes(18) + to_wire(".") + bytes(8),))

POSITIVE = Response(answer=(ADDRESS,))
NXDOMAIN = Response(Rcode.NXDOMAIN, authority=(APEX,))


def shown(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines as standard output gets them, without how long it took."""
    lines = [Lines().format(record) for record in caplog.records]
    return [re.sub(r"[\d.]+s$", "Xs", line) for line in lines]


async def lines_of(
    caplog: pytest.LogCaptureFixture, body: str, response: Response = POSITIVE, sent: Query | None = None
) -> list[str]:
    caplog.clear()
    caplog.set_level(logging.INFO)
    tested, _ = plugin(World(), log.PLUGIN.set_up, "log", body)
    await chain(tested, last=always(response))(sent or query("a.example.org"))
    return shown(caplog)


async def test_default_line(caplog: pytest.LogCaptureFixture) -> None:
    sent = query("A.Example.ORG", opt=Opt(1232))
    assert await lines_of(caplog, "log", POSITIVE, sent) == [
        '[INFO] 192.0.2.53:40000 - 4711 "A IN a.example.org. udp 42 false 1232" NOERROR qr,rd 60 Xs'
    ]


@pytest.mark.parametrize(
    "body",
    [
        'log . "{name} {rcode}"',
        'log example.org "{name} {rcode}"',
        'log example.net Example.Org "{name} {rcode}"',
        'log example.net\nlog . "{name} {rcode}"',
    ],
)
async def test_own_format(caplog: pytest.LogCaptureFixture, body: str) -> None:
    assert await lines_of(caplog, body) == ["[INFO] a.example.org. NOERROR"]


async def test_hostile_names_are_escaped(caplog: pytest.LogCaptureFixture) -> None:
    sent = query("a.example.org")
    qname = "\\027[31m\\010x.example.org."
    sent = replace(sent, question=sent.question._replace(qname=qname))
    (line,) = await lines_of(caplog, 'log . "{name}"', POSITIVE, sent)
    assert line == f"[INFO] {qname}"


SCOPES = {
    "every-name": ("log", "a.example.org", True),
    "root": ("log .", "a.example.org", True),
    "apex": ("log example.org", "example.org", True),
    "below": ("log example.org", "a.b.Example.ORG", True),
    "beside": ("log example.org", "notexample.org", False),
    "above": ("log example.org", "org", False),
    "several": ("log example.net example.org", "example.org", True),
    "lone-format-is-a-name": ('log "{name} {rcode}"', "a.example.org", False),
    "two-names-without-a-format": ("log org net", "a.example.net", True),
}


@table(("body", "name", "is_shown"), SCOPES.values(), ids=SCOPES)
async def test_name_scopes(caplog: pytest.LogCaptureFixture, body: str, name: str, is_shown: bool) -> None:
    lines = await lines_of(caplog, body, POSITIVE, query(name))
    assert bool(lines) is is_shown


async def test_first_rule_decides_even_when_it_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    body = "log org {\nclass error\n}\nlog ."
    assert await lines_of(caplog, body) == []


CLASSES = {
    "answer": (POSITIVE, "success"),
    "delegation": (Response(authority=(SERVERS,)), "success"),
    "empty-without-soa": (Response(), "success"),
    "nxdomain": (NXDOMAIN, "denial"),
    "nxdomain-without-soa": (Response(Rcode.NXDOMAIN), "denial"),
    "nodata": (Response(authority=(APEX,)), "denial"),
    "servfail": (Response(Rcode.SERVFAIL), "error"),
    "notimp": (Response(Rcode.NOTIMP), "error"),
    "refused": (Response(Rcode.REFUSED), "error"),
    "formerr": (Response(Rcode.FORMERR), "error"),
    "nxdomain-with-cname": (Response(Rcode.NXDOMAIN, answer=(ALIAS,)), "error"),
}


@table("sent", ["success", "denial", "error", "all"])
@table(("response", "name"), CLASSES.values(), ids=CLASSES)
async def test_classes(caplog: pytest.LogCaptureFixture, response: Response, name: str, sent: str) -> None:
    lines = await lines_of(caplog, f"log . {{\nclass {sent}\n}}", response)
    assert bool(lines) is (sent in (name, "all"))


@pytest.mark.parametrize("body", ["class denial error", "class denial\nclass error"])
async def test_classes_add_up(caplog: pytest.LogCaptureFixture, body: str) -> None:
    assert await lines_of(caplog, f"log {{\n{body}\n}}", NXDOMAIN)
    caplog.clear()
    assert not await lines_of(caplog, f"log {{\n{body}\n}}", POSITIVE)


async def test_expired_signatures_are_errors(caplog: pytest.LogCaptureFixture) -> None:
    answer = Response(answer=(ADDRESS, EXPIRED))
    sent = query("a.example.org", opt=Opt(1232, do=True))
    assert await lines_of(caplog, "log {\nclass error\n}", answer, sent)


async def test_transfers_are_errors_and_all_their_bytes_count(caplog: pytest.LogCaptureFixture) -> None:
    sent = query("example.org", "AXFR", transport="tcp")
    assert sent.question.qtype == AXFR
    answer = replace(POSITIVE, more=(POSITIVE,))
    body = 'log . "{rsize}" {\nclass error\n}'
    (one,) = await lines_of(caplog, body, POSITIVE, sent)
    caplog.clear()
    (both,) = await lines_of(caplog, body, answer, sent)
    assert int(both.split()[1]) == 2 * int(one.split()[1])


FAILURES = {
    "failure": (DnsError("i/o timeout"), "SERVFAIL qr,rd 31"),
    "refused": (DnsError(rcode=Rcode.REFUSED), "REFUSED qr,rd 31"),
    "silence": (Dropped("by acl"), "- - 0"),
}


@pytest.mark.parametrize(("error", "shown_as"), FAILURES.values(), ids=FAILURES)
async def test_failures_have_a_line_too(caplog: pytest.LogCaptureFixture, error: DnsError, shown_as: str) -> None:
    caplog.set_level(logging.INFO)
    body = 'log . "{rcode} {>rflags} {rsize}" {\nclass error\n}'
    tested, _ = plugin(World(), log.PLUGIN.set_up, "log", body)

    async def fail(_: Query) -> Response:
        raise error

    with pytest.raises(type(error)):
        await chain(tested, last=fail)(query("a.example.org"))
    assert shown(caplog) == [f"[INFO] {shown_as}"]


async def test_time_is_that_of_the_edges(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    tested, _ = plugin(world, log.PLUGIN.set_up, "log", 'log . "{duration}"')

    async def slow(_: Query) -> Response:
        world.clock.time += 0.25
        return POSITIVE

    await chain(tested, last=slow)(query("a.example.org"))
    assert [record.getMessage() for record in caplog.records] == ["0.25s"]


LABELS = {
    "with-metadata": ("metadata", "10.0.0.53:53"),
    "other-zone": ("metadata example.net", "-"),
    "without-metadata": ("", "-"),
}


@pytest.mark.parametrize(("line", "value"), LABELS.values(), ids=LABELS)
async def test_labels(caplog: pytest.LogCaptureFixture, line: str, value: str) -> None:
    caplog.set_level(logging.INFO)
    site = World().site(f'.:53 {{\n{line}\nlog . "{{/forward/upstream}}"\n}}')
    if line:
        metadata.PLUGIN.set_up(directives(site, "metadata"), site)
    site.metadata.labels["forward/upstream"] = lambda _, response: response.sources[0].name if response else ""
    tested = handler_of(log.PLUGIN, site)
    answer = replace(POSITIVE, sources=(Source("upstream", "10.0.0.53:53"),))
    await chain(tested, last=always(answer))(query("a.example.org"))
    assert [record.getMessage() for record in caplog.records] == [value]


REFUSED = {
    "unknown-class": ("log {\nclass foo\n}", "invalid Class: foo"),
    "unknown-option": ("log {\nfoo\n}", "Corefile:3 - Error during parsing: unknown property 'foo'"),
    "class-of-nothing": (
        "log {\nclass\n}",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'class'",
    ),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), log.PLUGIN.set_up, "log", body)
    assert str(caught.value) == message
