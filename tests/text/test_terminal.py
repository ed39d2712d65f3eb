"""What reaches a terminal: no control characters of others, and colours of our own."""

import sys
from io import StringIO

import pytest

from minidns.second_dns import status
from minidns.text.terminal import BOLD, GREEN, RED, escaping, show


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("environ", "out", "shown"),
    [
        pytest.param({}, Terminal(), "\x1b[32mok\x1b[0m a \x1b[31mbad\x1b[0m\\x1b[2J\n", id="terminal"),
        pytest.param({}, StringIO(), "ok a bad\\x1b[2J\n", id="file"),
        pytest.param({"NO_COLOR": "1"}, Terminal(), "ok a bad\\x1b[2J\n", id="NO_COLOR"),
        pytest.param({"TERM": "dumb"}, Terminal(), "ok a bad\\x1b[2J\n", id="dumb"),
    ],
)
@pytest.mark.usefixtures("colors")
def test_colors_on_a_terminal_that_wants_them(
    environ: dict[str, str], out: StringIO, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", out)
    escaping(lambda: show("ok a bad\x1b[2J", {"^ok": GREEN, "bad": RED}))()
    assert out.getvalue() == shown


@pytest.mark.parametrize(
    ("line", "color"),
    [
        pytest.param("DNS       CLUSTER-IP  READY", BOLD, id="a heading"),
        pytest.param("kube-dns  10.96.0.10  2/2", GREEN, id="all pods are ready"),
        pytest.param("kube-dns  10.96.0.10  0/2", RED, id="no pod is ready"),
        pytest.param("kube-dns  10.96.0.10  1/2", "", id="some are"),
    ],
)
@pytest.mark.usefixtures("colors")
def test_the_colors_of_status(line: str, color: str) -> None:
    out = Terminal()
    show(line, status.COLORS, out)
    assert (f"\x1b[{color}m" in out.getvalue()) if color else (out.getvalue() == f"{line}\n")
