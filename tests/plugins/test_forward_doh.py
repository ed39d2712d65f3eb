"""*forward* over HTTPS (DoH), from the Corefile to the certificate."""

import asyncio
import ssl
import time
from pathlib import Path

import dns.flags
import dns.message
import pytest
import trustme
from aiohttp import web

from minidns.dns.model import AD, CD, DnsError, Opt, Rcode, replace
from tests.plugins.forwarding import forwarding, until
from tests.server.doh import TYPE, Asked, DohServer, answer_well
from tests.server.resolvers import good, reply
from tests.world import query, texts

NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 and dns.example.net; its authority in ``tmp_path``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "dns.example.net").configure_cert(context)
    return context


def line(server: DohServer, folder: Path, *options: str) -> str:
    return "\n".join([f"forward . https://{server} {{", f"tls {folder / 'ca.pem'}", *options, "}"])


@pytest.mark.parametrize("method", ["POST", "GET", ""])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_it_is_asked_as_rfc_8484_says(tls: ssl.SSLContext, tmp_path: Path, method: str, transport: str) -> None:
    option = f"doh_method {method}" if method else ""
    async with DohServer(tls) as server:
        async with forwarding(line(server, tmp_path, option)) as forward:
            sent = query(NAME, transport=transport, opt=Opt(1232, do=True))
            sent = replace(sent, id=4660, flags=sent.flags | CD | AD)
            response = await forward.ask(sent)
        assert texts(response.answer) == GOOD
        (request,) = server.asked
        assert request.method == (method or "POST")
        assert request.path == "/dns-query"
        assert request.headers["accept"] == TYPE
        assert request.headers["host"] == str(server)
        if request.method == "POST":
            assert request.headers["content-type"] == TYPE
        message = dns.message.from_wire(request.wire)
        assert message.id == 0  # RFC 8484 4.1: the same query has the same bytes
        assert message.question[0].to_text() == f"{NAME} IN A"
        assert message.flags & dns.flags.CD
        assert (message.edns, message.ednsflags) == (0, 0x8000)


