"""*forward*: which names, whom, over what, and what the client gets."""

import dns.edns
import dns.flags
import dns.opcode

from minidns.dns.model import AD, CD, RD, DnsError, Opt, Query, Rcode, Response, Source, replace
from tests.plugins.scripted import Scripted, scripted
from tests.table import table
from tests.world import query, texts

ONE, TWO, THREE = "192.0.2.1", "192.0.2.2", "192.0.2.3"
NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]


def text_of(outcome: Response | DnsError) -> str:
    return outcome.text if isinstance(outcome, DnsError) else "a response"


# Which names


ROUTES = {
    "all": ("forward . 192.0.2.1", "example.org.", [ONE]),
    "apex": ("forward example.org 192.0.2.1", "example.org.", [ONE]),
    "below": ("forward example.org 192.0.2.1", NAME, [ONE]),
    "label-boundary": ("forward example.org 192.0.2.1", "anexample.org.", []),
    "elsewhere": ("forward example.org 192.0.2.1", "example.net.", []),
    "in-any-case": ("forward EXAMPLE.org 192.0.2.1", "WWW.Example.ORG.", [ONE]),
    "network": ("forward 10.0.0.0/8 192.0.2.1", "1.0.0.10.in-addr.arpa.", [ONE]),
    "first-zone-of-a-network": (
        "forward 10.0.0.0/15 192.0.2.1", "1.0.1.10.in-addr.arpa.", [],
    ),
    "except": ("forward . 192.0.2.1 {\nexcept example.org\n}", NAME, []),
    "except-apex": ("forward . 192.0.2.1 {\nexcept example.org\n}", "example.org.", []),
    "except-another": ("forward . 192.0.2.1 {\nexcept example.org\n}", "example.net.", [ONE]),
    "except-FROM-itself": (
        "forward example.org 192.0.2.1 {\nexcept example.org\n}", "example.org.", [ONE],
    ),
    "first-line-that-matches": ("forward org 192.0.2.1\nforward . 192.0.2.2", NAME, [ONE]),
    "file-order-not-length": ("forward . 192.0.2.1\nforward example.org 192.0.2.2", NAME, [ONE]),
    "second-line": ("forward net 192.0.2.1\nforward . 192.0.2.2", NAME, [TWO]),
    "excepted-by-the-first": (
        "forward . 192.0.2.1 {\nexcept example.org\n}\nforward . 192.0.2.2", NAME, [TWO],
    ),
}  # fmt: skip


@table(("body", "name", "client_query"), ROUTES.values(), ids=ROUTES)
async def test_which_names_are_forwarded(body: str, name: str, client_query: list[str]) -> None:
    world = scripted(body)
    outcome = await world.outcome(query(name))
    assert world.asked == client_query
    if client_query:
        assert text_of(outcome) == "a response"
    else:
        assert text_of(outcome) == "plugin/forward: no next plugin found"


# What goes upstream


async def sent_for(client_query: Query, option: str = "") -> Scripted:
    world = scripted(f"forward . 192.0.2.1 {{\n{option}\n}}")
    await world.outcome(client_query)
    return world


@table("flags", [0, RD, RD | AD, RD | CD, RD | AD | CD, 0x07CF])
async def test_flags_go_upstream(flags: int) -> None:
    (sent,) = (await sent_for(replace(query(NAME), flags=flags))).sent
    assert int(sent.message.flags) == flags & (RD | AD | CD)


async def test_a_notify_goes_upstream_as_one() -> None:
    (sent,) = (await sent_for(replace(query(NAME, "SOA"), flags=0x2000))).sent
    assert sent.message.opcode() == dns.opcode.NOTIFY


async def test_the_question_goes_without_the_clients_letters() -> None:
    (sent,) = (await sent_for(query("wWw.Example.ORG.", "TXT", qclass=3))).sent
    assert sent.message.question[0].to_text() == "www.example.org. CH TXT"


async def test_the_id_is_not_the_clients() -> None:
    ids = {(await sent_for(query(NAME))).sent[0].message.id for _ in range(20)}
    assert len(ids) > 15


async def test_without_edns_none_is_added() -> None:
    (sent,) = (await sent_for(query(NAME))).sent
    assert sent.message.edns == -1


async def test_the_clients_edns_goes_upstream() -> None:
    options = ((3, b""), (8, b"\0\1\x18\0\xc0\0\2"), (65001, b"own"))
    opt = Opt(4096, do=True, options=options)
    (sent,) = (await sent_for(query(NAME, opt=opt))).sent
    message = sent.message
    assert (message.edns, message.payload) == (0, 4096)
    assert message.ednsflags == dns.flags.DO
    assert [(int(option_.otype), option_.to_wire()) for option_ in message.options] == list(options)


async def test_cookies_and_other_options_of_one_hop_stay_here() -> None:
    opt = Opt(1232, options=((10, b"12345678"), (11, b""), (12, bytes(9)), (3, b"")))
    (sent,) = (await sent_for(query(NAME, opt=opt))).sent
    assert [int(item.otype) for item in sent.message.options] == [3]


TRANSPORTS = [
    ("", "192.0.2.1", "udp", "udp"),
    ("", "192.0.2.1", "tcp", "tcp"),
    ("force_tcp", "192.0.2.1", "udp", "tcp"),
    ("prefer_udp", "192.0.2.1", "tcp", "udp"),
    ("force_tcp\nprefer_udp", "192.0.2.1", "udp", "tcp"),
    ("", "tls://192.0.2.1", "udp", "tls"),
    ("prefer_udp", "tls://192.0.2.1", "tcp", "tls"),
    ("force_tcp", "tls://192.0.2.1", "udp", "tls"),
]


@table(("option", "to", "client", "upstream"), TRANSPORTS)
async def test_over_what_it_goes(option: str, to: str, client: str, upstream: str) -> None:
    world = scripted(f"forward . {to} {{\n{option}\n}}")
    await world.outcome(query(NAME, transport=client))
    assert [sent.to.transport for sent in world.sent] == [upstream]


async def test_options_of_connections_reach_the_exchange() -> None:
    world = scripted(
        "forward . tls://192.0.2.1 {\ntls\ntls_servername dns.example.org\n"
        "expire 3s\nmax_idle_conns 4\nmax_age 5s\nsource_address 192.0.2.9\n}"
    )
    await world.outcome(query(NAME))
    to = world.sent[0].to
    assert to.port == 853
    assert to.servername == "dns.example.org"
    assert to.tls is not None
    assert tuple(to.keep) == (3, 4, 5)
    assert (to.source, to.owner) == ("192.0.2.9", "forward")


# What comes back


async def test_a_response_says_where_it_is_from() -> None:
    world = scripted("forward . 192.0.2.1:5353")
    response = await world.ask(query(NAME))
    assert texts(response.answer) == GOOD
    assert response.sources == (Source("upstream", "192.0.2.1:5353"),)
    assert response.rule == "forward/reply"
    assert response.reuse is None
    assert (response.aa, response.ra, response.rd) == (False, True, True)
    label = world.site.metadata.labels["forward/upstream"]
    assert label(query(NAME), response) == "192.0.2.1:5353"
    assert label(query(NAME), None) == ""


@table("rcode", [Rcode.SERVFAIL, Rcode.REFUSED, Rcode.NXDOMAIN])
async def test_a_reply_is_final_whatever_its_rcode(rcode: Rcode) -> None:
    world = scripted("forward . 192.0.2.1 192.0.2.2")
    world.behavior = {ONE: rcode.name, TWO: rcode.name}
    response = await world.ask(query(NAME))
    assert response.rcode == rcode
    assert len(world.asked) == 1
