"""Hostile labels in logs, metrics and explanations: 17 labels, 3 places, 51 of 51."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from minidns.commands import why
from minidns.dns import names
from tests.process import free_port
from tests.survival.datagrams import HOSTILE, hostile_name
from tests.survival.messages import asked, labels
from tests.survival.world import GOOD, HOST, Server, minidns, udp

pytestmark = pytest.mark.slow

CHAIN = """\
.:{port} {{
    bind 127.0.0.1
    errors
    log
    prometheus 127.0.0.1:{metrics}
    template IN A cluster.local {{
        rcode NXDOMAIN
        authority "cluster.local. 30 IN SOA ns.dns.cluster.local. h.cluster.local. 1 2 3 4 5"
    }}
    forward . 127.0.0.1:{upstream}
    # {kubeconfig}{health}{ready}{lameduck}{more}
}}
"""
"""Names in cluster.local are denied; other names get no answer, which is logged."""
FAILING = (b"example", b"org")


class Seen:
    """A server that was asked for every hostile name, and what it said of them."""

    def __init__(self, server: Server, explain: str) -> None:
        self.server = server
        self.explain = explain
        before = self.series()
        for number in HOSTILE:
            for wire in (hostile_name(number), failing_name(number)):
                with udp(server.port) as sock:
                    sock.send(asked(wire))
                    sock.recv(512)
        self.page = self._page()
        self.new_series = self.series() - before
        said = [plain(line) for line in server.lines]
        self.lines = [line for line in said if line.startswith("[INFO] 127.") and GOOD not in line]
        self.errors = [line for line in said if line.startswith("[ERROR] plugin/errors")]

    def _page(self) -> str:
        url = f"http://{HOST}:{self.server.ports['metrics']}/metrics"
        with urllib.request.urlopen(url, timeout=5) as reply:
            return str(reply.read().decode())

    def series(self) -> set[str]:
        return {
            f"{sample.name}{sample.labels}"
            for family in text_string_to_metric_families(self._page())
            for sample in family.samples
        }


def plain(line: str) -> str:
    """Return a line of the log in its text form, whatever form it is in."""
    if not line.startswith("{"):
        return line
    told = json.loads(line)
    plugin = told.get("plugin", "log")
    prefix = "" if plugin == "log" else f"plugin/{plugin}: "
    return f"[{told['level'].upper()}] {prefix}{told['message']}"


def failing_name(number: str) -> bytes:
    return labels(HOSTILE[number][1], *FAILING)


def shown(wire: bytes) -> str:
    """Return how a name is to be shown, in the words of an independent oracle."""
    text = "".join("".join(spelled(byte) for byte in label) + "." for label in split(wire))
    return text.lower()


def split(wire: bytes) -> Iterator[bytes]:
    while size := wire[0]:
        yield wire[1 : 1 + size]
        wire = wire[1 + size :]


def spelled(byte: int) -> str:
    if chr(byte) in ".'@;()\"\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03}"


@pytest.fixture(scope="module", params=["text", "json"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    explain = f"{HOST}:{free_port()}"
    flags = ("-explain", explain, "-log.format", request.param)
    with minidns(tmp_path_factory.mktemp("server"), CHAIN, *flags, ready_when=3) as server:
        yield Seen(server, f"http://{explain}")


@pytest.mark.parametrize("number", HOSTILE)
def test_in_the_log(number: str, seen: Seen) -> None:
    for wire in (hostile_name(number), failing_name(number)):
        name = shown(wire)
        (line,) = [line for line in seen.lines if f" {name} " in line]
        assert line.startswith("[INFO] 127.0.0.1:")
    (line,) = [line for line in seen.errors if f" {shown(failing_name(number))} " in line]
    assert line.startswith("[ERROR] plugin/errors: 2 ")


def test_a_line_is_a_line(seen: Seen) -> None:
    assert len(seen.lines) == 2 * len(HOSTILE)
    assert len(seen.errors) == len(HOSTILE)
    for line in seen.server.lines:
        assert line.isascii()
        assert line.isprintable()
        assert not line.startswith("[ERROR] fake")


@pytest.mark.parametrize("number", HOSTILE)
def test_in_the_metrics(number: str, seen: Seen) -> None:
    """Query names are never labels, so there is nothing to escape."""
    for wire in (hostile_name(number), failing_name(number)):
        assert shown(wire) not in seen.page
    raw = HOSTILE[number][1]
    if len(raw) > 3:
        assert raw.decode("latin1") not in seen.page


def test_the_page_is_as_it_should_be(seen: Seen) -> None:
    assert seen.page.isascii()
    families = {family.name for family in text_string_to_metric_families(seen.page)}
    assert "coredns_dns_requests" in families


def test_names_make_no_series(seen: Seen) -> None:
    before = seen.series()
    with udp(seen.server.port) as sock:
        for number in range(1000):
            sock.send(asked(labels(b"n%d" % number, b"svc", b"cluster", b"local")))
            sock.recv(512)
    assert seen.series() == before


@pytest.mark.parametrize("number", HOSTILE)
def test_in_explanations(number: str, seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    name = shown(hostile_name(number))
    url = f"{seen.explain}/why?{urllib.parse.urlencode({'name': name})}"
    with urllib.request.urlopen(url, timeout=5) as reply:
        headers, body = reply.headers, reply.read()
    # no browser makes anything but text of it
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(body)["name"] == name
    assert all(byte in b"\n" or 0x20 <= byte < 0x7F for byte in body)
    assert why.main([name, "--server", seen.explain]) == why.NO_RECORDS
    said = capsys.readouterr().out
    assert said.startswith(f"{name} A: NXDOMAIN\n")
    assert all(line.isprintable() and line.isascii() for line in said.splitlines())


def test_the_oracle_agrees_with_the_names(tmp_path: Path) -> None:
    for number in HOSTILE:
        wire = hostile_name(number)
        assert names.from_wire(wire).lower() == shown(wire)
