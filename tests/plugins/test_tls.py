import logging

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import tls
from minidns.plugins.contracts import Certificate
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World


def set_up(body: str, root: str = "") -> Site:
    site = World().site(f"tls://.:853 {{\n{body}\n}}")
    site.root = root
    tls.PLUGIN.set_up(site.block.named("tls"), site)
    return site


CERTIFICATES = {
    "without-ca": ("tls c.pem k.pem", Certificate("c.pem", "k.pem")),
    "with-ca": ("tls /c.pem /k.pem /ca.pem", Certificate("/c.pem", "/k.pem", "/ca.pem")),
    "nocert": ("tls c k {\nclient_auth nocert\n}", Certificate("c", "k", "", "nocert")),
    "verify-if-given": ("tls c k a {\nclient_auth verify_if_given\n}", Certificate("c", "k", "a", "verify_if_given")),
    "require-and-verify": (
        "tls c k a {\nclient_auth require_and_verify\n}",
        Certificate("c", "k", "a", "require_and_verify"),
    ),
    "the-last-one-counts": ("tls c k\ntls d l", Certificate("d", "l")),
}


@table(("body", "certificate"), CERTIFICATES.values(), ids=CERTIFICATES)
def test_certificate(body: str, certificate: Certificate) -> None:
    assert set_up(body).listen.certificate == certificate


def test_relative_files_are_below_the_root() -> None:
    certificate = set_up("tls c.pem /k.pem ca.pem", "/etc/tls").listen.certificate
    assert certificate == Certificate("/etc/tls/c.pem", "/k.pem", "/etc/tls/ca.pem")


def test_keylog_is_not_done(caplog: pytest.LogCaptureFixture) -> None:
    assert set_up("tls c k {\nkeylog keys.log\n}").listen.certificate is not None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


PARSING = "Error during parsing"
ARGS = "Wrong argument count or unexpected line ending after"
REFUSED = {
    "acme": ("tls", "certificates by ACME are not supported by minidns"),
    "one-file": ("tls c", f"plugin/tls: Corefile:2 - {PARSING}: {ARGS} 'c'"),
    "four-files": ("tls a b c d", f"plugin/tls: Corefile:2 - {PARSING}: {ARGS} 'd'"),
    "option": ("tls c k {\nfoo\n}", f"Corefile:3 - {PARSING}: unknown option 'foo'"),
    "client-auth-without": ("tls c k {\nclient_auth\n}", f"Corefile:3 - {PARSING}: {ARGS} 'client_auth'"),
    "client-auth-unknown": (
        "tls c k {\nclient_auth maybe\n}",
        f"Corefile:3 - {PARSING}: unknown authentication type 'maybe'",
    ),
    "client-auth-unverified": (
        "tls c k {\nclient_auth require\n}",
        f"Corefile:3 - {PARSING}: client_auth require is not supported by minidns",
    ),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == message
