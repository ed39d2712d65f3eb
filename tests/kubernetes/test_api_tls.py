"""Certificates: whose are accepted, and what people are told of the others."""

import ssl
from pathlib import Path

import pytest
import trustme

from minidns.kubernetes.resources import Access, ApiError
from sim.api.http import ApiServer
from tests.kubernetes.served import ONE, TOKENS, Pod, certify, page, seen_from, serving, with_user


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pod(tmp_path: Path, authority: trustme.CA) -> Pod:
    return Pod(tmp_path, authority)


async def test_in_a_pod_over_tls(pod: Pod) -> None:
    async with seen_from(pod, tokens=TOKENS) as (server, connection):
        await page(connection)
        assert connection.describe() == (f"{server.url} (service account of this pod)")


async def test_f41_an_authority_that_changed_is_read_again(pod: Pod, tmp_path: Path) -> None:
    async with seen_from(pod) as (server, connection):
        await page(connection)
        other = certify(tmp_path / "other", trustme.CA())
        await server.down()
        server.use_certificate(other)
        await server.up()
        with pytest.raises(ApiError, match="certificate is not accepted"):
            await page(connection)
        assert other.authority is not None
        (pod.account / "ca.crt").write_bytes(other.authority.read_bytes())
        await page(connection)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param(["127.0.0.1"], "local issuer certificate", id="F41-wrong-ca"),
        pytest.param(["192.0.2.1"], "IP address mismatch", id="F41-other-address"),
    ],
)
async def test_f41_what_is_wrong_with_a_certificate(
    pod: Pod, tmp_path: Path, authority: trustme.CA, names: list[str], text: str
) -> None:
    issuer = trustme.CA() if names == ["127.0.0.1"] else authority
    tls = certify(tmp_path / "server", issuer, *names)
    async with serving(tls=tls) as served, pod.connect(served.server) as connection:
        with pytest.raises(ApiError) as caught:
            await page(connection)
    assert str(caught.value).startswith(f"cannot reach {served.server.url}: its certificate is not accepted: ")
    assert text in str(caught.value)


@pytest.mark.parametrize("file", [pytest.param("ca.crt", id="F41-no-ca"), pytest.param("token", id="token")])
async def test_files_of_nonsense_are_no_traceback(pod: Pod, file: str) -> None:
    async with serving(tls=pod.tls, tokens=TOKENS) as served:
        (pod.account / file).write_bytes(b"\xff\x00 nonsense")
        async with pod.connect(served.server) as connection:
            with pytest.raises(ApiError) as caught:
                await page(connection)
    assert str(caught.value).isprintable()


async def test_speaking_tls_to_a_server_that_does_not() -> None:
    async with serving(access=lambda server: Access(endpoint=server.url.replace("http", "https"))) as served:
        with pytest.raises(ApiError, match="cannot reach https://127"):
            await page(served.connection)


async def test_a_client_certificate(pod: Pod, tmp_path: Path, authority: trustme.CA) -> None:
    mine = certify(tmp_path / "mine", authority, "me@example.org")
    files = (str(mine.certificate), str(mine.key), str(mine.authority))
    async with serving(tls=pod.tls, access=lambda server: Access(endpoint=server.url, tls=files)) as served:
        served.server._ssl.verify_mode = ssl.CERT_REQUIRED  # type: ignore[union-attr]
        served.server._ssl.load_verify_locations(files[2])  # type: ignore[union-attr]
        await page(served.connection)


async def test_an_unverified_certificate_is_warned_of(
    pod: "Pod", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def access(server: ApiServer) -> Access:
        config = server.kubeconfig(tmp_path / "config")
        config.write_text(config.read_text().replace("certificate-authority", "x"))
        return with_user(config, {"token": ONE}, **{"insecure-skip-tls-verify": True})

    async with serving(tls=pod.tls, access=access, tokens=TOKENS) as served:
        await page(served.connection)
        assert f"the certificate of {served.server.url} is not verified" in caplog.text
