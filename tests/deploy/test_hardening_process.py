"""Rows 10 to 14 and 22 to 24 of the hardening checklist, over a running process."""

import argparse
import asyncio
import re
import ssl
from pathlib import Path

import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from minidns.commands import serve as command
from minidns.commands import why
from minidns.kubernetes.client import connect
from minidns.kubernetes.resources import SERVICES, Access, ApiError
from sim.api.http import ApiServer, Tls
from sim.controllers.cluster import Cluster
from tests.deploy.evidence import CLIENT, HERE, HOSTILE, TOKEN, UNUSUAL, Evidence, collected

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # a process


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    if not Path("/proc/net/tcp").exists():
        pytest.skip("looks at sockets as Linux shows them")
    return asyncio.run(collected(tmp_path_factory.mktemp("process")))


def test_10_it_listens_where_the_corefile_says_and_nowhere_else(seen: Evidence) -> None:
    tcp = ("dns", "health", "ready", "metrics", "explain")
    expected = {("tcp", HERE, seen.ports[name]) for name in tcp}
    assert seen.listening == expected | {("udp", HERE, seen.ports["dns"])}


def test_10_the_local_page_is_for_this_machine_alone(seen: Evidence) -> None:
    assert command.EXPLAIN.startswith("127.0.0.1:")
    assert seen.why["plain"][0] == 200
    assert seen.why["other host"][0] == 421
    assert seen.why["post"][0] == 405


def test_10_no_other_web_site_may_read_the_local_page(seen: Evidence) -> None:
    for _, headers in seen.why.values():
        assert not any(name.lower().startswith("access-control-") for name in headers)
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_11_there_are_no_profiling_endpoints(seen: Evidence) -> None:
    assert len(seen.pages) == 4 * len(UNUSUAL)
    found = {where: status for where, (status, _) in seen.pages.items()}
    assert set(found.values()) == {404}, found


def test_12_the_token_is_in_no_output(seen: Evidence) -> None:
    assert "kubernetes" in seen.log  # it did speak of the API server's names
    pages = [text for _, text in seen.pages.values()]
    for output in (seen.log, seen.errors, seen.metrics, *pages):
        assert TOKEN not in output


def query_lines(seen: Evidence) -> list[str]:
    return [line for line in seen.log.splitlines() if f"{CLIENT}:" in line]


def test_13_every_query_is_one_line_of_printable_text(seen: Evidence) -> None:
    assert len(query_lines(seen)) == len(HOSTILE)
    assert not re.search(r"[^\x20-\x7e\n]", seen.log)
    assert "\n[INFO] all is well" not in seen.log


def test_13_names_are_escaped_and_no_longer_than_names_are(seen: Evidence) -> None:
    lines = "\n".join(query_lines(seen))
    for escaped in (r"a\010", r"\027[31mred", r"\255\254\194\133", r"\\n"):
        assert escaped in lines, escaped
    # 255 bytes of a name, each at most \DDD, and the rest of a line
    assert max(map(len, query_lines(seen))) < 4 * 255 + 200


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {text for action in parser._actions for text in action.option_strings}


def test_14_no_option_takes_a_secret() -> None:
    found = options(command.parser()) | options(why.parser())
    assert "--kubeconfig" in found  # a path, not what is in it
    secret = re.compile("token|password|secret|key|credential")
    assert not [name for name in found if secret.search(name)]


def test_22_metrics_have_neither_names_nor_clients_nor_tokens(seen: Evidence) -> None:
    families = list(text_string_to_metric_families(seen.metrics))
    assert "coredns_dns_requests" in {family.name for family in families}
    values = {value for family in families for sample in family.samples for value in sample.labels.values()}
    unwelcome = ("drop", "all is well", "svc", CLIENT, TOKEN, "x" * 63)
    assert not [value for value in values if any(each in value for each in unwelcome)]


def test_23_isolated_and_in_development_mode_it_has_no_complaints(seen: Evidence) -> None:
    assert seen.errors == ""
    assert "Traceback" not in seen.log
    assert "Warning" not in seen.log
    assert seen.status == 0


@pytest.fixture
def served(tmp_path: Path) -> Tls:
    authority = trustme.CA()
    issued = authority.issue_cert(HERE)
    files = Tls(tmp_path / "crt", tmp_path / "key", tmp_path / "ca")
    issued.cert_chain_pems[0].write_to_path(str(files.certificate))
    issued.private_key_pem.write_to_path(str(files.key))
    authority.cert_pem.write_to_path(str(files.authority))
    return files


async def test_24_an_api_server_of_another_authority_is_refused(served: Tls, tmp_path: Path) -> None:
    async with ApiServer(Cluster(), tls=served) as api:
        kubeconfig = str(api.kubeconfig(tmp_path / "kubeconfig"))
        async with connect(Access(kubeconfig, "sim")) as connection:
            await connection.list_watch(SERVICES).page("", None)
        trustme.CA().cert_pem.write_to_path(str(served.authority))
        async with connect(Access(kubeconfig, "sim")) as connection:
            with pytest.raises(ApiError, match="certificate is not accepted"):
                await connection.list_watch(SERVICES).page("", None)


async def test_24_old_versions_of_tls_are_not_spoken(served: Tls, tmp_path: Path) -> None:
    async with ApiServer(Cluster(), tls=served) as api:
        kubeconfig = str(api.kubeconfig(tmp_path / "kubeconfig"))
        async with connect(Access(kubeconfig, "sim")) as connection:
            client = await connection._current()
            context = client._rest.ssl_context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
