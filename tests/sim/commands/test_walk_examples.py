"""The examples in the help of `minidns-sim walk` are commands that work."""

import shlex

import pytest

from sim.commands import walk


@pytest.mark.slow
@pytest.mark.parametrize("example", walk.EXAMPLES)
def test_an_example_plays(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, command, *args = shlex.split(example)
    assert (program, command) == ("minidns-sim", "walk")
    status = walk.main(args)
    assert status in (walk.FOUND, walk.FAILED)
    assert capsys.readouterr().out
