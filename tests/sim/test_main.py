from pathlib import Path

import pytest

from sim.__main__ import main
from sim.commands import exec as exec_
from tests.sim import command
from tests.table import table


@table(
    ("words", "pod", "rest"),
    [
        (["app", "--", "dig", "-t", "A", "x"], "app", ["dig", "-t", "A", "x"]),
        (["app", "dig", "x"], "app", ["dig", "x"]),
        (["--queries", "a/b", "--", "dig"], "a/b", ["dig"]),
    ],
)
def test_exec_takes_the_rest_as_it_is(words: list[str], pod: str, rest: list[str]) -> None:
    args = exec_.parser().parse(words)
    assert (args.pod, args.command) == (pod, rest)


def test_nothing_is_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "--state", str(tmp_path), "app", "--", "dig", "x"]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["up", "--state", str(tmp_path / "file" / "x")]) == 1
    assert "not a directory" in capsys.readouterr().err


async def test_help_as_a_command() -> None:
    ran = await command.run("--help")
    assert ran.status == 0
    for word in ("demo", "up", "exec"):
        assert f" {word} " in ran.out
