"""Documentation that is run: the commands of its transcripts print what it says."""

import contextlib
import random
import re
import shutil
import socket
from pathlib import Path

import pytest

from tests.table import table
from tests.transcript import ROOT, Command, File, Terminal, alike, read

PAGES = [
    pytest.param(path, id=path.stem)
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if "```console" in path.read_text() and "ja" not in path.parts
]
FIRST = [ROOT / "docs/quickstart.md", *sorted((ROOT / "docs/howto").glob("*.md"))]
"""Pages whose commands newcomers copy."""
TOOLS = ("kubectl", "dig")
PORTS = ("5353", "5354", "9153", "8080", "8181")
TOLD = ("README.md", "deploy/README.md", "docs/install.md", "docs/kind.md")
"""Pages whose commands are tested elsewhere or cannot be tested; other pages may repeat them."""


def test_there_are_pages() -> None:
    assert len(PAGES) > 3


@pytest.mark.slow
@pytest.mark.kubectl
@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES)
def test_what_it_prints_is_what_the_page_says(page: Path, tmp_path: Path) -> None:
    steps = list(read(page.read_text()))
    commands = " ".join(step.text for step in steps if isinstance(step, Command))
    for tool in TOOLS:
        if re.search(rf"(^|[\s(]){tool}\b", commands) and not shutil.which(tool):
            pytest.skip(f"{tool} is missing")
    terminal = _terminal(tmp_path)
    try:
        for step in steps:
            if isinstance(step, File):
                terminal.put(step)
            elif wrong := terminal.run(step):
                pytest.fail(f"{page.name}:{step.line}: {step.text}\n{wrong}", pytrace=False)
    finally:
        terminal.close()


def _terminal(home: Path) -> Terminal:
    """Return a terminal with ports of its own, so that nobody is in the way."""
    ports = {port: str(_port()) for port in PORTS}
    explain = f"127.0.0.1:{_port()}"
    flags = {
        "minidns --kubeconfig": f"minidns -explain {explain} --kubeconfig",
        "minidns -conf": f"minidns -explain {explain} -conf",
        "minidns up": f"minidns up --explain {explain} --listen 127.0.0.1:{ports['5354']}",
        "minidns why": f"minidns why --server http://{explain}",
    }
    return Terminal(home, ports, flags)


def _port() -> int:
    """Return a free port that the kernel gives to nobody who asks for any."""
    while True:
        port = random.randrange(20000, 30000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@table("page", FIRST, ids=lambda path: path.stem)
def test_commands_that_are_not_run_here_are_told_elsewhere(page: Path) -> None:
    told = {
        " ".join(line.split("#")[0].split())
        for name in TOLD
        if (ROOT / name).exists()
        for line in (ROOT / name).read_text().splitlines()
    }
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)
    for line in "".join(blocks).splitlines():
        assert " ".join(line.split("#")[0].split()) in told, f"{page.name}: {line}"


# -- the runner


def test_a_page_is_commands_and_files() -> None:
    page = (
        "`web.yaml`:\n\n```yaml\nkind: X\n```\n\n```console\n$ cat <<END\n> two\n> END\ntwo\n"
        "$ true\n```\n```yaml\nno: file\n```\n"
    )
    assert list(read(page)) == [
        File("web.yaml", "kind: X\n"),
        Command(8, "cat <<END\ntwo\nEND", ("two",)),
        Command(12, "true", ()),
    ]


@table(
    ("said", "printed", "holds"),
    [
        (["a"], ["a"], True),
        (["a"], ["a "], True),
        (["a"], ["b"], False),
        (["a"], [], False),
        ([], ["a"], False),
        (["took ... ms"], ["took 1.5 ms"], True),
        (["took ... ms"], ["took 1.5 s"], False),
        (["...", "c"], ["a", "b", "c"], True),
        (["...", "c"], ["c"], True),
        (["...", "c"], ["a", "b"], False),
        (["a", "...", "c"], ["a", "b", "b", "c"], True),
        (["a", "..."], ["b"], False),
    ],
)
def test_what_is_alike(said: list[str], printed: list[str], holds: bool) -> None:
    assert alike(said, printed) is holds


@pytest.mark.parametrize(
    ("command", "said", "wrong"),
    [
        ("echo hello", ["hello"], ""),
        ("echo hello >&2; exit 3", ["hello"], ""),
        ("echo hello", ["goodbye"], "it says:\ngoodbye\nit prints:\nhello"),
        ("echo $HOME", ["~"], ""),
        ("cat file", ["inside"], ""),
        ("export X=1", [], ""),
    ],
)
def test_a_command(command: str, said: list[str], wrong: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.put(File("file", "inside\n"))
    assert terminal.run(Command(1, command, tuple(said))) == wrong


def test_an_exported_variable_stays(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {"5353": "4711"})
    terminal.run(Command(1, "export PLACE=~/5353", ()))
    assert terminal.run(Command(2, "echo $PLACE", ("~/5353",))) == ""
    assert terminal.environ["PLACE"].endswith("/4711")
