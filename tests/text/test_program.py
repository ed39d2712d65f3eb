"""What every program of commands does."""

import pytest

from minidns import __version__, cli
from minidns.text.program import Program


def test_the_words_are_those_after_the_name_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program: Program = cli.PROGRAM
    monkeypatch.setattr("sys.argv", [program.name, "version"])
    assert program.main() == 0
    assert __version__ in capsys.readouterr().out
