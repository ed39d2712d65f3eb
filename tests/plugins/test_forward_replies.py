"""*forward*: replies that match and are odd all the same, over real sockets."""

from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rrset
import pytest

from minidns.dns.model import CD, DnsError, Opt, Rcode, replace
from minidns.dns.wire import encode_response
from minidns.plugins import forward as forward_plugin
from minidns.plugins import rewrite
from minidns.upstream.upstream import Upstream
from tests.plugins.forwarding import SERVFAIL, forwarding, nothing_behind
from tests.server.resolvers import Call, Resolver, answer_well, good, reply
from tests.table import table
from tests.world import World, chain, directives, query, texts

NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]


async def test_a_record_of_another_owner_is_not_given_nor_kept() -> None:
    async def foreign(call: Call) -> None:
        call.send(reply(call.wire, "bank.example.net. 300 A 192.0.2.66").to_wire())

    async with Resolver(foreign) as resolver, forwarding(f"forward . {resolver}\ncache 30") as forward:
        for sent in (1, 2):
            with pytest.raises(DnsError, match="records of other names only") as caught:
                await forward.ask(query(NAME))
            assert caught.value.rcode == SERVFAIL
            assert len(resolver.asked) == sent


@table("rcode", ["SERVFAIL", "REFUSED", "NXDOMAIN", "NOTAUTH"])
async def test_failures_are_passed_on(rcode: str) -> None:
    async def fail(call: Call) -> None:
        call.send(reply(call.wire, rcode=rcode).to_wire())

    async with Resolver(fail) as resolver, forwarding(f"forward . {resolver}") as forward:
        response = await forward.ask(query(NAME))
        assert response.rcode == Rcode[rcode]
        assert response.rule == "forward/reply"
        assert len(resolver.asked) == 1


def refuse_edns(rcode: str, *, bare: bool) -> Callable[[Call], object]:
    async def old(call: Call) -> None:
        sent = dns.message.from_wire(call.wire)
        if sent.edns < 0:
            call.send(good(call.wire))
            return
        out = dns.message.make_response(sent)
        out.use_edns(False)
        out.set_rcode(dns.rcode.from_text(rcode))
        call.send(out.to_wire()[:4] + bytes(8) if bare else out.to_wire())

    return old


@table("rcode", ["FORMERR", "NOTIMP"])
@table("bare", [False, True], ids=["question", "header-only"])
async def test_who_knows_no_edns_is_asked_without(rcode: str, *, bare: bool) -> None:
    script = refuse_edns(rcode, bare=bare)
    async with (
        Resolver(script) as resolver,  # type: ignore[arg-type]  # a coroutine function
        forwarding(f"forward . {resolver}") as forward,
    ):
        sent = query(NAME, opt=Opt(1232, do=True))
        assert texts((await forward.ask(sent)).answer) == GOOD
        assert len(resolver.asked) == 2
        assert texts((await forward.ask(sent)).answer) == GOOD
        assert len(resolver.asked) == 4
        labels = {"proxy_name": "forward", "to": str(resolver)}
        for code, count in ((rcode, 2), ("NOERROR", 2)):
            assert forward.metrics.value("coredns_proxy_request_duration_seconds", {**labels, "rcode": code}) == count


async def test_a_refusal_of_one_query_changes_no_other() -> None:
    refuses = refuse_edns("FORMERR", bare=True)

    async def refuse_once(call: Call) -> None:
        if len(resolver.asked) == 1:
            await refuses(call)  # type: ignore[misc]  # a coroutine function
        else:
            call.send(good(call.wire))

    async with Resolver(refuse_once) as resolver, forwarding(f"forward . {resolver}") as forward:
        for _ in range(2):
            await forward.ask(query(NAME, opt=Opt(1232, do=True)))
        sent = [dns.message.from_wire(each.wire) for each in resolver.asked]
        assert [bool(each.ednsflags & dns.flags.DO) for each in sent] == [True, False, True]


async def test_a_formerr_without_edns_is_final() -> None:
    async def complain(call: Call) -> None:
        call.send(call.wire[:2] + b"\x81\x01" + bytes(8))

    async with Resolver(complain) as resolver, forwarding(f"forward . {resolver}") as forward:
        for opt, sent in ((None, 1), (Opt(1232), 3)):
            response = await forward.ask(query(NAME, opt=opt))
            assert response.rcode == Rcode.FORMERR
            assert len(resolver.asked) == sent


