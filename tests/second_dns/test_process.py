"""The commands as processes: signals, kill -9, terminals, kubeconfigs."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from minidns.second_dns.record import ENROLMENT
from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests.process import minidns, run
from tests.second_dns.world import cluster, lasting, with_second, workload
from tests.sim.builders import until

pytestmark = pytest.mark.slow


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[ClusterApi, str]]:
    """Serve a cluster with a second DNS; give it and a kubeconfig."""
    of = with_second(cluster(workload()))
    async with ApiServer(of) as server:
        yield of, str(server.kubeconfig(tmp_path / "kubeconfig"))


def is_enrolled(of: ClusterApi) -> bool:
    return bool(of.list("ConfigMap", "shop", ENROLMENT))


ENROL = ("enrol", "deploy/web", "-n", "shop", "--all", "--yes", "--kubeconfig")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
async def test_told_to_end_it_puts_everything_back(number: signal.Signals, status: int, tmp_path: Path) -> None:
    async with served(tmp_path) as (of, kubeconfig):
        before = lasting(of)
        async with minidns(*ENROL, kubeconfig, "--for", "30m") as running:
            await running.said("for 30m0s; Ctrl-C ends it now")
            assert is_enrolled(of)
            running.signal(number)
            assert await running.ended() == status
            assert any("Deployment shop/web" in line for line in running.lines)
        assert lasting(of) == before
        assert not [line for line in running.lines if "Traceback" in line]


async def test_killed_it_leaves_a_record_by_which_it_is_undone(tmp_path: Path) -> None:
    async with served(tmp_path) as (of, kubeconfig):
        before = lasting(of)
        async with minidns(*ENROL, kubeconfig, "--for", "1s") as running:
            await until(lambda: is_enrolled(of))
            running.signal(signal.SIGKILL)
            await running.ended()
        assert is_enrolled(of)
        expired = ("unenrol", "--expired", "--yes", "--kubeconfig", kubeconfig)

        async def revert_changes() -> bool:
            status, _, err = await run(*expired)
            assert status == 0, err
            return "Deployment shop/web: as it was before" in err

        async with asyncio.timeout(30):
            while not await revert_changes():
                assert is_enrolled(of), "nothing else undoes it"
        assert lasting(of) == before


async def test_over_it_ends_by_itself(tmp_path: Path) -> None:
    async with served(tmp_path) as (of, kubeconfig):
        before = lasting(of)
        status, _, err = await run(*ENROL, kubeconfig, "--for", "1s")
        assert status == 0
        assert "Deployment shop/web" in err.splitlines()[-1]
        assert lasting(of) == before


async def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    async with served(tmp_path) as (of, kubeconfig):
        before = lasting(of)
        status, out, err = await run(*(word for word in ENROL if word != "--yes"), kubeconfig)
        assert (status, bool(out)) == (1, True)
        assert "stdin is not a terminal" in err
        assert lasting(of) == before


async def enrolling(kubeconfig: str, terminal: int) -> asyncio.subprocess.Process:
    """Start what asks before it enrols."""
    words = ["enrol", "deploy/web", "-n", "shop", "--all", "--kubeconfig"]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "minidns", *words, kubeconfig, stdin=terminal,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(("typed", "status"), [("YES\n", 0), ("yo\n", 1), ("\x04", 1)])
async def test_at_a_terminal_it_asks(typed: str, status: int, tmp_path: Path) -> None:
    async with served(tmp_path) as (of, kubeconfig):
        before = lasting(of)
        ours, its = pty.openpty()
        process = await enrolling(kubeconfig, its)
        os.write(ours, typed.encode())
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        os.close(ours)
        os.close(its)
        assert process.returncode == status, err
        question = b"by ones that ask kube-dns-2 (10.96.0.20)? [y/N] "
        assert (question in err, question in out) == (True, False)
        assert (lasting(of) == before) is (status == 1)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_question_can_be_left(number: signal.Signals, status: int, tmp_path: Path) -> None:
    async with served(tmp_path) as (of, kubeconfig):
        before = lasting(of)
        ours, its = pty.openpty()
        process = await enrolling(kubeconfig, its)
        assert process.stderr is not None
        async with asyncio.timeout(30):
            await process.stderr.readuntil(b"[y/N] ")
            process.send_signal(number)
            assert await process.stderr.read() == b""
            assert await process.wait() == status
        os.close(ours)
        os.close(its)
        assert lasting(of) == before


def usual(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "KUBECONFIG": ""}


def by_variable(home: Path) -> dict[str, str]:
    return {"HOME": "/nowhere", "KUBECONFIG": str(home / ".kube/config")}


@pytest.mark.parametrize("environ", [usual, by_variable])
async def test_kubeconfigs_are_found_as_kubectl_finds_them(
    environ: Callable[[Path], dict[str, str]], tmp_path: Path
) -> None:
    async with ApiServer(cluster()) as server:
        (tmp_path / ".kube").mkdir()
        server.kubeconfig(tmp_path / ".kube/config")
        status, out, err = await run("status", env=environ(tmp_path))
        assert (status, err) == (0, "")
        assert "kube-system/kube-dns" in out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("status", "--kubeconfig", "nowhere"), "minidns status: kubeconfig nowhere: no such file"),
        (("status", "--context", "other", "--kubeconfig", "kc"), 'minidns status: context "other" does not exist in kc; it has sim'),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_kubeconfig_is_one_line(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    async with ApiServer(cluster()) as server:
        server.kubeconfig(tmp_path / "kc")
        status, out, err = await run(*words, cwd=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith(why)
    assert err.count("\n") == 1


async def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    async with ApiServer(cluster()) as server:
        kubeconfig = str(server.kubeconfig(tmp_path / "kc"))
    status, _, err = await run("status", "--kubeconfig", kubeconfig)
    assert status == 1
    assert err.startswith("minidns status: cannot reach http://127.0.0.1:")
    assert err.count("\n") == 1
