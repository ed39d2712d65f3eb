import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from sim.cluster import state
from tests.sim import command

pytestmark = pytest.mark.slow


async def test_up_is_reached_by_exec_and_leaves_nothing(tmp_path: Path) -> None:
    folder = ("--state", str(tmp_path / "sim"))
    async with command.started("up", *folder) as process:
        lines = await command.line_with(process, "Ctrl-C ends it.")
        assert f"export KUBECONFIG={tmp_path}/sim/kubeconfig" in "\n".join(lines)
        pids = [int(x.split(", process ")[1].split(",")[0]) for x in lines if ", p" in x]
        assert len(pids) == 2

        looked_up = await command.run(*("exec", "--queries", *folder, "app", "--"), *("nslookup", "kubernetes.default"))
        assert looked_up.status == 0
        assert looked_up.out.startswith("Server:\t\t10.96.0.10\n")
        assert "Address: 10.96.0.1\n" in looked_up.out
        assert "NXDOMAIN" in looked_up.err.splitlines()[0]

        dug = await command.run("exec", *folder, "dnsutils", "--", "dig", "+short", "x")
        assert (dug.status, dug.out, dug.err) == (0, "", "")
        file = await command.run(*("exec", *folder, "default/dnsutils", "--", "cat", "/etc/resolv.conf"))
        assert (file.status, file.out) == (0, "nameserver 10.96.0.20\n")
        missing = await command.run("exec", *folder, "nope", "--", "dig", "x")
        assert missing.status == 1
        assert "nope" in missing.err
        assert "default/app" in missing.err  # those there are
        resolved = await command.run(
            *("resolve", *folder, "--as", "go", "--pod", "app", "-o", "json"), "kubernetes.default"
        )
        report = json.loads(resolved.out)
        assert report["result"]["addresses"] == ["10.96.0.1"]
        assert all(query["endpoint"] for query in report["queries"])
        unknown = await command.run("exec", *folder, "app", "--", "vi")
        assert (unknown.status, unknown.out[:22]) == (127, "vi: command not found ")

        again = await command.run("up", *folder)
        assert again.status == 1
        assert str(process.pid) in again.err

        reached = state.read(tmp_path / "sim")._replace(token="wrong")
        state.write(tmp_path / "sim", reached)
        refused = await command.run("exec", *folder, "app", "--", "dig", "x")
        assert refused.status == 1
        assert "token" in refused.err

        process.send_signal(signal.SIGINT)
        ended = await command.finished(process)
    assert (ended.status, ended.err) == (0, "")
    assert not any(map(command.is_running, pids))
    assert not (tmp_path / "sim" / state.FILE).exists()
    gone = await command.run("exec", *folder, "app", "--", "dig", "x")
    assert gone.status == 1
    assert str(folder[-1]) in gone.err


async def test_killed_outright_it_takes_its_processes_along(tmp_path: Path) -> None:
    async with command.started("up", "--state", str(tmp_path)) as process:
        lines = await command.line_with(process, "Ctrl-C ends it.")
        pids = [int(x.split(", process ")[1].split(",")[0]) for x in lines if ", p" in x]
        process.kill()
        await process.wait()
        await _gone(pids)


async def _gone(pids: list[int]) -> None:
    async with asyncio.timeout(10):
        while any(map(command.is_running, pids)):
            await asyncio.sleep(0.01)


async def test_another_program_runs_behind_kube_dns_alone(tmp_path: Path) -> None:
    program = tmp_path / "coredns"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m minidns "$@"\n')
    folder = ("--state", str(tmp_path / "sim"))
    refused = await command.run("up", *folder, "--coredns", str(program))
    assert (refused.status, str(program) in refused.err) == (1, True)
    program.chmod(0o700)
    async with command.started("up", *folder, "--coredns", str(program)) as process:
        lines = await command.line_with(process, "Ctrl-C ends it.")
        # only minidns has a port for ``minidns why``
        assert sum("minidns why" in line for line in lines) == 1
        asked = ("exec", *folder, "app", "--", "nslookup", "kubernetes.default")
        assert "10.96.0.1" in (await command.run(*asked)).out
        process.terminate()
        await command.finished(process)


async def test_a_coredns_that_ends_at_once_is_told(tmp_path: Path) -> None:
    program = tmp_path / "coredns"
    program.write_text("#!/bin/sh\necho first\necho no such flag\nexit 3\n")
    program.chmod(0o755)
    ended = await command.run("up", "--state", str(tmp_path / "sim"), "--coredns", str(program))
    assert ended.status == 1
    last = ended.err.splitlines()[-1]
    assert all(part in last for part in (str(program), "exit status 3", "no such flag"))
    assert len(ended.err.splitlines()) < 6
    assert not ended.out


async def test_a_coredns_that_cannot_be_executed_is_told(tmp_path: Path) -> None:
    program = tmp_path / "coredns"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    ended = await command.run("up", "--state", str(tmp_path / "sim"), "--coredns", str(program))
    assert ended.status == 1
    assert "exit status 126" in ended.err