async def truncate(call: Call) -> None:
    out = reply(call.wire)
    out.flags |= dns.flags.TC
    call.send(out.to_wire())


@pytest.mark.parametrize("option", ["", "prefer_udp"])
async def test_truncated_without_tcp(option: str) -> None:
    async with Resolver(truncate) as resolver, forwarding(f"forward . {resolver} {{\n{option}\n}}") as forward:
        response = await forward.ask(query(NAME))
        assert (response.rcode, response.tc, response.answer) == (0, True, ())
        with pytest.raises(DnsError, match="connection refused") as caught:
            await forward.ask(query(NAME, transport="tcp"))
        assert caught.value.rcode == SERVFAIL


async def test_prefer_udp_asks_again_over_tcp() -> None:
    async with (
        Resolver(truncate, answer_well) as resolver,
        forwarding(f"forward . {resolver} {{\nprefer_udp\n}}") as forward,
    ):
        for transport in ("udp", "tcp"):
            response = await forward.ask(query(NAME, transport=transport))
            assert texts(response.answer) == GOOD
            assert not response.tc
        assert [call.transport for call in resolver.asked] == ["udp", "tcp"] * 2


async def test_a_ttl_with_the_highest_bit_is_0() -> None:
    async def much(call: Call) -> None:
        call.send(reply(call.wire, f"{NAME} {2**31 + 5} A 192.0.2.1").to_wire())

    async with Resolver(much) as resolver, forwarding(f"forward . {resolver}") as forward:
        response = await forward.ask(query(NAME))
        assert texts(response.answer) == [f"{NAME} 0 A 192.0.2.1"]


async def test_nxdomain_without_soa_is_passed_but_not_kept() -> None:
    async def deny(call: Call) -> None:
        call.send(reply(call.wire, rcode="NXDOMAIN").to_wire())

    async with Resolver(deny) as resolver, forwarding(f"forward . {resolver}\ncache 30") as forward:
        for sent in (1, 2):
            response = await forward.ask(query(NAME))
            assert response.rcode == Rcode.NXDOMAIN
            assert len(resolver.asked) == sent


SOA = "ns.example.net. admin.example.net. 1 2 3 4 5"
FOREIGN = {
    "SOA-elsewhere": f"example.net. 60 SOA {SOA}",
    "SOA-below": f"a.www.example.org. 60 SOA {SOA}",
    "SOA-beside": f"other.example.org. 60 SOA {SOA}",
}


@table("rcode", ["NOERROR", "NXDOMAIN"])
@table("record", FOREIGN.values(), ids=FOREIGN)
async def test_a_denial_with_an_soa_of_another_zone_is_passed_on_and_kept(record: str, rcode: str) -> None:
    async def deny(call: Call) -> None:
        out = reply(call.wire, rcode=rcode)
        owner, ttl, rtype, data = record.split(" ", 3)
        out.authority.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, data))
        call.send(out.to_wire())

    async with Resolver(deny) as resolver, forwarding(f"forward . {resolver}\ncache 90") as forward:
        for _ in (1, 2):
            response = await forward.ask(query(NAME))
            assert response.rcode == Rcode[rcode]
            assert texts(response.authority) == [record]
        assert len(resolver.asked) == 1


@table("section", ["answer", "authority", "additional"])
async def test_records_beside_the_answer_answer_no_other_question(section: str) -> None:
    """Cache poisoning (RFC 5452 6): what comes along is shown, and never believed."""
    victim = "bank.example.net."

    async def poison(call: Call) -> None:
        if dns.message.from_wire(call.wire).question[0].name.to_text() == victim:
            await answer_well(call)
            return
        out = reply(call.wire, *GOOD)
        rrset = dns.rrset.from_text(victim, 300, "IN", "A", "192.0.2.66")
        getattr(out, section).append(rrset)
        call.send(out.to_wire())

    async with Resolver(poison) as resolver, forwarding(f"forward . {resolver}\ncache 300") as forward:
        response = await forward.ask(query(NAME))
        assert texts(response.answer) == GOOD
        passed = [] if section == "answer" else [f"{victim} 300 A 192.0.2.66"]
        assert texts(response.authority) + texts(response.additional) == passed
        response = await forward.ask(query(victim))
        assert len(resolver.asked) == 2
        assert texts(response.answer) == [f"{victim} 300 A 192.0.2.1"]


