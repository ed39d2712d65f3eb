"""The doctor: one line for everything between a program and minidns."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from minidns.dns import rdata
from minidns.dns.model import Address, Name
from minidns.laptop.split_dns import command, doctor, recipes, steps
from minidns.laptop.split_dns.doctor import Asks, Finding, Result
from minidns.laptop.split_dns.machine import Machine
from minidns.laptop.split_dns.recipes import Wanted
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Answer, LookupResult
from tests import process
from tests.laptop.world import machine
from tests.process import mentions
from tests.test_laptop import api, flags, outside  # noqa: F401  # a fixture

WANTED = Wanted(("k8s.internal.",), ("127.0.0.1", 5354))
NAME = "kubernetes.default.svc.k8s.internal."


def answer(*addresses: str, rcode: int = 0) -> LookupResult:
    records = frozenset((NAME, rdata.A, rdata.a(address)) for address in addresses)
    return LookupResult(Kind.REPLY, Answer(rcode, records), 0.0)


def direct(to: Address, name: Name, transport: str) -> LookupResult:
    return answer("192.0.2.100" if name == doctor.OUTSIDE else "10.96.0.1")


def fails(kind: Kind, reason: str = "") -> Callable[..., LookupResult]:
    return lambda to, name, transport: LookupResult(kind, None, 0.0, reason=reason)


def only(rcode: int, of: str) -> Callable[..., LookupResult]:
    """Return what answers names below ``of`` with ``rcode``, others well."""

    def asked(to: Address, name: Name, transport: str) -> LookupResult:
        if name.endswith(of):
            return answer(rcode=rcode)
        return direct(to, name, transport)

    return asked


def over_udp_only(to: Address, name: Name, transport: str) -> LookupResult:
    if transport == "tcp":
        return REFUSED(to, name, transport)
    return direct(to, name, transport)


def not_by_dig(to: Address, name: Name, transport: str) -> LookupResult:
    return answer(rcode=3) if to[1] == 53 else direct(to, name, transport)


def finds_nothing(name: Name) -> doctor.Addresses:
    raise OSError(-2, "Name or service not known")


WELL = Asks(direct, lambda name: ("10.96.0.1",), lambda to: True)
REFUSED = fails(Kind.REFUSED, "connection refused")


def applied(root: Path) -> Machine:
    """Return a real machine to which dnsmasq's recipe was applied."""
    here = Machine(machine("dnsmasq", root), lambda argv: None)
    steps.apply(recipes.dnsmasq(WANTED, here), here, print)
    return here


def look(here: Machine, asks: Asks, wanted: Wanted = WANTED) -> list[Finding]:
    return list(doctor.findings(here, steps.read_record(here), wanted, asks))


def test_where_all_is_well_nothing_is_wrong(tmp_path: Path) -> None:
    found = look(applied(tmp_path), WELL)
    subjects = [
        "dnsmasq k8s.internal 127.0.0.1:5354",
        "/etc/resolv.conf 127.0.0.1",
        f"127.0.0.1:5354 UDP {NAME} 10.96.0.1",
        f"127.0.0.1:5354 TCP {NAME} 10.96.0.1",
        f"programs {NAME} 10.96.0.1",
        f"127.0.0.1:53 {NAME} 10.96.0.1",
        "10.96.0.1:443",
        "127.0.0.1:5354 example.org. NOERROR",
    ]
    assert {each.result for each in found} == {Result.OK}
    for finding, subject in zip(found, subjects, strict=True):
        assert mentions(finding.text, subject)
    (took,) = re.findall(r"(\d+) ms", found[4].text)
    assert int(took) < 1000


@pytest.mark.parametrize(
    ("asks", "named", "todo"),
    [
        (replace(WELL, direct=REFUSED), "127.0.0.1:5354 UDP connection refused", "minidns up --alias k8s.internal --listen 127.0.0.1:5354"),
        (replace(WELL, direct=fails(Kind.NO_REPLY)), "127.0.0.1:5354 UDP", "minidns"),
        (replace(WELL, direct=fails(Kind.REPLY, "x")), "127.0.0.1:5354 UDP", "minidns up"),
        (replace(WELL, direct=only(2, "k8s.internal.")), f"{NAME} SERVFAIL", "cluster"),
        (replace(WELL, direct=only(3, "k8s.internal.")), f"{NAME} NXDOMAIN", "minidns up --alias k8s.internal"),
        (replace(WELL, direct=only(0, "k8s.internal.")), f"{NAME} address", "k8s.internal"),
        (replace(WELL, direct=over_udp_only), "127.0.0.1:5354 TCP", "minidns up"),
        (replace(WELL, direct=only(2, "example.org.")), "127.0.0.1:5354 example.org. SERVFAIL", "--resolv-conf"),
        (replace(WELL, direct=not_by_dig), "127.0.0.1:53 dig", "minidns"),
        (replace(WELL, system=finds_nothing), f"{NAME} Name or service not known", "minidns split-dns apply"),
        (replace(WELL, system=lambda name: ("192.0.2.66",)), f"192.0.2.66 {NAME}", "minidns"),
    ],
    ids=["not-running", "silent", "no-dns-server", "not-in-sync", "alias-not-served", "no-address", "udp-only", "forwarding-fails", "resolver-not-told", "programs-find-nothing", "programs-get-another"],
)  # fmt: skip
def test_what_is_wrong_is_named(asks: Asks, named: str, todo: str, tmp_path: Path) -> None:
    wrong = [each for each in look(applied(tmp_path), asks) if each.result is Result.WRONG]
    assert len(wrong) == 1
    assert mentions(wrong[0].text, named)
    assert mentions(wrong[0].todo, todo)


