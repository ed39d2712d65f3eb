"""*view*: what its expressions know of a query, and which block a query gets."""

from dataclasses import dataclass, field

import pytest

from minidns import plugins
from minidns.corefile.errors import ConfigError
from minidns.dns.model import Handler, Name, Opt, Query, Question, Response, Reuse, replace
from minidns.dns.rdata import DS, MX
from minidns.plugins import chain, metadata, view
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, directives, query

NAME = "www.example.org."


def site_of(block: str) -> Site:
    site = World().site(f". {{\n{block}\n}}\n")
    for directive in directives(site, "metadata"):
        metadata.PLUGIN.set_up((directive,), site)
    view.PLUGIN.set_up(directives(site, "view"), site)
    return site


def chooses(expression: str, sent: Query) -> bool:
    site = site_of(f"metadata\nview v {{\nexpr {expression}\n}}")
    assert site.view is not None
    return site.view(sent)


ASKED = replace(
    query(NAME, "AAAA", opt=Opt(1232, do=True)), id=4660, peer=("10.1.2.3", 40000), local=("192.0.2.53", 1053)
)
BY_TCP_AND_IPV6 = replace(query(NAME, transport="tcp"), peer=("2001:db8::7", 53), local=("fe80::1%eth0", 53))

KNOWN = [
    ("name() == 'www.example.org.'", ASKED),
    ("type() == 'AAAA' and class() == 'IN'", ASKED),
    ("type() == 'TYPE65280'", replace(ASKED, question=Question(NAME, 65280))),
    ("class() == 'CH'", replace(ASKED, question=Question(NAME, 16, 3))),
    ("client_ip() == '10.1.2.3' and port() == '40000'", ASKED),
    ("server_ip() == '192.0.2.53' and server_port() == '1053'", ASKED),
    ("incidr(client_ip(), '10.0.0.0/8')", ASKED),
    ("not incidr(client_ip(), '10.2.0.0/16')", ASKED),
    ("incidr(client_ip(), '2001:0DB8::/32')", BY_TCP_AND_IPV6),
    ("not incidr(client_ip(), '10.0.0.0/8')", BY_TCP_AND_IPV6),
    ("client_ip() == '2001:db8::7'", BY_TCP_AND_IPV6),
    ("proto() == 'udp'", ASKED),
    ("proto() == 'tcp' and bufsize() == 65535 and not do()", BY_TCP_AND_IPV6),
    ("do() and bufsize() == 1232 and id() == 4660 and opcode() == 0", ASKED),
    ("bufsize() == 512", query(NAME)),
    ("bufsize() == 512", query(NAME, opt=Opt(100))),
    ("size() == 33", query(NAME)),
    ("metadata('view/name') == 'v' and metadata('no/such') == ''", ASKED),
]


@table(("expression", "sent"), KNOWN)
def test_what_an_expression_knows_of_a_query(expression: str, sent: Query) -> None:
    assert chooses(expression, sent)
    assert not chooses(f"not ({expression})", sent)


@table(
    "expression",
    [
        "1",
        "name()",
        "incidr('invalid', '1.2.3.0/24')",
        "incidr(client_ip(), 'invalid')",
        "incidr(server_ip(), 'fe80::/10')",
    ],
)
def test_what_fails_or_is_no_bool_chooses_nothing(expression: str) -> None:
    assert not chooses(expression, BY_TCP_AND_IPV6)


def test_all_expressions_must_be_true() -> None:
    def both(one: str, other: str) -> bool:
        site = site_of(f"view v {{\nexpr {one}\nexpr {other}\n}}")
        assert site.view is not None
        return site.view(ASKED)

    assert both("true", "type() == 'AAAA'")
    assert not both("true", "false")
    assert not both("false", "true")


def test_a_view_without_expressions_takes_all() -> None:
    site = site_of("view v")
    assert site.view is not None
    assert site.view(ASKED)


WRONG = {
    "view": "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'view'",
    "view a b": "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'b'",
    "view a {\nfoo bar\n}": ("Corefile:3 - Error during parsing: unknown property 'foo'"),
    "view a\nview b": "this plugin can only be used once per Server Block",
    "view a {\nexpr\n}": "unexpected token EOF (1:1)\n | \n | ^",
    "view a {\nexpr name() == 5\n}": (
        "invalid operation: == (mismatched types string and int) (1:8)\n | name() == 5\n | .......^"
    ),
}


