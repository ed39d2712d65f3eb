"""`minidns-sim trial`, with a cause planted in the simulated cluster."""

import json

import pytest

from sim.__main__ import main
from sim.trial.causes import CAUSES
from tests.table import table


def run(*words: str) -> int:
    try:
        return main(["trial", *words])
    except SystemExit as ended:
        return int(ended.code or 0)


def test_the_causes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CAUSES)
    assert len(lines) == 14


@table(
    ("words", "named"),
    [
        pytest.param(["--plant", "gremlins"], "gremlins", id="unknown cause"),
        pytest.param(["--plant", ""], "one-replica", id="empty cause"),
        pytest.param(["--plant", "path", "--rate", "often"], "often", id="no rate"),
        pytest.param(["--plant", "path", "--rate", "2/1"], "2/1", id="more than 1"),
        pytest.param(["--plant", "path", "--rate", "1/0"], "1/0", id="nothing divided"),
        pytest.param(["--plant", "path", "--rate", "0/5"], "0/5", id="never"),
        pytest.param(["--plant", "path", "--rate", "0"], "0", id="zero"),
        pytest.param(["--plant", "path", "--rate", "1/1000000"], "1/1000000", id="too rare to play"),
        pytest.param(["--plant", "path", "--rate", "-1/100"], "--rate", id="negative"),
        pytest.param(["--plant", "path", "--background", "lots"], "lots", id="no share"),
        pytest.param(["--plant", "path", "--seed", "x"], "x", id="no seed"),
        pytest.param(["--plant", "path", "--seed", "-1"], "-1", id="negative seed"),
        pytest.param(["--plant", "path", "--seed", "1.5"], "1.5", id="no whole seed"),
        pytest.param(["--plant", "path", "--seed", "٣"], "seed", id="digits of another script"),
        pytest.param(["--plant", "path", "-o", "xml"], "xml", id="unknown format"),
        pytest.param([], "--plant", id="no cause"),
    ],
)
def test_wrong_words_are_errors(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert named in err
    assert "Traceback" not in err


FEW = ("none", "one-replica")


@pytest.mark.slow
@pytest.mark.parametrize(
    "cause", [each if each in FEW else pytest.param(each, marks=pytest.mark.survive) for each in CAUSES]
)
def test_the_planted_cause_is_found(cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--plant", cause, "--rate", "1/30", "--seed", "3", "-o", "json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["verdict"] == result["planted"] == cause
    assert result["runner_up"] != cause
    assert result["lookups"] > 0
    assert result["odds"] is None or result["odds"] >= 200


@pytest.mark.slow
def test_the_same_seed_gives_the_same_trial(capsys: pytest.CaptureFixture[str]) -> None:
    results = []
    for _ in range(2):
        run("--plant", "any-service", "--rate", "1/10", "--seed", "4", "-o", "json")
        results.append(capsys.readouterr().out)
    assert results[0] == results[1]
    run("--plant", "any-service", "--rate", "1/10", "--seed", "6", "-o", "json")
    assert capsys.readouterr().out != results[0]
