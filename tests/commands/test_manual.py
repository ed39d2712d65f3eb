"""The manual page: everything the parsers know, in words that roff can read."""

import shutil
import subprocess

import pytest

from minidns import __version__
from minidns.cli import COMMANDS
from minidns.commands import manual
from minidns.commands.described import program


@pytest.fixture(scope="module")
def page() -> str:
    return "\n".join(manual.page(program())) + "\n"


def test_every_command_and_every_option_is_told(page: str) -> None:
    for command in COMMANDS:
        assert f".SS {manual.text(command.name)}\n" in page
    for described in program():
        for option in described.options:
            for name in option.names:
                assert rf"\fB{manual.text(name)}\fR" in page


@pytest.mark.parametrize(
    "section",
    ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXIT STATUS", "FILES"],
)
def test_it_has_the_sections_of_a_manual_page(page: str, section: str) -> None:
    assert f"\n.SH {section}\n" in page


def test_it_names_the_version(page: str) -> None:
    assert page.startswith('.TH MINIDNS 1 "" ')
    assert f"minidns {__version__}" in page.splitlines()[0]


def test_no_line_is_taken_for_a_request(page: str) -> None:
    known = (".TH ", ".SH ", ".SS ", ".PP", ".TP")
    for line in page.splitlines():
        assert not line.startswith("'")
        assert not line.startswith(".") or line.startswith(known), line


@pytest.mark.parametrize(
    ("plain", "safe"),
    [("-conf", r"\-conf"), (".:53", r"\&.:53"), ("'x", r"\&'x"), ("a\\b", r"a\eb")],
)
def test_text_stays_as_it_is(plain: str, safe: str) -> None:
    assert manual.text(plain) == safe


@pytest.mark.skipif(shutil.which("man") is None, reason="man is missing")
def test_man_shows_it_without_a_complaint(page: str) -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", "-"],
        input=page,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert "minidns - a cluster DNS" in done.stdout.replace("−", "-").replace("‐", "-")  # noqa: RUF001  # roff's signs


def test_it_is_printed(capsys: pytest.CaptureFixture[str], page: str) -> None:
    assert manual.main([]) == 0
    assert capsys.readouterr().out == page