@table(("block", "message"), WRONG.items())
def test_a_wrong_view_is_refused(block: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        site_of(block)
    assert str(caught.value) == message


def test_an_error_knows_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        site_of("view a {\nexpr true\nexpr name( \n}")
    assert (caught.value.file, caught.value.line) == ("Corefile", 4)


# Which block of a zone gets a query


@dataclass
class Block:
    """A server block that says who it is."""

    zone: Name
    rule: str
    expression: str = ""
    received: list[Query] = field(default_factory=list)

    async def answer(self, sent: Query) -> Response:
        self.received.append(sent)
        return Response(rule=self.rule, reuse=Reuse())

    @property
    def choice(self) -> chain.Choice:
        if not self.expression:
            return chain.Choice(self.answer)
        site = site_of(f"view {self.rule} {{\nexpr {self.expression}\n}}")
        return chain.Choice(self.answer, site.view)


def routed(*blocks: Block) -> Handler:
    zones: dict[Name, list[chain.Choice]] = {}
    for block in blocks:
        zones.setdefault(block.zone, []).append(block.choice)
    return chain.route(chain.by_zone(zones), any_class=False)


def three() -> tuple[Block, Block, Block]:
    return (
        Block("example.org.", "ten", "incidr(client_ip(), '10.0.0.0/8')"),
        Block("example.org.", "quad", "type() == 'AAAA'"),
        Block("example.org.", "rest"),
    )


ROUTED = [
    ((0, 1, 2), ASKED, "ten"),
    ((1, 0, 2), ASKED, "quad"),
    ((2, 0, 1), ASKED, "rest"),
    ((1, 2, 0), ASKED, "quad"),
    ((0, 1, 2), BY_TCP_AND_IPV6, "rest"),
    ((0, 1, 2), replace(ASKED, peer=("192.0.2.1", 1)), "quad"),
    ((0, 1), BY_TCP_AND_IPV6, ""),
]


@table(("order", "sent", "rule"), ROUTED)
async def test_the_first_block_that_takes_a_query_answers(order: tuple[int, ...], sent: Query, rule: str) -> None:
    blocks = three()
    handler = routed(*(blocks[index] for index in order))
    if not rule:
        with pytest.raises(chain.Unserved):
            await handler(sent)
        return
    assert (await handler(sent)).rule == rule


async def test_what_no_block_takes_goes_to_the_zone_above() -> None:
    ten, _, _ = three()
    root = Block(".", "root")
    above = Block("org.", "above", "type() == 'MX'")
    handler = routed(ten, above, root)
    assert (await handler(BY_TCP_AND_IPV6)).rule == "root"
    mx = query(NAME, "MX")
    assert (await handler(mx)).rule == "above"
    assert [received.zone for received in root.received + above.received] == [".", "org."]
    assert (await handler(query(NAME, "DS"))).rule == "root"
    assert query(NAME, "DS").question.qtype == DS


async def test_the_block_hears_the_name_of_the_view() -> None:
    ten, _, rest = three()
    handler = routed(ten, rest)
    await handler(ASKED)
    await handler(replace(BY_TCP_AND_IPV6, view="ten"))  # asked by another block
    assert [received_.view for received_ in ten.received + rest.received] == ["ten", ""]


async def test_what_a_view_decided_is_not_repeated_to_others() -> None:
    ten, quad, rest = three()
    other = Block("example.net.", "other")
    handler = routed(ten, quad, rest, other)
    for sent in (ASKED, BY_TCP_AND_IPV6):
        assert (await handler(sent)).reuse is None
    assert (await handler(query("www.example.net."))).reuse is not None


async def test_metrics_have_the_name_of_the_view() -> None:
    world = World()
    text = """\
example.org {
    view ten {
        expr incidr(client_ip(), '10.0.0.0/8')
    }
    prometheus
    cache
    acl {
        block type MX
    }
    whoami
}
"""
    site = world.site(text)
    handler = chain.build(plugins.configure(site))
    routed = chain.route(chain.by_zone({"example.org.": [chain.Choice(handler, site.view)]}), any_class=False)
    await routed(ASKED)
    await routed(replace(ASKED, question=Question(NAME, MX)))
    value = world.metrics.value
    place = {"server": ASKED.server, "view": "ten"}
    assert value("coredns_acl_blocked_requests_total", place | {"zone": "example.org."}) == 1
    assert value("coredns_acl_allowed_requests_total", place) == 1
    misses = value("coredns_cache_misses_total", place | {"zones": "example.org."})
    assert misses >= 1
    sent = {"zone": "example.org.", "proto": "udp", "family": "1", "type": "AAAA"}
    assert value("coredns_dns_requests_total", place | sent) == 1
    await site.stop()
