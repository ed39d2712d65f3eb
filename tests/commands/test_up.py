"""The laptop mode by its friendly name."""

import signal
import socket
from pathlib import Path

import pytest

from minidns.commands import up
from minidns.laptop import LISTEN
from minidns.laptop.split_dns.machine import Machine
from minidns.laptop.split_dns.steps import read_record
from tests import process
from tests.laptop.world import machine, snapshot
from tests.server import client
from tests.test_laptop import api, outside  # noqa: F401  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("outside")]


def environ(home: Path, kubeconfig: str = "") -> dict[str, str]:
    return {"HOME": str(home), "KUBECONFIG": kubeconfig}


@pytest.mark.parametrize("found", ["~/.kube/config", "KUBECONFIG", "--kubeconfig"])
async def test_it_serves_the_cluster_that_kubectl_would_ask(found: str, tmp_path: Path) -> None:
    async with api(tmp_path) as (server, path):
        flags, env = ["--explain", "off"], environ(tmp_path / "home")
        if found == "~/.kube/config":
            (tmp_path / "home/.kube").mkdir(parents=True)
            Path(path).rename(tmp_path / "home/.kube/config")
        elif found == "KUBECONFIG":
            env = environ(tmp_path / "home", path)
        else:
            flags += ["--kubeconfig", path]
        port = process.free_port()
        flags += ["--listen", f"127.0.0.1:{port}", "--context", "sim"]
        flags += ["--alias", "k8s.internal"]
        async with process.minidns("up", *flags, env=env) as running:
            await running.said("stop with Ctrl-C")
            await running.said(f"cluster sim at {server.url}")
            await running.said(f"-p {port} kubernetes.default.svc.k8s.internal")
            reply = await client.ask(port, "kubernetes.default.svc.k8s.internal.")
            assert reply.answer[0].to_text() == ("kubernetes.default.svc.k8s.internal. 30 IN A 10.96.0.1")
            running.signal(signal.SIGINT)
            assert await running.ended() == 0


async def test_it_listens_where_split_dns_looks() -> None:
    assert up.parser().parse_args([]).listen == LISTEN == "127.0.0.1:5354"


async def test_several_kubeconfigs_are_one_too_many(tmp_path: Path) -> None:
    status, out, err = await process.run("up", env=environ(tmp_path, "/a:/b"))
    assert (status, out) == (1, "")
    assert err.startswith("minidns up: KUBECONFIG names several files: /a:/b")


async def test_no_kubeconfig_at_all(tmp_path: Path) -> None:
    status, _, err = await process.run("up", env=environ(tmp_path))
    assert status == 1
    assert f"{tmp_path}/.kube/config" in err
    assert len(err.splitlines()) == 1


async def test_an_alias_that_is_none(tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        flags = ("--kubeconfig", path, "--alias", "kind.local")
        status, _, err = await process.run("up", *flags)
    assert status == 1
    assert err.startswith("minidns up: --alias kind.local: ")


@pytest.mark.parametrize("recipe", ["dnsmasq", "resolved-link", "networkmanager"])
async def test_split_dns_lasts_as_long_as_the_server(recipe: str, tmp_path: Path) -> None:
    root = machine(recipe, tmp_path / "root")
    before = snapshot(root)
    async with api(tmp_path) as (_, path):
        port = process.free_port()
        flags = ["--kubeconfig", path, "--explain", "off"]
        flags += ["--listen", f"127.0.0.1:{port}", "--split-dns", "--root", str(root)]
        async with process.minidns("up", *flags) as running:
            await running.said("stop with Ctrl-C")
            record = read_record(Machine(root, None))
            assert record is not None
            assert (record.zones, record.is_whole) == (("k8s.internal.",), True)
            assert record.server == ("127.0.0.1", port)
            reply = await client.ask(port, "kubernetes.default.svc.k8s.internal.")
            assert reply.answer
            running.signal(signal.SIGINT)
            assert await running.ended() == 0
    assert snapshot(root) == before


async def test_split_dns_of_a_killed_server_ends_with_the_next(tmp_path: Path) -> None:
    root = machine("dnsmasq", tmp_path / "root")
    before = snapshot(root)
    async with api(tmp_path) as (_, path):
        at = f"127.0.0.1:{process.free_port()}"
        flags = ["--kubeconfig", path, "--explain", "off", "--listen", at]
        flags += ["--split-dns", "--root", str(root)]
        for number in (signal.SIGKILL, signal.SIGTERM):
            async with process.minidns("up", *flags) as running:
                await running.said("stop with Ctrl-C")
                assert snapshot(root) != before
                running.signal(number)
                await running.ended()
    assert snapshot(root) == before


async def test_split_dns_that_is_applied_already_stays(tmp_path: Path) -> None:
    root = machine("dnsmasq", tmp_path / "root")
    zone = ["--zone", "k8s.internal", "--root", str(root)]
    port = process.free_port()
    at = f"127.0.0.1:{port}"
    assert (await process.run("split-dns", "apply", *zone, "--server", at))[0] == 0
    before = snapshot(root)
    async with api(tmp_path) as (_, path):
        flags = ("--kubeconfig", path, "--explain", "off", "--listen", at)
        async with process.minidns("up", *flags, "--split-dns", "--root", str(root)) as running:
            await running.said("stop with Ctrl-C")
            running.signal(signal.SIGINT)
            assert await running.ended() == 0
        other = ("--split-dns", "--alias", "c1.example.org", "--root", str(root))
        status, _, err = await process.run("up", *flags, *other)
        assert status == 1
        assert process.mentions(err, "minidns up: k8s.internal minidns split-dns undo")
    assert snapshot(root) == before


async def test_a_port_in_use_names_a_flag_that_the_command_has(tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            at = f"127.0.0.1:{taken.getsockname()[1]}"
            flags = ("--kubeconfig", path, "--listen", at, "--explain", "off")
            status, _, err = await process.run("up", *flags)
    assert status == 1
    assert process.mentions(err, f"minidns up: {at} --listen")
    assert "-dns.port" not in err