@table("opt", [None, Opt(1232), Opt(4096)], ids=["512", "1232", "4096"])
async def test_sixty_kilobytes_over_udp_are_truncated(opt: Opt | None) -> None:
    async def flood(call: Call) -> None:
        out = reply(call.wire, *(f"{NAME} 300 TXT {'x' * 200}" for _ in range(1)))
        (rrset,) = out.answer
        for number in range(285):
            rrset.add(dns.rdata.from_text("IN", "TXT", f"{number:03}{'x' * 200}"))
        wire = out.to_wire(max_size=65535)
        assert len(wire) > 60_000
        call.send(wire)

    async with Resolver(flood) as resolver, forwarding(f"forward . {resolver}\ncache 30") as forward:
        response = await forward.ask(query(NAME, "TXT", opt=opt))
        assert (response.tc, response.answer, response.rcode) == (True, (), 0)
        again = await forward.ask(query(NAME, "TXT", opt=opt))
        assert again.tc
        assert len(resolver.asked) == 2  # not kept


async def test_chains_are_passed_as_they_are() -> None:
    links = [f"{NAME} 60 CNAME n0.example.org."]
    links += [f"n{n}.example.org. 60 CNAME n{n + 1}.example.org." for n in range(48)]
    links.append("n48.example.org. 60 CNAME n0.example.org.")

    async def ring(call: Call) -> None:
        call.send(reply(call.wire, *links).to_wire(max_size=65535))

    async with Resolver(None, ring) as resolver, forwarding(f"forward . {resolver} {{\nforce_tcp\n}}") as forward:
        response = await forward.ask(query(NAME))
        assert texts(response.answer) == sorted(links)
        assert len(resolver.asked) == 1


@table("asked_cd", [False, True], ids=["CD-clear", "CD-asked"])
@table("given_cd", [False, True], ids=["CD-not-given", "CD-given"])
async def test_cd_is_copied_from_the_query(*, asked_cd: bool, given_cd: bool) -> None:
    """RFC 4035 3.1.6. CoreDNS gives the client the upstream's bit instead."""

    async def answer(call: Call) -> None:
        out = reply(call.wire, *GOOD)
        out.flags = out.flags & ~dns.flags.CD | (dns.flags.CD if given_cd else 0)
        call.send(out.to_wire())

    async with Resolver(answer) as resolver, forwarding(f"forward . {resolver}") as forward:
        sent = query(NAME)
        sent = replace(sent, flags=sent.flags | (CD if asked_cd else 0))
        wire = encode_response(sent, await forward.ask(sent))
        assert bool(dns.message.from_wire(wire).flags & dns.flags.CD) == asked_cd


@table("given", [False, True], ids=["no-OPT-given", "OPT-given"])
@table("sent", [None, Opt(1232)], ids=["no-EDNS", "EDNS"])
async def test_every_client_gets_the_opt_that_rewrite_added(sent: Opt | None, *, given: bool) -> None:
    """CoreDNS departs from RFC 6891 6.1.1 here."""
    world = World()

    async def answer(to: Upstream, wire: bytes) -> bytes:
        assert dns.message.from_wire(wire).options
        out = reply(wire, *GOOD)
        out.use_edns(0 if given else False)
        return out.to_wire()

    world.upstreams.answer = answer
    body = "rewrite edns0 local set 0xffee abcd\nforward . 192.0.2.53"
    site = world.site(f". {{\n{body}\n}}\n")
    plugins = [
        each.setup(directives(site, name), site) for name, each in (("rewrite", rewrite), ("forward", forward_plugin))
    ]
    handler = chain(*plugins, last=nothing_behind)
    wire = encode_response(query(NAME, opt=sent), await handler(query(NAME, opt=sent)))
    assert dns.message.from_wire(wire).edns >= 0
