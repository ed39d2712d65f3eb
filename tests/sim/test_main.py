from pathlib import Path

import pytest

from sim.__main__ import main, parser
from tests.sim import command


@pytest.mark.parametrize(
    ("words", "pod", "rest"),
    [
        (["exec", "app", "--", "dig", "-t", "A", "x"], "app", ["dig", "-t", "A", "x"]),
        (["exec", "app", "dig", "x"], "app", ["dig", "x"]),
        (["exec", "--queries", "a/b", "--", "dig"], "a/b", ["dig"]),
    ],
)
def test_exec_takes_the_rest_as_it_is(words: list[str], pod: str, rest: list[str]) -> None:
    args = parser().parse_args(words)
    assert args.pod == pod
    assert [word for word in args.command if word != "--"] == rest


def test_nothing_is_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "--state", str(tmp_path), "app", "--", "dig", "x"]) == 1
    assert capsys.readouterr().err == (
        f"minidns-sim: no simulated cluster is up in {tmp_path} (start one: minidns-sim up)\n"
    )


def test_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["up", "--state", str(tmp_path / "file" / "x")]) == 1
    assert "Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["bogus"], ["exec"]], ids=str)
def test_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: minidns-sim" in capsys.readouterr().err


async def test_help_as_a_command() -> None:
    ran = await command.run("--help")
    assert ran.status == 0
    for word in ("demo", "up", "exec"):
        assert f"    {word} " in ran.out
