"""Files of certificates, and what is said when they are not what they should be."""

import re
import ssl
from pathlib import Path

import pytest
import trustme

from minidns.corefile.errors import ConfigError
from minidns.upstream.tls import client_context


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    own = authority.issue_cert("client.example.org")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own.private_key_pem.write_to_path(folder / "key.pem")
    own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    (folder / "junk.pem").write_text("no certificate\n")
    return folder


@pytest.mark.parametrize(
    "names",
    [(), ("ca.pem",), ("cert.pem", "key.pem"), ("cert.pem", "key.pem", "ca.pem")],
    ids=["system", "ca", "own", "own-and-ca"],
)
def test_what_the_arguments_mean(folder: Path, names: tuple[str, ...]) -> None:
    context = client_context(*(str(folder / name) for name in names))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    named = [dict(pair[0] for pair in cert["subject"]) for cert in _authorities(context)]
    ours = [name for name in named if "trustme" in str(name).lower()]
    assert len(ours) == ("ca.pem" in names)


def _authorities(context: ssl.SSLContext) -> list[dict[str, list[list[tuple[str, str]]]]]:
    return context.get_ca_certs()  # type: ignore[return-value]  # typeshed says Any


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param(("none.pem",), "error reading F/none.pem: open F/none.pem: no such file or directory", id="no-ca"),
        pytest.param(("junk.pem",), "could not read root certs: F/junk.pem", id="junk"),
        pytest.param(
            ("none.pem", "key.pem"),
            "could not load TLS cert: open F/none.pem: no such file or directory",
            id="no-certificate",
        ),
        pytest.param(
            ("cert.pem", "none.pem"), "could not load TLS cert: open F/none.pem: no such file or directory", id="no-key"
        ),
        pytest.param(("junk.pem", "key.pem"), "could not load TLS cert: tls: ", id="junk-cert"),
    ],
)
def test_files_that_cannot_be_used(folder: Path, names: tuple[str, ...], text: str) -> None:
    expected = re.escape(text.replace("F/", f"{folder}/"))
    with pytest.raises(ConfigError, match=f"^{expected}"):
        client_context(*(str(folder / name) for name in names))
