"""Recipes: what each writes and runs, on machines that are folders."""

import shutil
import subprocess
from pathlib import Path

import pytest

from minidns.laptop.split_dns import recipes
from minidns.laptop.split_dns.machine import Machine
from minidns.laptop.split_dns.recipes import Refusal, Wanted
from tests.laptop.world import FILES, machine

HEAD = "# Written by minidns split-dns; minidns split-dns undo takes it away.\n"
WANTED = Wanted(("k8s.internal.", "c1.example.org."), ("127.0.0.1", 5354))
SIX = Wanted(("k8s.internal.",), ("::1", 5354))
PORT_53 = Wanted(("k8s.internal.",), ("127.0.0.1", 53))
DNSMASQ = (
    "server=/k8s.internal/127.0.0.1#5354\nserver=/c1.example.org/127.0.0.1#5354\n"
    "rebind-domain-ok=/k8s.internal/\nrebind-domain-ok=/c1.example.org/\n"
)
MAC = "nameserver 127.0.0.1\nport 5354\ntimeout 2\n"


@pytest.mark.parametrize(
    ("recipe", "wanted", "files"),
    [
        ("macos", WANTED, {"/etc/resolver/k8s.internal": MAC, "/etc/resolver/c1.example.org": MAC}),
        ("macos", SIX, {"/etc/resolver/k8s.internal": MAC.replace("127.0.0.1", "::1")}),
        ("resolved-link", WANTED, {}),
        ("resolved", WANTED, {"/etc/systemd/resolved.conf.d/minidns.conf": "[Resolve]\nDNS=127.0.0.1:5354\nDomains=~k8s.internal ~c1.example.org\n"}),
        ("resolved", SIX, {"/etc/systemd/resolved.conf.d/minidns.conf": "[Resolve]\nDNS=[::1]:5354\nDomains=~k8s.internal\n"}),
        ("dnsmasq", WANTED, {"/etc/dnsmasq.d/minidns.conf": DNSMASQ}),
        ("networkmanager", WANTED, {"/etc/NetworkManager/conf.d/minidns.conf": "[main]\ndns=dnsmasq\n", "/etc/NetworkManager/dnsmasq.d/minidns.conf": DNSMASQ}),
        ("resolv.conf", PORT_53, {"/etc/resolv.conf": "nameserver 127.0.0.1\nnameserver 192.0.2.1\nsearch lan\n"}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)  # fmt: skip
def test_files(recipe: str, wanted: Wanted, files: dict[str, str], tmp_path: Path) -> None:
    plan = recipes.RECIPES[recipe].make(wanted, Machine(machine(recipe, tmp_path), None))
    written = {each.path: each.text for each in plan.writes}
    if recipe == "resolv.conf":
        kept = FILES[recipe]["/run/resolvconf/resolv.conf"]
        assert written.pop("/etc/resolv.conf.minidns") == kept
    assert written == {path: HEAD + text for path, text in files.items()}


COMMANDS = {
    "macos": ["dscacheutil -flushcache", "killall -HUP mDNSResponder"],
    "resolved-link": [
        "ip link add dev minidns0 type dummy",
        "ip address add 192.0.2.53/32 dev minidns0",
        "ip link set dev minidns0 up",
        "resolvectl dns minidns0 127.0.0.1:5354",
        "resolvectl domain minidns0 ~k8s.internal ~c1.example.org",
        "resolvectl default-route minidns0 false",
    ],
    "resolved": ["systemctl restart systemd-resolved"],
    "networkmanager": ["systemctl restart NetworkManager"],
    "dnsmasq": ["systemctl restart dnsmasq"],
}


@pytest.mark.parametrize("recipe", COMMANDS)
def test_commands(recipe: str, tmp_path: Path) -> None:
    plan = recipes.RECIPES[recipe].make(WANTED, Machine(machine(recipe, tmp_path), None))
    assert [" ".join(command.argv) for command in plan.commands] == COMMANDS[recipe]
    back = [" ".join(each.argv) for each in plan.undo]
    if recipe == "resolved-link":
        assert back == ["ip link delete dev minidns0"]
    else:
        assert back == COMMANDS[recipe]


@pytest.mark.parametrize("recipe", [each for each in FILES if each != "resolved"])
def test_the_recipe_that_fits_is_found(recipe: str, tmp_path: Path) -> None:
    assert recipes.detect(Machine(machine(recipe, tmp_path), None))[0] == recipe


def test_on_an_empty_machine_there_is_still_resolv_conf(tmp_path: Path) -> None:
    recipe, reason = recipes.detect(Machine(tmp_path, None))
    assert recipe == "resolv.conf"
    assert "/etc/resolv.conf" in reason


@pytest.mark.parametrize(
    ("server", "has_dnsmasq", "recipe"),
    [("127.0.0.1", True, "dnsmasq"), ("127.0.0.1", False, "resolv.conf"), ("192.0.2.1", True, "resolv.conf")],
)
def test_dnsmasq_has_to_be_there_and_in_use(server: str, has_dnsmasq: bool, recipe: str, tmp_path: Path) -> None:
    write(tmp_path, "etc/resolv.conf", f"nameserver {server}\n")
    if has_dnsmasq:
        write(tmp_path, "etc/dnsmasq.conf", "")
    assert recipes.detect(Machine(tmp_path, None))[0] == recipe


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_where_networkmanager_runs_dnsmasq_one_file_is_enough(tmp_path: Path) -> None:
    write(tmp_path, "etc/NetworkManager/conf.d/dns.conf", "[main]\ndns = dnsmasq\n")
    write(tmp_path, "usr/sbin/dnsmasq", "")
    here = Machine(tmp_path, None)
    assert recipes.detect(here)[0] == "networkmanager"
    (file,) = recipes.network_manager(WANTED, here).writes
    assert file.path == "/etc/NetworkManager/dnsmasq.d/minidns.conf"


def test_networkmanager_without_dnsmasq_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="dnsmasq is not installed"):
        recipes.network_manager(WANTED, Machine(tmp_path, None))


def test_resolv_conf_has_no_ports(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot name a port"):
        recipes.resolv_conf(WANTED, Machine(tmp_path, None))


def test_a_link_of_that_name_is_not_taken_over(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/net/minidns0/mtu", "1500")
    with pytest.raises(Refusal, match="there is a link minidns0 already"):
        recipes.resolved_link(WANTED, Machine(tmp_path, None))


def test_no_more_servers_than_glibc_reads(tmp_path: Path) -> None:
    lines = "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 5))
    write(tmp_path, "etc/resolv.conf", lines)
    _, new = recipes.resolv_conf(PORT_53, Machine(tmp_path, None)).writes
    assert new.text.count("nameserver") == 3


@pytest.mark.parametrize(
    ("path", "text", "warned"),
    [
        ("etc/dnsmasq.conf", "conf-dir=/etc/dnsmasq.d/,*.conf\n", False),
        ("etc/default/dnsmasq", "CONFIG_DIR=/etc/dnsmasq.d,.dpkg-dist\n", False),
        ("etc/dnsmasq.conf", "#conf-dir=/etc/dnsmasq.d\n", True),
    ],
    ids=["dnsmasq.conf", "debian", "commented-out"],
)
def test_a_dnsmasq_that_does_not_read_the_folder(path: str, text: str, warned: bool, tmp_path: Path) -> None:
    write(tmp_path, "etc/resolv.conf", "nameserver 127.0.0.1\n")
    write(tmp_path, path, text)
    notes = recipes.dnsmasq(WANTED, Machine(tmp_path, None)).notes
    assert any("conf-dir=" in note for note in notes) == warned


@pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is missing")
def test_dnsmasq_understands_its_lines(tmp_path: Path) -> None:
    (file,) = recipes.dnsmasq(WANTED, Machine(tmp_path, None)).writes
    (tmp_path / "dnsmasq.conf").write_text(file.text)
    done = subprocess.run(
        ["dnsmasq", "--test", f"--conf-file={tmp_path / 'dnsmasq.conf'}"], capture_output=True, text=True, check=False
    )
    assert "syntax check OK" in done.stderr
