"""Completion, asked of the shells themselves where they are installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from minidns.cli import COMMANDS
from minidns.commands import completion
from minidns.commands.described import program


def script(shell: str) -> str:
    return "\n".join(completion.SHELLS[shell]("minidns", program())) + "\n"


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is missing")


def run(*command: str, given: str = "") -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def in_bash(*words: str) -> set[str]:
    """Return what bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _minidns; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return set(run("bash", "--norc", given=script("bash") + ask).split())


NAMES = {command.name for command in COMMANDS}


@needs("bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        pytest.param(
            ("",), NAMES | {"-conf", "--kubeconfig"}, id="commands-and-options"
        ),
        pytest.param(("wh",), {"why"}, id="a-command"),
        pytest.param(("-co",), {"-conf"}, id="an-option-with-one-dash"),
        pytest.param(("--k",), {"--kubeconfig"}, id="an-option-with-two"),
        pytest.param(("-log.format", ""), {"text", "json"}, id="values"),
        pytest.param(("why", "--s"), {"--server"}, id="an-option-of-a-command"),
        pytest.param(("why", "-o", "j"), {"json"}, id="values-of-a-command"),
        pytest.param(
            ("completion", ""), {"bash", "zsh", "fish"}, id="words-of-a-command"
        ),
    ],
)
def test_bash_offers(words: tuple[str, ...], offered: set[str]) -> None:
    found = in_bash("minidns", *words)
    assert offered <= found
    if words[-1]:
        assert all(each.startswith(words[-1]) for each in found)


@needs("bash")
def test_bash_offers_nothing_where_nothing_is_known() -> None:
    assert in_bash("minidns", "why", "--client", "") == set()


@needs("bash")
def test_bash_offers_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Corefile").touch()
    monkeypatch.chdir(tmp_path)
    assert in_bash("minidns", "-conf", "Co") == {"Corefile"}
    assert in_bash("minidns", "check", "Co") == {"Corefile"}


@needs("fish")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("minidns wh", {"why"}),
        ("minidns -co", {"-conf"}),
        ("minidns why -o ", {"text", "json"}),
        ("minidns completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_fish_offers(typed: str, offered: set[str]) -> None:
    ask = f"{script('fish')}complete -C '{typed}'\n"
    found = run("fish", "--no-config", "-c", ask)
    assert {line.partition("\t")[0] for line in found.splitlines()} >= offered


@needs("zsh")
def test_zsh_reads_it() -> None:
    run("zsh", "-f", "-n", given=script("zsh"))


def in_zsh(*words: str) -> str:
    """Return what zsh's completion system would be handed for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    handed = '_arguments() { print -rl -- "$words[1]" "$@" }\n'
    handed += "_describe() { print -rl -- $commands }\n"
    ask = f"words=({quoted}); CURRENT={len(words)}\n"
    return run("zsh", "-f", given=handed + ask + script("zsh"))


@needs("zsh")
def test_zsh_offers_commands_and_options() -> None:
    lines = in_zsh("minidns", "wh").splitlines()
    assert "why:say why an answer is what it is" in lines
    assert "-conf[Corefile to serve; stdin to read it from there]:FILE:_files" in lines


@needs("zsh")
def test_zsh_offers_options_of_a_command() -> None:
    first, *specs = in_zsh("minidns", "why", "-").splitlines()
    assert first == "why"
    assert any(re.fullmatch(r"-o\[.*\]:OUTPUT:\(text json\)", spec) for spec in specs)
    assert not any(spec.startswith("-conf") for spec in specs)


@needs("zsh")
def test_zsh_offers_words_of_a_command() -> None:
    assert "*:argument:(bash zsh fish)" in in_zsh("minidns", "completion", "b")


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_option_of_every_command_is_in_it(shell: str) -> None:
    text = script(shell)
    for command in program():
        assert command.name in text
        for option in command.options:
            for name in option.names:
                assert (name.lstrip("-") if shell == "fish" else name) in text


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert completion.main(["bash"]) == 0
    assert capsys.readouterr().out == script("bash")


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        completion.main(["tcsh"])
    assert ended.value.code == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
