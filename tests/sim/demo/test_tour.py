import re
import signal
from pathlib import Path

import pytest

from tests.sim import command

pytestmark = pytest.mark.slow

WITHOUT_ENDPOINTS = """\
apiVersion: v1
kind: Service
metadata: {name: kube-dns-2, namespace: kube-system}
spec: {selector: {k8s-app: nobody}}
"""
OTHER_ENDPOINT = """\
apiVersion: v1
kind: Service
metadata: {name: kube-dns-2, namespace: kube-system}
spec: {selector: {k8s-app: kube-dns}}
"""


def processes(out: str) -> list[int]:
    """The processes that the demo says it runs."""
    return [int(pid) for pid in re.findall(r", process (\d+)", out)]


async def test_everything_comes_as_said() -> None:
    ran = await command.run("demo")
    check_story(ran.out)
    assert ran.err == ""
    assert ran.status == 0, ran.out
    assert ran.out.endswith("checks: all passed\n")
    assert "FAILED" not in ran.out
    assert "\x1b" not in ran.out
    assert 80 <= ran.out.count("\n") <= 150
    assert all(len(line) <= 160 for line in ran.out.splitlines())
    assert len(processes(ran.out)) == 2
    assert not any(map(command.is_running, processes(ran.out)))


def check_story(out: str) -> None:
    for told in (
        "kube-dns     ClusterIP   10.96.0.10   53/UDP,53/TCP,9153/TCP",
        "kube-dns-2   ClusterIP   10.96.0.20   53/UDP,53/TCP,9153/TCP",
        "dnsutils $ nslookup google.com\n    Server:\t\t10.96.0.20",
        "    Name:\tkubernetes.default.svc.cluster.local\n    Address: 10.96.0.1\n",
        "    search default.svc.cluster.local svc.cluster.local cluster.local\n"
        "    nameserver 10.96.0.10\n    options ndots:5\n",
    ):
        assert told in out
    assert len(re.findall(r"ok [\d.]+ ms from API write to answer", out)) == 3
    assert re.search(r"EndpointSlice default/db-1 \(resourceVersion \d+, created", out)


@pytest.mark.parametrize(
    ("manifest", "failures"),
    [
        pytest.param(
            WITHOUT_ENDPOINTS,
            ["1. two processes", "4. it prints 'Server: 10.96.0.20'", "5. it prints 'Address: 10.96.0.1'"],
            id="nobody-behind-kube-dns-2",
        ),
        pytest.param(OTHER_ENDPOINT, ["1. two processes"], id="kube-dns-behind-both", marks=pytest.mark.survive),
    ],
)
async def test_object_that_was_changed_makes_it_fail(manifest: str, failures: list[str], tmp_path: Path) -> None:
    file = tmp_path / "change.yaml"
    file.write_text(manifest)
    ran = await command.run("demo", "--apply", str(file))
    assert ran.status == 1
    assert "Applied: Service kube-dns-2\n" in ran.out
    told, _, summary = ran.out.partition("failed:\n")
    for failure in failures:
        assert f"    {failure}\n" in summary
    assert "  FAILED two processes\n    expected: 2\n    actual:   1\n" in told


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_ended_in_the_middle_it_leaves_nothing(number: signal.Signals, status: int) -> None:
    async with command.started("demo") as process:
        lines = await command.line_with(process, "kube-dns-2 -> pod")
        pids = processes("\n".join(lines))
        assert all(map(command.is_running, pids))
        process.send_signal(number)
        ran = await command.finished(process)
    assert (ran.status, ran.err) == (status, "")
    assert not any(map(command.is_running, pids))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("a: [", "change.yaml", id="no-yaml"),
        pytest.param(
            "apiVersion: v1\nkind: Bogus\nmetadata: {name: web}\n", 'no matches for kind "Bogus"', id="no-kind"
        ),
    ],
)
async def test_manifest_that_cannot_be_applied(text: str, error: str, tmp_path: Path) -> None:
    file = tmp_path / "change.yaml"
    file.write_text(text)
    ran = await command.run("demo", "--apply", str(file))
    assert ran.status == 1
    assert error in ran.err
    assert "Traceback" not in ran.err
