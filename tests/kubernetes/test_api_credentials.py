"""Tokens that change, vanish and come from programs; none is ever logged."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from minidns.kubernetes.resources import Access, ApiError
from sim.api.http import ApiServer
from tests.kubernetes.served import ONE, TOKENS, TWO, Kept, Pod, following, page, seen_from, serving, until, with_user


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pod(tmp_path: Path, authority: trustme.CA) -> Pod:
    return Pod(tmp_path, authority)


async def test_f24_a_401_reads_the_token_again_and_asks_again_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "config"
    caplog.set_level(logging.DEBUG)

    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(config, ONE)))

    async with serving(access=access, tokens=TOKENS) as served:
        await page(served.connection)
        served.server.faults.only_token = TWO
        served.server.kubeconfig(config, TWO)
        await page(served.connection)
        assert served.server.requests.count("list", "services") == 3
        assert (
            served.metrics.value(
                "coredns_kubernetes_rest_client_requests_total",
                {"code": "401", "method": "GET", "host": served.server.url[7:]},
            )
            == 1
        )
    assert ONE not in caplog.text
    assert TWO not in caplog.text


async def test_f24_a_second_401_is_an_error(tmp_path: Path) -> None:
    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(tmp_path / "config", "wrong")))

    async with serving(access=access, tokens=TOKENS) as served:
        with pytest.raises(ApiError, match="401") as caught:
            await page(served.connection)
        assert caught.value.status == 401
        assert served.server.requests.count("list", "services") == 2


async def test_f25_a_kubeconfig_that_is_away_for_a_moment(tmp_path: Path) -> None:
    config = tmp_path / "config"

    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(config, ONE)))

    async with serving(access=access, tokens=TOKENS) as served:
        await page(served.connection)
        config.unlink()
        served.server.faults.only_token = TWO
        with pytest.raises(ApiError, match="401"):
            await page(served.connection)
        served.server.faults.only_token = ONE
        await page(served.connection)


async def test_watches_go_on_while_credentials_change(tmp_path: Path) -> None:
    config = tmp_path / "config"

    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(config, ONE)))

    kept = Kept()
    async with serving(access=access, tokens=TOKENS) as served, following(served, kept) as reflector:
        await until(lambda: len(served.server.streams) == 1)
        served.server.faults.only_token = TWO
        served.server.kubeconfig(config, TWO)
        await page(served.connection)
        served.create("after")
        await until(lambda: "after" in kept.names)
        assert (reflector.errors, reflector.watches) == (0, 1)


def executing(code: str) -> dict[str, Any]:
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": sys.executable, "args": ["-c", code]}}


PRINT = """
import json, pathlib
token = pathlib.Path({path!r}).read_text()
version = "client.authentication.k8s.io/v1"
print(json.dumps({{"apiVersion": version, "kind": "ExecCredential",
                   "status": {{"token": token}}}}))
"""


async def test_a_program_that_gives_tokens(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(ONE)

    def access(server: ApiServer) -> Access:
        user = executing(PRINT.format(path=str(token)))
        return with_user(server.kubeconfig(tmp_path / "config"), user)

    async with serving(access=access, tokens=TOKENS) as served:
        await page(served.connection)
        token.write_text(TWO)
        served.server.faults.only_token = TWO
        await page(served.connection)


async def test_a_program_that_fails_is_no_traceback(tmp_path: Path) -> None:
    def access(server: ApiServer) -> Access:
        user = executing("import sys; sys.exit('log in first')")
        return with_user(server.kubeconfig(tmp_path / "config"), user)

    async with serving(access=access, tokens=TOKENS) as served:
        with pytest.raises(ApiError, match="401"):
            await page(served.connection)


async def test_a_token_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(ONE + "\n")

    def access(server: ApiServer) -> Access:
        config = server.kubeconfig(tmp_path / "config")
        return with_user(config, {"tokenFile": str(token)})

    async with serving(access=access, tokens=TOKENS) as served:
        await page(served.connection)


async def test_f24_a_rotated_token_of_a_pod(pod: Pod) -> None:
    async with seen_from(pod, tokens=TOKENS) as (server, connection):
        await page(connection)
        pod.token.write_text(TWO + "\n")
        server.faults.only_token = TWO
        await page(connection)


@pytest.mark.parametrize("gone", ["missing", "empty"])
async def test_f25_a_token_file_without_a_token_for_a_moment(pod: Pod, gone: str) -> None:
    async with seen_from(pod, tokens=TOKENS) as (server, connection):
        await page(connection)
        if gone == "missing":
            pod.token.unlink()
        else:
            pod.token.write_text("")
        server.faults.only_token = TWO
        with pytest.raises(ApiError, match="401"):
            await page(connection)
        pod.token.write_text(TWO)
        await page(connection)
