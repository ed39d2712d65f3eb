"""Completion of the command line: what may stand at the cursor, and what shells make of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minidns import cli
from minidns.commands import completers
from minidns.text.program import Program
from sim import __main__ as sim
from tests.table import table

BIN = Path(sys.executable).parent
CONFIG = "contexts: [{name: kind-a}, {name: other}]\n"
ROWS = [
    # program, words after it (the last one is at the cursor), candidates that are among those shown, those that are not
    (cli.PROGRAM, "st", "status", "why help"),
    (cli.PROGRAM, "", "status help version completion", "__complete enroll"),
    (cli.PROGRAM, "xyzzy", "", "status"),
    (cli.PROGRAM, "help st", "status", "why"),
    (cli.PROGRAM, "completion ", "bash zsh fish", "status"),
    (cli.PROGRAM, "--context ", "kind-a other", "status"),
    (cli.PROGRAM, "--context kind-a sta", "status", "why"),
    (cli.PROGRAM, "status --context k", "kind-a", "other"),
    (cli.PROGRAM, "enroll --", "--replicas --for", "-y"),
    (cli.PROGRAM, "status -o ", "wide yaml", "status"),
    (cli.PROGRAM, "split-dns ", "plan apply undo doctor", ""),
    (cli.PROGRAM, "split-dns plan ", "", "plan"),
    (cli.PROGRAM, "split-dns --mdns-ok a", "apply", "plan"),
    (cli.PROGRAM, "up --root", "", "--root"),
    (cli.PROGRAM, "-conf ", "", "status"),
    (cli.PROGRAM, "--ver", "--version", "--quiet"),
    (sim.PROGRAM, "tr", "trial", "up"),
    (sim.PROGRAM, "trial --plant one", "one-replica", "path"),
    (sim.PROGRAM, "resolve --as musl", "musl-1.2.3", "glibc-2.36"),
    (sim.PROGRAM, "fault ", "list add clear", ""),
    (sim.PROGRAM, "run ", "", "list"),
]


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))


@table(("program", "words", "among", "without"), ROWS, ids=lambda each: getattr(each, "name", each))
@pytest.mark.usefixtures("kubeconfig")
def test_what_may_stand_at_the_cursor(program: Program, words: str, among: str, without: str) -> None:
    begun = words.split(" ")[-1]
    shown = {word for word, _ in program.complete(words.split(" ")) if word.startswith(begun)}
    assert set(among.split()) <= shown
    assert not set(without.split()) & shown


@table("complete", [completers.contexts, completers.namespaces, completers.workloads])
def test_without_a_cluster_nothing_is_completed_and_nothing_fails(complete: object, tmp_path: Path) -> None:
    assert callable(complete)
    for text in ("", "[", "a: b", "contexts: 1", CONFIG):
        (tmp_path / "config").write_text(text)
        found = complete(["--kubeconfig", str(tmp_path / "config")])
        assert found == (["kind-a", "other"] if (text, complete) == (CONFIG, completers.contexts) else [])
    assert complete(["--kubeconfig", str(tmp_path / "none"), "-n"]) == []


SHELLS = {
    "bash": "source <(minidns completion bash); COMP_WORDS=(minidns {}); COMP_CWORD=$(({{#COMP_WORDS[@]}}-1)); _minidns; "
    "printf '%s\\n' ${{COMPREPLY[@]}}",
    "fish": "minidns completion fish | source; complete -C 'minidns {}'",
    "zsh": "source <(minidns completion zsh | sed 's/^compdef.*//'); _describe() {{ print -l ${{(P)2%%:*}} }}; "
    "words=(minidns {}); CURRENT=$#words; _minidns",
}


@pytest.mark.slow
@pytest.mark.parametrize("words", ["stat", "status --context k"])
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.usefixtures("kubeconfig")
def test_shells(shell: str, words: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is missing")
    script = SHELLS[shell].format(words).replace("({#", "(${#")
    environ = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run([shell, "-c", script], env=environ, capture_output=True, text=True, timeout=50, check=False)
    assert not done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["status" if words == "stat" else "kind-a"]


@pytest.mark.slow
def test_kubectl_finds_the_plugin() -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is missing")
    for name in ("kubectl-minidns", "kubectl_complete-minidns"):
        if not (BIN / name).exists():
            pytest.skip(f"{name} is not installed: make .venv/.ready")
    environ = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}

    def kubectl(*words: str) -> str:
        done = subprocess.run(["kubectl", *words], env=environ, capture_output=True, text=True, timeout=50, check=False)
        return done.stdout

    assert "minidns-" in kubectl("minidns", "version")
    assert "status\t" in kubectl("__complete", "minidns", "stat")