def test_not_applied(tmp_path: Path) -> None:
    here = Machine(machine("dnsmasq", tmp_path), lambda argv: None)
    (wrong,) = (each for each in look(here, WELL) if each.result is Result.WRONG)
    assert "split-dns" in wrong.text


def test_changed_since(tmp_path: Path) -> None:
    here = applied(tmp_path)
    here.real("/etc/dnsmasq.d/minidns.conf").write_text("# mine\n")
    (wrong,) = (each for each in look(here, WELL) if each.result is Result.WRONG)
    assert "/etc/dnsmasq.d/minidns.conf" in wrong.text


def test_cut_short(tmp_path: Path) -> None:
    here = applied(tmp_path)
    made = steps.read_record(here)
    assert made is not None
    steps.write_record(structs.replace(made, is_whole=False), here)
    (wrong,) = (each for each in look(here, WELL) if each.result is Result.WRONG)
    assert "dnsmasq" in wrong.text


@pytest.mark.parametrize(
    ("hosts", "is_wrong"),
    [
        ("hosts: files mdns4_minimal [NOTFOUND=return] dns", True),
        ("hosts: files mdns4_minimal [NOTFOUND=return] resolve", True),
        ("hosts: files dns mdns4_minimal", False),
        ("hosts: files dns", False),
    ],
)
def test_mdns_before_dns(hosts: str, is_wrong: bool, tmp_path: Path) -> None:
    here = applied(tmp_path)
    here.real("/etc/nsswitch.conf").write_text(f"passwd: files\n{hosts}\n")
    local = Wanted(("cluster.local.",), WANTED.server)
    (about,) = (e for e in look(here, WELL, local) if e.text.startswith("cluster.local"))
    assert (about.result is Result.WRONG) == is_wrong
    assert "--alias k8s.internal" in about.todo
    assert not any("cluster.local" in each.text for each in look(here, WELL))


def test_a_cluster_ip_that_is_not_reached_is_told_but_not_wrong(tmp_path: Path) -> None:
    found = look(applied(tmp_path), replace(WELL, reaches=lambda to: False))
    assert not any(each.result is Result.WRONG for each in found)
    assert any("10.96.0.1:443 cannot be reached" in each.text for each in found)


@pytest.mark.slow
async def test_a_real_server_is_asked(tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        port = process.free_port()
        alias = ("--alias", "k8s.internal")
        async with process.minidns(*flags(path, port), *alias) as running:
            await running.said("in sync")
            root = tmp_path / "root"
            machine("dnsmasq", root)
            args = ("--root", str(root), "--zone", "k8s.internal")
            server = ("--server", f"127.0.0.1:{port}")
            status, out, err = await process.run("split-dns", "doctor", *args, *server)
    for subject in (f"UDP 127.0.0.1:{port} {NAME}", f"TCP 127.0.0.1:{port} {NAME}"):
        assert any(mentions(line, f"ok {subject}") for line in out.split("\n"))
    assert "WRONG split-dns" in out
    assert (status, err) == (1, "")


def test_programs_are_asked_by_getaddrinfo() -> None:
    assert doctor.system("127.0.0.1") == ("127.0.0.1",)
    with pytest.raises(OSError, match="family"):
        doctor.system("::1")  # only IPv4 is asked for; nobody is


def test_reaching() -> None:
    port = process.free_port()
    assert doctor.reaches(("127.0.0.1", port))  # refused, by somebody


def test_the_record_says_what_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = machine("dnsmasq", tmp_path)
    args = ["--zone", "k8s.internal", "--server", f"127.0.0.1:{process.free_port()}"]
    assert command.main(["apply", "--root", str(root), *args]) == 0
    capsys.readouterr()
    assert command.main(["doctor", "--root", str(root)]) == 1
    assert f"{args[-1]} over UDP: connection refused" in capsys.readouterr().out
