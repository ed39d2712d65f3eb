"""No credential in anything that is said, at debug level, whatever goes wrong."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.api.faults import Action, Rule
from sim.api.rbac import ADMIN
from tests.process import DEADLINE_S, free_port
from tests.survival.world import GOOD, HOST, KUBEADM, Api, Server, api, is_good, minidns, query, udp, upstream

pytestmark = pytest.mark.slow

TOKEN = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXBheWxvYWQ.c2lnbmF0dXJl"
"""A token with the form of a service account's token."""
PARTS = (TOKEN, *TOKEN.split("."), "Bearer")


BACKOFF_S = 30.0
"""The longest that a watch waits after errors (client-go)."""


def in_time(server: Server, text: str) -> None:
    """Wait until ``text`` was logged."""
    deadline = time.monotonic() + DEADLINE_S + BACKOFF_S
    while not any(text in line for line in server.lines):
        assert time.monotonic() < deadline, (text, server.lines)
        time.sleep(0.05)


def until_watched(world: Api) -> None:
    """Wait until Services, Namespaces and EndpointSlices are watched."""
    deadline = time.monotonic() + DEADLINE_S + BACKOFF_S
    while len(world.server.streams) < 3:
        assert time.monotonic() < deadline, world.server.streams
        time.sleep(0.05)


@pytest.fixture(scope="module", params=["text", "json"])
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Everything a server says while its API server does all it can to make it talk."""
    folder = tmp_path_factory.mktemp("server")
    explain = f"{HOST}:{free_port()}"
    flags = ("-explain", explain, "-log.format", request.param)
    kubeconfig = folder / "kubeconfig"
    with api(kubeconfig) as world, upstream() as port:
        world.server.tokens = {TOKEN: ADMIN.name}
        world.server.kubeconfig(kubeconfig, TOKEN)
        with minidns(
            folder, KUBEADM, *flags, kubeconfig=kubeconfig, upstream_port=port, more="log\n    debug"
        ) as server:
            provoke(world, server)
            pages = "\n".join(
                page(f"http://{where}")
                for where in (
                    f"{HOST}:{server.ports['metrics']}/metrics",
                    f"{HOST}:{server.ports['health']}/health",
                    f"{explain}/why?name={GOOD}",
                )
            )
            assert server.end() == 0
            yield "\n".join((*server.lines, pages))


FAULTS = (
    (
        (Rule(resource="services", status=401), "(401: "),
        (Rule(resource="namespaces", status=403, message="no"), "grant this user"),
        (Rule(resource="endpointslices", status=500), "(HTTP 500)"),
    ),
    (
        (Rule(resource="services", reset=True), "cannot reach"),
        (Rule(resource="namespaces", body="<html>", content_type="text/html"), "text/html"),
        (Rule(resource="endpointslices", body="{"), "cannot be read"),
    ),
)


def provoke(world: Api, server: Server) -> None:
    """Let the API server refuse, break off, lie and come back."""
    for faults in FAULTS:
        until_watched(world)  # else there is no watch to end, and nobody lists
        world.server.faults.rules = [rule for rule, _ in faults]
        for resource in ("services", "namespaces", "endpointslices"):
            world.act(Action("error", resource=resource))
        for _, text in faults:
            in_time(server, text)
        world.server.faults.rules = []
    with udp(server.port) as sock:
        sock.send(query(1))
        assert is_good(sock.recv(512))


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as reply:
        return str(reply.read().decode())


@pytest.mark.parametrize("part", PARTS)
def test_no_part_of_the_token_is_said(part: str, said: str) -> None:
    assert part not in said


def test_enough_was_said(said: str) -> None:
    """The complaints about every fault, and the lines of queries."""
    assert said.count("\n") > 20
    for text in (GOOD, *(text for faults in FAULTS for _, text in faults)):
        assert text in said


def test_the_file_with_the_token_is_not_in_the_arguments(tmp_path: Path) -> None:
    """Every user of the machine can read argv."""
    cmdline = Path("/proc/self/cmdline").read_text()
    assert TOKEN not in cmdline
