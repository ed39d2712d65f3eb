"""The files of a machine, put in place at once or not at all."""

import os
from pathlib import Path

import pytest

from minidns.laptop.split_dns.machine import FILE, LINK, Machine, State


@pytest.mark.parametrize("state", [State(FILE, b"new", 0o644), State(LINK, b"elsewhere")], ids=["file", "link"])
def test_what_an_interrupted_write_leaves_is_tidied(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, None)
    machine.put("/conf", State(FILE, b"old", 0o600, (os.getuid(), os.getgid())))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", full)
        with pytest.raises(OSError, match="No space"):
            machine.put("/conf", State(state.kind, state.content, state.mode, (os.getuid(), os.getgid())))
    assert len(machine.names("/")) == 2
    for _ in range(2):
        machine.tidy("/conf")
        assert os.listdir(tmp_path) == ["conf"]
    assert machine.state("/conf").content == b"old"


def test_nothing_is_tidied_where_the_folder_is_a_file(tmp_path: Path) -> None:
    machine = Machine(tmp_path, None)
    (tmp_path / "conf").write_text("")
    machine.tidy("/conf/more")
    assert os.listdir(tmp_path) == ["conf"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_a_file_gets_its_owner_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path, None)
    for state in (State(FILE, b"x", 0o640, (12, 34)), State(LINK, b"x", 0, (12, 34)), State(FILE, b"x", 0o600, (0, 0))):
        machine.put("/conf", state)
        assert machine.state("/conf") == state
