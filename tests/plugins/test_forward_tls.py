"""*forward* over TLS, from the Corefile to the certificate."""

import ssl
from pathlib import Path

import pytest
import trustme

from minidns.dns.model import DnsError, Rcode
from tests.plugins.forwarding import forwarding
from tests.server.resolvers import Resolver, answer_well
from tests.world import query, texts

NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]


@pytest.fixture
def server(tmp_path: Path) -> ssl.SSLContext:
    """Certificates in ``tmp_path``; one for dns.example.net that asks for the client's."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("client.example.org")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("dns.example.net").configure_cert(context)
    authority.configure_trust(context)
    return context


TRUSTED = {
    "tls_servername": "forward . tls://{to} {{\ntls {ca}\ntls_servername dns.example.net\n}}",
    "by-upstream": "forward . tls://{host}%dns.example.net:{port} {{\ntls {ca}\n}}",
}


@pytest.mark.parametrize("line", TRUSTED.values(), ids=TRUSTED)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_what_is_trusted_is_asked(server: ssl.SSLContext, tmp_path: Path, line: str, transport: str) -> None:
    async with Resolver(None, answer_well, tls=server) as resolver:
        body = line.format(to=resolver, host=resolver.host, port=resolver.port, ca=tmp_path / "ca.pem")
        async with forwarding(body) as forward:
            for _ in range(3):
                response = await forward.ask(query(NAME, transport=transport))
                assert texts(response.answer) == GOOD
            assert resolver.connections == 1
            labels = {"proxy_name": "forward", "to": str(resolver), "proto": "tcp-tls"}
            hits = "coredns_proxy_conn_cache_hits_total"
            assert forward.metrics.value(hits, labels) == 2


@pytest.mark.parametrize("shows", [True, False], ids=["shown", "not-shown"])
async def test_the_own_certificate(server: ssl.SSLContext, tmp_path: Path, *, shows: bool) -> None:
    server.verify_mode = ssl.CERT_REQUIRED
    own = f"{tmp_path / 'cert.pem'} {tmp_path / 'key.pem'}" if shows else ""
    async with Resolver(None, answer_well, tls=server) as resolver:
        body = (
            f"forward . tls://{resolver} {{\ntls {own} {tmp_path / 'ca.pem'}\n"
            "tls_servername dns.example.net\nmax_connect_attempts 1\n}"
        )
        async with forwarding(body) as forward:
            if shows:
                assert texts((await forward.ask(query(NAME))).answer) == GOOD
            else:
                with pytest.raises(DnsError) as caught:
                    await forward.ask(query(NAME))
                assert caught.value.rcode == Rcode.SERVFAIL
                assert caught.value.text
                assert resolver.asked == []


@pytest.mark.parametrize(
    "options",
    ["tls_servername dns.example.net", "tls {ca}", "tls {ca}\ntls_servername dns.example.org"],
    ids=["not-trusted", "no-name", "another-name"],
)
async def test_what_is_not_trusted_gets_no_query(server: ssl.SSLContext, tmp_path: Path, options: str) -> None:
    async with Resolver(None, answer_well, tls=server) as resolver:
        lines = options.format(ca=tmp_path / "ca.pem")
        async with forwarding(f"forward . tls://{resolver} {{\n{lines}\n}}") as forward:
            with pytest.raises(DnsError, match="tls: failed to verify certificate"):
                await forward.ask(query(NAME))
            assert resolver.asked == []