async def test_connections_are_used_again(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async with DohServer(tls) as server, forwarding(line(server, tmp_path)) as forward:
        for number in range(5):
            await forward.ask(query(f"n{number}.example.org."))
        assert server.connections == 1
        names = [f"m{number}.example.org." for number in range(5)]
        await asyncio.gather(*(forward.ask(query(name)) for name in names))
        assert len(server.asked) == 10
        assert server.connections <= 5


async def test_expire_0_keeps_no_connection(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async with DohServer(tls) as server, forwarding(line(server, tmp_path, "expire 0s")) as forward:
        for number in range(3):
            await forward.ask(query(f"n{number}.example.org."))
        assert server.connections == 3


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_connection_that_ended_meanwhile_costs_nothing(
    tls: ssl.SSLContext, tmp_path: Path, method: str
) -> None:
    options = f"doh_method {method}", "max_connect_attempts 1"
    async with DohServer(tls) as server, forwarding(line(server, tmp_path, *options)) as forward:
        for number in range(4):
            response = await forward.ask(query(f"n{number}.example.org."))
            assert response.answer
            server.hang_up()
        assert len(server.asked) == 4


async def test_the_servername_option_names_the_certificate(tls: ssl.SSLContext, tmp_path: Path) -> None:
    for name, trusted in (("dns.example.net", True), ("other.example.net", False)):
        options = f"tls_servername {name}", "max_connect_attempts 1"
        async with DohServer(tls) as server, forwarding(line(server, tmp_path, *options)) as forward:
            if trusted:
                assert texts((await forward.ask(query(NAME))).answer) == GOOD
                continue
            with pytest.raises(DnsError, match="tls: failed to verify") as caught:
                await forward.ask(query(NAME))
            assert caught.value.rcode == Rcode.SERVFAIL
            assert server.asked == []


async def test_who_is_not_trusted_is_not_asked(tls: ssl.SSLContext) -> None:
    async with DohServer(tls) as server, forwarding(f"forward . https://{server}") as forward:
        with pytest.raises(DnsError, match="tls: failed to verify") as caught:
            await forward.ask(query(NAME))
        assert caught.value.rcode == Rcode.SERVFAIL
        assert server.asked == []


def says(**response: object) -> web.Response:
    return web.Response(**response)  # type: ignore[arg-type]  # as the rows say


BAD = {
    "HTTP-400": (lambda wire: says(status=400, body=good(wire)), Rcode.SERVFAIL),
    "HTTP-403": (lambda wire: says(status=403, text="no"), Rcode.SERVFAIL),
    "HTTP-429": (lambda wire: says(status=429), Rcode.SERVFAIL),
    "HTTP-500": (lambda wire: says(status=500, text="<html>"), Rcode.SERVFAIL),
    "redirect": (lambda wire: says(status=307, headers={"Location": "https://192.0.2.1/"}), Rcode.SERVFAIL),
    "nothing": (lambda wire: says(body=b""), Rcode.SERVFAIL),
    "a-page": (lambda wire: says(text="<html>hello</html>"), Rcode.SERVFAIL),
    "cut": (lambda wire: says(body=good(wire)[:-3]), Rcode.SERVFAIL),
    "far-too-long": (lambda wire: says(body=good(wire) * 5000), Rcode.SERVFAIL),
    "header-alone": (lambda wire: says(body=good(wire)[:12]), Rcode.FORMERR),
    "another-question": (lambda wire: says(body=good(wire.replace(b"\3www", b"\3wwx"))), Rcode.FORMERR),
    "the-query-itself": (lambda wire: says(body=wire), Rcode.FORMERR),
}


@pytest.mark.parametrize(("make", "rcode"), BAD.values(), ids=BAD)
async def test_what_is_no_reply_is_an_error_at_once(
    tls: ssl.SSLContext, tmp_path: Path, make: object, rcode: Rcode
) -> None:
    async def misbehave(sent: Asked) -> web.Response:
        assert callable(make)
        response = make(sent.wire)
        assert isinstance(response, web.Response)
        return response

    async with DohServer(tls, misbehave) as server, forwarding(line(server, tmp_path)) as forward:
        began = time.monotonic()
        with pytest.raises(DnsError) as caught:
            await forward.ask(query(NAME))
        assert caught.value.rcode == rcode
        assert time.monotonic() - began < 1.5
        if rcode == Rcode.SERVFAIL:
            assert "Error" not in caught.value.text  # in words of people


@pytest.mark.parametrize("rcode", ["SERVFAIL", "NXDOMAIN", "REFUSED"])
async def test_rcodes_are_passed_on(tls: ssl.SSLContext, tmp_path: Path, rcode: str) -> None:
    async def fail(sent: Asked) -> web.Response:
        return web.Response(body=reply(sent.wire, rcode=rcode).to_wire())

    async with DohServer(tls, fail) as server, forwarding(line(server, tmp_path)) as forward:
        assert (await forward.ask(query(NAME))).rcode == Rcode[rcode]


async def test_a_large_reply_is_whole(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async def much(sent: Asked) -> web.Response:
        records = [f"{NAME} 300 A 10.0.{n >> 8}.{n & 255}" for n in range(2000)]
        message = reply(sent.wire, records[0])
        for record in records[1:]:
            message.answer[0].add(dns.rdata.from_text("IN", "A", record.split()[-1]))
        return web.Response(body=message.to_wire(max_size=65535))

    async with DohServer(tls, much) as server, forwarding(line(server, tmp_path)) as forward:
        response = await forward.ask(query(NAME))
        assert len(response.answer[0].rdata) == 2000
        assert not response.tc


async def test_the_id_of_a_reply_means_nothing(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async def other_id(sent: Asked) -> web.Response:
        return web.Response(body=b"\x12\x34" + good(sent.wire)[2:])

    async with DohServer(tls, other_id) as server, forwarding(line(server, tmp_path)) as forward:
        assert texts((await forward.ask(query(NAME))).answer) == GOOD


async def test_who_is_silent_is_left_after_the_timeout(tls: ssl.SSLContext, tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(sent: Asked) -> web.Response:
        await release.wait()
        return await answer_well(sent)

    options = "read_timeout 150ms", "max_connect_attempts 1"
    async with DohServer(tls, wait) as server, forwarding(line(server, tmp_path, *options)) as forward:
        with pytest.raises(DnsError, match="i/o timeout") as caught:
            await forward.ask(query(NAME))
        assert caught.value.rcode == Rcode.SERVFAIL
        release.set()


async def test_checks_go_over_https_until_it_answers_again(tls: ssl.SSLContext, tmp_path: Path) -> None:
    labels = {"proxy_name": "forward"}
    async with DohServer(tls) as first:
        port = first.port
        options = "max_fails 1", "health_check 20ms", "failfast_all_unhealthy_upstreams"
        async with forwarding(line(first, tmp_path, *options)) as forward:
            await forward.ask(query(NAME))
            await first.close()
            with pytest.raises(DnsError, match="connection refused"):
                await forward.ask(query("a.example.org."))
            failures = "coredns_proxy_healthcheck_failures_total"
            to = labels | {"to": str(first)}
            await until(lambda: forward.metrics.value(failures, to) >= 2)
            with pytest.raises(DnsError, match="no healthy proxies"):
                await forward.ask(query("b.example.org."))
            async with DohServer(tls, port=port) as second:
                await until(lambda: second.asked)
                await until(lambda: _checked(second))
                response = None
                async with asyncio.timeout(5):
                    while response is None:
                        try:
                            response = await forward.ask(query("c.example.org."))
                        except DnsError:
                            await asyncio.sleep(0.01)
                assert response.answer


def _checked(server: DohServer) -> bool:
    message = dns.message.from_wire(server.asked[0].wire)
    return message.question[0].to_text() == ". IN NS"


async def test_the_next_upstream_is_asked_when_one_fails(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async def fail(sent: Asked) -> web.Response:
        return web.Response(status=500)

    async with (
        DohServer(tls, fail) as bad,
        DohServer(tls) as well,
        forwarding(
            f"forward . https://{bad} https://{well} {{\ntls {tmp_path / 'ca.pem'}\npolicy sequential\n}}"
        ) as forward,
    ):
        assert texts((await forward.ask(query(NAME))).answer) == GOOD
        assert (len(bad.asked) >= 1, len(well.asked)) == (True, 1)


@pytest.mark.parametrize("option", ["force_tcp", "prefer_udp"])
async def test_options_of_other_transports_change_nothing(tls: ssl.SSLContext, tmp_path: Path, option: str) -> None:
    async with DohServer(tls) as server, forwarding(line(server, tmp_path, option)) as forward:
        assert texts((await forward.ask(query(NAME))).answer) == GOOD
