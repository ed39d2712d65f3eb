import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Dropped, Opt, Query, Rcode, Response, Reuse
from minidns.plugins import acl
from tests.table import table
from tests.world import World, always, chain, plugin, query

BELOW = Response(reuse=Reuse())


async def fate(body: str, sent: Query) -> str:
    """Return what becomes of a query: allowed, blocked, filtered or dropped."""
    tested, _ = plugin(World(), acl.PLUGIN.set_up, "acl", body)
    try:
        response = await chain(tested, last=always(BELOW))(sent)
    except Dropped:
        return "dropped"
    kinds = {
        "acl/block": ("blocked", Rcode.REFUSED),
        "acl/filter": ("filtered", Rcode.NOERROR),
        "": ("allowed", Rcode.NOERROR),
    }
    kind, rcode = kinds[response.rule]
    assert response.rcode == rcode
    assert not response.answer
    return kind


def of(*lines: str) -> str:
    return "\n".join(("acl {", *lines, "}"))


FATES = {
    # id: directive, type, client, fate
    "empty": ("acl", "A", "192.0.2.53", "allowed"),
    "block-all": (of("block"), "A", "192.0.2.53", "blocked"),
    "filter-all": (of("filter"), "A", "192.0.2.53", "filtered"),
    "drop-all": (of("drop"), "A", "192.0.2.53", "dropped"),
    "any-case": (of("BLOCK TYPE A NET *"), "A", "192.0.2.53", "blocked"),
    "type": (of("block type A"), "A", "192.0.2.53", "blocked"),
    "other-type": (of("block type A"), "AAAA", "192.0.2.53", "allowed"),
    "one-of-types": (of("block type MX A"), "A", "192.0.2.53", "blocked"),
    "every-type": (of("block type MX *"), "A", "192.0.2.53", "blocked"),
    "type-sections-add-up": (of("block type MX type A"), "A", "192.0.2.53", "blocked"),
    "net": (of("block net 192.0.2.0/24"), "A", "192.0.2.53", "blocked"),
    "other-net": (of("block net 192.0.3.0/24"), "A", "192.0.2.53", "allowed"),
    "one-of-nets": (of("block net 10.0.0.0/8 192.0.2.53"), "A", "192.0.2.53", "blocked"),
    "every-net": (of("block net 10.0.0.0/8 *"), "A", "192.0.2.53", "blocked"),
    "words-after-a-star-are-not-read": (of("block type * FOO net * x"), "A", "192.0.2.53", "blocked"),
    "address": (of("block net 192.0.2.53"), "A", "192.0.2.53", "blocked"),
    "other-address": (of("block net 192.0.2.54"), "A", "192.0.2.53", "allowed"),
    "ipv6": (of("block net 2001:db8::/32"), "A", "2001:db8::1", "blocked"),
    "ipv6-address": (of("block net 2001:db8::1"), "A", "2001:db8::1", "blocked"),
    "ipv6-scope": (of("block net fe80::/10"), "A", "fe80::1%eth0", "blocked"),
    "both": (of("block type A net 192.0.2.0/24"), "A", "192.0.2.53", "blocked"),
    "one-of-both": (of("block type A net 192.0.3.0/24"), "A", "192.0.2.53", "allowed"),
    "allow-before-block": (of("allow net 192.0.2.0/24", "block"), "A", "192.0.2.53", "allowed"),
    "block-of-the-rest": (of("allow net 192.0.3.0/24", "block"), "A", "192.0.2.53", "blocked"),
    "first-policy-decides": (of("filter type A", "block"), "A", "::1", "filtered"),
    "zone": ("acl example.org {\nblock\n}", "A", "::1", "blocked"),
    "other-zone": ("acl example.net {\nblock\n}", "A", "::1", "allowed"),
    "zone-of-many": ("acl example.net Example.ORG {\nblock\n}", "A", "::1", "blocked"),
    "second-rule": ("acl example.net {\nblock\n}\nacl example.org {\ndrop\n}", "A", "::1", "dropped"),
    "undecided-goes-to-the-next-rule": ("acl org {\nblock type MX\n}\nacl . {\nfilter\n}", "A", "::1", "filtered"),
    "allowed-by-the-first-rule": ("acl org {\nallow\n}\nacl . {\nblock\n}", "A", "::1", "allowed"),
}


@table(("body", "qtype", "client", "expected"), FATES.values(), ids=FATES)
async def test_fates(body: str, qtype: str, client: str, expected: str) -> None:
    sent = query("a.Example.org", qtype, peer=client)
    assert await fate(body, sent) == expected


CODES = {"block": 15, "filter": 17}


@pytest.mark.parametrize(("action", "code"), CODES.items())
async def test_extended_error(action: str, code: int) -> None:
    tested, _ = plugin(World(), acl.PLUGIN.set_up, "acl", of(action))
    handler = chain(tested, last=always(BELOW))
    sent = query("a.example.org", opt=Opt(1232, do=True))
    response = await handler(sent)
    assert response.opt == Opt(1232, do=True, options=((15, bytes((0, code))),))
    assert (await handler(query("a.example.org"))).opt is None


@table("action", ["block", "filter", "drop"])
async def test_denials_are_counted(action: str) -> None:
    world = World()
    tested, _ = plugin(world, acl.PLUGIN.set_up, "acl", f"acl org {{\n{action}\n}}")
    try:
        response = await chain(tested, last=always(BELOW))(query("a.example.org"))
        assert response.reuse is None
    except Dropped:
        pass
    done = {"block": "blocked", "filter": "filtered", "drop": "dropped"}[action]
    labels = {"server": "dns://:53", "zone": "org.", "view": ""}
    name = f"coredns_acl_{done}_requests_total"
    assert world.metrics.value(name, labels) == 1
    allowed = "coredns_acl_allowed_requests_total"
    assert world.metrics.value(allowed, {"server": "dns://:53"}) == 0


async def test_what_is_allowed_is_counted() -> None:
    world = World()
    tested, _ = plugin(world, acl.PLUGIN.set_up, "acl", of("block type MX"))
    response = await chain(tested, last=always(BELOW))(query("a.example.org"))
    assert response == BELOW
    name = "coredns_acl_allowed_requests_total"
    assert world.metrics.value(name, {"server": "dns://:53", "view": ""}) == 1


REFUSED = {
    "action": ("deny", "unexpected token \"deny\"; expect 'allow', 'block', 'filter' or 'drop'"),
    "section": ("block A", "unexpected token \"A\"; expect 'type | net'"),
    "type-of-nothing": ("block type", 'no token specified in "type" section'),
    "net-of-nothing": ("block net type A", 'no token specified in "net" section'),
    "type": ("block type FOO", 'unexpected token "FOO"; expect legal QTYPE'),
    "type-in-lower-case": ("block type a", 'unexpected token "a"; expect legal QTYPE'),
    "type-before-a-star": ("block type FOO *", 'unexpected token "FOO"; expect legal QTYPE'),
    "net-before-a-star": ("block net x *", 'illegal CIDR notation "x/32"'),
    "net": ("block net x", 'illegal CIDR notation "x/32"'),
    "mask": ("block net 10.0.0.0/33", 'illegal CIDR notation "10.0.0.0/33"'),
    "ipv6": ("block net 2001:db8::g", 'illegal CIDR notation "2001:db8::g/128"'),
}


@table(("line", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), acl.PLUGIN.set_up, "acl", of(line))
    assert str(caught.value) == f"Corefile:3 - Error during parsing: {message}"
