"""A real server, a real API server away or silent, and what clients see of it."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import pytest

from tests.process import DEADLINE_S, free_port
from tests.survival import gaps
from tests.survival.asking import Steadily
from tests.survival.world import HOST, KUBEADM, Api, Server, api, minidns, query, udp

pytestmark = pytest.mark.slow

CUT_S, OUTAGE_S = 5.0, 65.0
"""The promised seconds until all answers are correct again."""
SLACK_S = 5.0
"""For a machine that runs other tests; ``python -m tests.survival gaps`` gives none."""


@contextmanager
def following(folder: Path, more: str = "", *flags: str) -> Iterator[tuple[Server, Api]]:
    kubeconfig = folder / "kubeconfig"
    template = KUBEADM.replace("ttl 30", f"ttl 30\n        {more}")
    with api(kubeconfig) as found, minidns(folder, template, *flags, kubeconfig=kubeconfig) as server:
        yield server, found


@pytest.mark.parametrize(
    ("down_s", "compacted"),
    [
        pytest.param(0.0, False, id="cut-resumed"),
        pytest.param(0.0, True, id="cut-listed-anew", marks=pytest.mark.survive),
        pytest.param(3.0, False, id="outage-resumed", marks=pytest.mark.survive),
        pytest.param(3.0, True, id="outage-listed-anew"),
    ],
)
def test_a_thousand_changes_in_a_gap(tmp_path: Path, down_s: float, compacted: bool) -> None:
    with following(tmp_path) as (server, at):
        gaps.until_right_s(server, gaps.fill(at), CUT_S + SLACK_S)
        with Steadily(server.port, 50) as known:
            expected = gaps.outage(at, down_s, compacted=compacted) if down_s else gaps.cut(at, compacted=compacted)
            most_s = (OUTAGE_S if down_s else CUT_S) + SLACK_S
            gaps.until_right_s(server, expected, most_s)
    assert (known.lost, known.wrong) == (0, 0)


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5) as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def rcode(server: Server) -> int:
    with udp(server.port) as sock:
        sock.send(query(1))
        return dns.message.from_wire(sock.recv(512)).rcode()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        pytest.param("", (0, 200), id="default"),
        pytest.param("stale_after 2s serve", (0, 200), id="serve"),
        pytest.param("stale_after 2s servfail", (2, 200), id="servfail"),
        pytest.param("stale_after 2s unready", (0, 503), id="unready"),
    ],
)
def test_the_api_server_is_frozen(tmp_path: Path, policy: str, after: tuple[int, int]) -> None:
    explain = f"{HOST}:{free_port()}"
    with following(tmp_path, policy, "-explain", explain) as (server, at):
        at.server.faults.bookmark_s = 0.2  # in good health it says something

        def state() -> tuple[int, int]:
            return rcode(server), page(server.ports["ready"], "/ready")[0]

        def age_s() -> float:
            text = page(server.ports["metrics"], "/metrics")[1]
            pattern = r'view_age_seconds\{resource="services"\} (\S+)'
            return float(re.findall(pattern, text)[0])

        thawed = gaps.thaw
        thawed(at)  # so that watches begin anew, with such bookmarks
        until(lambda: len(at.server.streams) == 3)
        until(lambda: age_s() < 1 and state() == (0, 200))
        gaps.freeze(at)
        until(lambda: age_s() > 2.5)
        assert state() == after
        status, text = page(server.ports["ready"], "/ready?verbose")
        assert status == after[1]
        sign = "-" if status == 503 else "+"
        word = "stale" if policy else "ok"
        assert re.search(rf"^\[\{sign}\]services {word} \(age \d+s\)$", text, re.M)
        why = page(int(explain.rpartition(":")[2]), "/why?name=web.conf-a.svc.cluster.local")
        told = json.loads(why[1])["details"]["kubernetes"]
        assert all(line["silent_s"] > 2 for line in told["kinds"])
        assert (told["cause"] == "stale") == (after[0] == 2)
        thawed(at)
        until(lambda: state() == (0, 200) and age_s() < 2)
