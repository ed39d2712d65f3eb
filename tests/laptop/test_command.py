"""The command: plan, apply and undo, and what it refuses."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from minidns.laptop.split_dns import command, recipes, steps
from minidns.laptop.split_dns.machine import CommandFailed, Machine, run
from minidns.laptop.split_dns.recipes import Refusal, Wanted
from tests.laptop.world import FILES, SERVER, ZONE, machine, snapshot, words
from tests.process import mentions
from tests.table import table

RECORD = "etc/minidns-split-dns.json"
each_recipe = pytest.mark.parametrize("recipe", FILES)
Capture = pytest.CaptureFixture[str]


@each_recipe
def test_plan_changes_nothing_and_tells_all(recipe: str, tmp_path: Path, capsys: Capture) -> None:
    root = machine(recipe, tmp_path)
    before = snapshot(root)
    assert command.main(words("plan", recipe, root)) == 0
    told = capsys.readouterr().out
    assert snapshot(root) == before
    assert command.main(words("apply", recipe, root)) == 0
    after = snapshot(root)
    for path in after.keys() - before.keys() - {RECORD}:
        assert f" /{path}\n" in told
    for path in before:
        if after[path] != before[path]:
            assert re.search(rf" /{re.escape(path)}[,\n]", told)


@each_recipe
def test_undo_restores_byte_for_byte(recipe: str, tmp_path: Path, capsys: Capture) -> None:
    root = machine(recipe, tmp_path)
    before = snapshot(root)
    assert command.main(words("apply", recipe, root)) == 0
    applied = snapshot(root)
    assert applied != before
    capsys.readouterr()
    assert command.main(words("apply", recipe, root)) == 0
    assert snapshot(root) == applied
    assert recipe in capsys.readouterr().out
    assert command.main(words("undo", recipe, root)) == 0
    assert snapshot(root) == before
    assert command.main(words("undo", recipe, root)) == 0


def main(root: Path, *args: str) -> int:
    return command.main([*args, "--root", str(root)])


def test_another_apply_waits_for_the_undo(tmp_path: Path, capsys: Capture) -> None:
    root = machine("dnsmasq", tmp_path)
    assert main(root, "apply", "--zone", ZONE) == 0
    capsys.readouterr()
    assert main(root, "apply", "--zone", "c1.example.org") == 1
    names = "dnsmasq k8s.internal 127.0.0.1:5354 minidns split-dns undo"
    assert mentions(capsys.readouterr().err, names)
    assert main(root, "plan", "--zone", "c1.example.org") == 0
    assert "undo" in capsys.readouterr().out


def test_what_somebody_changed_since_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    root = machine("resolv.conf", tmp_path)
    before = snapshot(root)
    assert command.main(words("apply", "resolv.conf", root)) == 0
    (root / "etc/resolv.conf").write_text("nameserver 192.0.2.99\n")
    assert main(root, "undo") == 1
    assert "/etc/resolv.conf" in capsys.readouterr().err
    assert (root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.99\n"
    assert not (root / "etc/resolv.conf.minidns").exists()  # ours is back
    assert main(root, "undo", "--force") == 0
    assert snapshot(root) == before


def test_a_folder_that_somebody_uses_stays(tmp_path: Path, capsys: Capture) -> None:
    root = machine("dnsmasq", tmp_path)
    assert main(root, "apply", "--zone", ZONE) == 0
    (root / "etc/dnsmasq.d/other.conf").write_text("")
    assert main(root, "undo") == 0
    assert "/etc/dnsmasq.d" in capsys.readouterr().out
    assert os.listdir(root / "etc/dnsmasq.d") == ["other.conf"]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--server", "127.0.0.1:0"], "--server 127.0.0.1:0 HOST:PORT"),
        (["--server", "here:53"], "--server here:53 HOST"),
        (["--zone", ""], "--zone ''"),
        (["--zone", "."], "--zone '.'"),
        (["--zone", "a/b"], "--zone 'a/b'"),
        (["--zone", "a b"], "--zone 'a b'"),
        (["--zone", "a\nb"], r"--zone 'a\nb'"),
        (["--zone", "a" * 64], "--zone 'aaa"),
        (["--zone", "96.10.in-addr.arpa"], "--zone 96.10.in-addr.arpa"),
        (["--zone", "kind.local"], "kind.local .local mDNS"),
        ([], "cluster.local .local mDNS"),
        (["--zone", ZONE, "--recipe", "resolv.conf"], "/etc/resolv.conf port"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)  # fmt: skip
def test_what_is_refused_changes_nothing(args: list[str], named: str, tmp_path: Path, capsys: Capture) -> None:
    root = machine("dnsmasq", tmp_path)
    before = snapshot(root)
    assert main(root, "apply", *args) == 1
    assert mentions(capsys.readouterr().err, named)
    assert snapshot(root) == before


def test_local_is_done_if_somebody_insists(tmp_path: Path) -> None:
    root = machine("dnsmasq", tmp_path)
    assert main(root, "apply", "--mdns-ok") == 0
    assert "server=/cluster.local/127.0.0.1#5354" in (root / "etc/dnsmasq.d/minidns.conf").read_text()


def test_plan_offers_an_alias_for_local(tmp_path: Path, capsys: Capture) -> None:
    assert main(machine("dnsmasq", tmp_path), "plan") == 0
    assert "minidns up --alias k8s.internal" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', "\xff"])
def test_a_record_that_is_none_is_not_guessed_at(text: str, tmp_path: Path, capsys: Capture) -> None:
    root = machine("dnsmasq", tmp_path)
    (root / RECORD).write_text(text)
    before = snapshot(root)
    for action in ("plan", "apply", "undo", "doctor"):
        assert main(root, action, "--zone", ZONE) == 1
        assert RECORD in capsys.readouterr().err
    assert snapshot(root) == before


def test_a_root_that_is_none(tmp_path: Path, capsys: Capture) -> None:
    assert main(tmp_path / "x", "plan") == 1
    assert str(tmp_path / "x") in capsys.readouterr().err


def test_without_rights_it_says_so(tmp_path: Path) -> None:
    class NotOurs(Machine):
        def may_write(self, path: str) -> bool:
            return False

    root = machine("dnsmasq", tmp_path)
    here = NotOurs(root, None)
    plan = recipes.dnsmasq(Wanted(("k8s.internal.",), ("127.0.0.1", 53)), here)
    with pytest.raises(Refusal, match="needs root: sudo /"):
        steps.apply(plan, here, print)
    assert steps.read_record(here) is None


class Programs:
    """Runs nothing, keeps what was to be run, and fails at one of them."""

    def __init__(self, root: Path, fails: int) -> None:
        self.ran: list[str] = []
        self._root = root
        self._fails = fails

    def __call__(self, argv: Sequence[str]) -> None:
        if len(self.ran) == self._fails:
            self._fails = -1
            raise CommandFailed(f"{argv[0]}: status 1")
        self.ran.append(" ".join(argv))
        link = self._root / "sys/class/net/minidns0"
        if argv[:3] == ("ip", "link", "add"):
            link.mkdir(parents=True)
        elif argv[:3] == ("ip", "link", "delete"):
            link.rmdir()


COMMANDS = {"macos": 2, "resolved-link": 6, "resolved": 1, "networkmanager": 1, "dnsmasq": 1}


@pytest.mark.parametrize(
    ("recipe", "fails"), [(recipe, number) for recipe, count in COMMANDS.items() for number in range(count)]
)
def test_a_command_that_fails_takes_everything_back(recipe: str, fails: int, tmp_path: Path) -> None:
    root = machine(recipe, tmp_path)
    (root / "sys/class/net").mkdir(parents=True)
    before = snapshot(root)
    programs = Programs(root, fails)
    here = Machine(root, programs)
    asked = command.wanted([ZONE], SERVER)
    plan = recipes.RECIPES[recipe].make(asked, here)
    assert len(plan.commands) == COMMANDS[recipe]
    with pytest.raises(CommandFailed):
        steps.apply(plan, here, print)
    assert snapshot(root) == before
    deleted = "ip link delete dev minidns0" in programs.ran
    assert deleted == (recipe == "resolved-link" and fails > 0)


def test_an_undo_whose_command_fails_can_be_tried_again(tmp_path: Path) -> None:
    root = machine("dnsmasq", tmp_path)
    before = snapshot(root)
    programs = Programs(root, 1)
    here = Machine(root, programs)
    steps.apply(recipes.dnsmasq(command.wanted([ZONE], SERVER), here), here, print)
    made = steps.read_record(here)
    assert made is not None
    with pytest.raises(CommandFailed):
        steps.undo(made, here, print)
    assert (root / RECORD).exists()
    steps.undo(made, here, print)
    assert snapshot(root) == before
    assert programs.ran == ["systemctl restart dnsmasq"] * 2


def test_the_link_is_made_again_after_a_restart_of_the_machine(tmp_path: Path) -> None:
    root = machine("resolved-link", tmp_path)
    programs = Programs(root, -1)
    here = Machine(root, programs)
    asked = command.wanted([ZONE], SERVER)
    steps.apply(recipes.resolved_link(asked, here), here, print)
    made = steps.read_record(here)
    assert made is not None
    assert steps.is_done(made, here)
    (root / "sys/class/net/minidns0").rmdir()
    assert not steps.is_done(made, here)


@table(
    ("argv", "said"),
    [
        (("no-such-program-here",), "no-such-program-here"),
        (("false",), "false: status 1: "),
        (("sh", "-c", "echo why >&2; exit 3"), "status 3: why"),
    ],
    ids=["missing", "fails", "says-why"],
)
def test_programs_that_fail(argv: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        run(argv)
    assert said in str(caught.value)


def test_the_record_can_be_read_by_people(tmp_path: Path) -> None:
    root = machine("dnsmasq", tmp_path)
    assert main(root, "apply", "--zone", ZONE) == 0
    tree = json.loads((root / RECORD).read_text())
    assert tree["recipe"] == "dnsmasq"
    assert tree["folders"] == ["/etc/dnsmasq.d"]
    assert tree["changes"][0]["before"]["kind"] == "absent"
