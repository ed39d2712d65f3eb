"""The command line as a table: what is typed, the exit status, and the cause it names."""

import io
import json
import re
import shlex
from argparse import SUPPRESS
from itertools import pairwise
from pathlib import Path

import pytest

from minidns import __version__, cli
from minidns.commands import trial_export
from minidns.text.arguments import help_of
from minidns.text.program import BUILT_IN
from sim import __main__ as sim
from tests.process import mentions
from tests.table import table

Capture = pytest.CaptureFixture[str]

GOOD = ".:1053 {\n whoami\n}\n"
PYTHON = re.compile(
    r"Traceback|\[?Errno|invalid literal|not enough values|invalid \w+ value|usage:"
    r"|\b(None|True|False)\b|codec|Namespace\(|\(\d+, '"
)
"""Text of Python and argparse that says nothing to people."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, without a kubeconfig."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "Good").write_text(GOOD)
    (tmp_path / "Empty.md").write_text("# No scenario\n")
    (tmp_path / "Scene").write_text("# a scenario\npod a\nfoo b\n")
    (tmp_path / "Bad").write_text(".:0 {\n forwrd . 192.0.2.1\n}\n")
    return tmp_path


def run(line: str) -> int:
    """Return the exit status of a command line."""
    return run_words(*shlex.split(line))


def run_words(name: str, *words: str) -> int:
    """Return the exit status of a program with arguments."""
    try:
        return PROGRAMS[name].main(words)
    except SystemExit as ended:
        return int(ended.code or 0)


PROGRAMS = {program.name: program for program in (cli.PROGRAM, sim.PROGRAM)}
PARSERS = {
    f"{program.name} {name}".rstrip(): parser
    for program in PROGRAMS.values()
    for name, parser in {
        "": program.parser(),
        **{c.name: c.load().parser() for c in program.commands},
        **{name: program.built_in(name) for name in BUILT_IN},
    }.items()
}
PARSERS["minidns trial export"] = trial_export.parser()
"""The parsers of all commands, by what is typed."""

WRONG = [
    # what is typed, exit status, words of the cause
    # -- commands
    ("minidns statu", 2, '"statu" "status"'),
    ("minidns enrool deploy/web", 2, '"enrool" "enrol"'),
    ("minidns xyzzy", 2, '"xyzzy" minidns --help'),
    ("minidns --context a statu", 2, '"statu" "status"'),
    ("minidns help statu", 2, '"statu" "status"'),
    # -- flags
    ("minidns trial rum", 2, "rum run clean export"),
    ("minidns trial -n shop export", 2, "export minidns trial export --help"),
    ("minidns trial", 2, "action: missing run clean export"),
    # -- a command after its flags
    ("minidns --listen 127.0.0.1:5399 up", 2, "up: minidns up --listen 127.0.0.1:5399"),
    ("minidns -quiet check Good", 2, "check: minidns check -quiet Good"),
    ("minidns --split-dns up", 2, "up: minidns up --split-dns"),
    ("minidns -conf check -explain off -dns.port x", 2, "-dns.port x"),
    ("minidns trial run", 2, "--names minidns trial --help"),
    ("minidns trial run --name a --rate 2", 2, "--rate 2"),
    ("minidns trial run --name a..b", 2, "--name a..b"),
    ("minidns compare svc/kube-dns kubernetes.default", 2, "kubernetes.default server svc/NAME --name"),
    ("minidns probe kube-dns --name a", 2, "kube-dns server svc/NAME minidns probe --help"),
    ("minidns probe 10.0.0.1:0 --name a", 2, "10.0.0.1:0 port"),
    ("minidns probe 10.0.0.1", 2, "--name --names minidns probe --help"),
    ("minidns probe 10.0.0.1 --name a -t AAA", 2, "-t AAA type"),
    ("minidns relay kube-dns", 2, "kube-dns server svc/NAME"),
    ("minidns completion tcsh", 2, "tcsh bash zsh fish minidns completion --help"),
    ("minidns completion", 2, "shell: missing bash zsh fish minidns completion --help"),
    ("minidns version now", 2, "now minidns version --help"),
    ("minidns help up down", 2, "down minidns help --help"),
    ("minidns unenrol a b c", 2, "a/b/c deploy/NAME minidns unenrol --help"),
    ("minidns enrol pods web --all", 1, "kubeconfig"),
    ("minidns enrol jobs web --all", 2, "jobs/web deploy/NAME"),
    ("minidns-sim resolve web AAA", 2, 'AAA SRV "AAAA"'),
    ("minidns-sim walk shop/cart web --fault blah", 2, "blah lose"),
    ("minidns status --diffs", 2, "--diffs --diff minidns status --help"),
    ("minidns enrol deploy/web --al", 2, "--al --all"),
    ("minidns --confg x", 2, "--confg minidns --help"),
    ("minidns -n shop check a", 2, "-n minidns check --help"),
    ("minidns status -o yml", 2, "-o yml table wide json yaml"),
    ("minidns clone --dry-run=client", 2, "--dry-run client server"),
    ("minidns enrol deploy/web --all --timeout 5x", 2, "--timeout 5x 30m"),
    ("minidns enrol deploy/web --all --for", 2, "--for value"),
    ("minidns enrol deploy/web --all --replicas 2", 2, "--replicas --all"),
    ("minidns enrol deploy/web", 2, "--all --replicas"),
    ("minidns enrol --all", 2, "KIND/NAME"),
    ("minidns unenrol", 2, "KIND/NAME --all --expired"),
    ("minidns unenrol deploy/web --all", 2, "--all KIND/NAME"),
    ("minidns unenrol --all --expired", 2, "--all --expired"),
    # -- the order of words: these lack a cluster only
    ("minidns enrol --replicas 2 deploy/web", 1, "kubeconfig"),
    ("minidns enrol --replicas 2 of 6 deploy web", 1, "kubeconfig"),
    ("minidns enrol deploy -n shop web --all", 1, "kubeconfig"),
    ("minidns unenrol deploy -n shop web", 1, "kubeconfig"),
    ("minidns why a.org -o json A @127.0.0.1:1", 4, "http://127.0.0.1:1"),
    ("minidns clone --replicas two", 2, "--replicas two"),
    ("minidns clone --name A", 2, "--name 'A'"),
    ("minidns clone --cluster-ip nope", 2, "--cluster-ip nope"),
    ("minidns split-dns aply", 2, "action aply apply"),
    ("minidns split-dns", 2, "action: missing plan apply undo doctor"),
    ("minidns -dns.port x", 2, "-dns.port x 65535"),
    ("minidns -as 9.9.9", 2, "-as 9.9.9"),
    ("minidns -log.format xml", 2, "-log.format xml text json"),
    ("minidns check -p 65536", 2, "-p 65536 65535"),
    ("minidns check a b", 2, "b minidns check --help"),
    ("minidns why", 2, "NAME minidns why --help"),
    ("minidns why a A b", 2, "NAME"),
    # -- arguments are checked before the server is asked
    ("minidns why a.org @127.0.0.1:1 --at xx", 2, "--at xx 5m"),
    ("minidns why a.org @127.0.0.1:1 --at 2026-12-01T06:00:00", 2, "--at 2026-12-01T06:00:00 zone"),
    ("minidns why a.org @127.0.0.1:1 --client xx", 2, "--client xx address"),
    ("minidns why a.org @127.0.0.1:1 AAA", 2, "AAA"),
    ("minidns why a..org @127.0.0.1:1", 2, "a..org"),
    ("minidns why @a @b c", 2, "@a @b @SERVER"),
    ("minidns why a b c", 2, "NAME"),
    ("minidns shadow name", 2, "name @SERVER"),
    ("minidns shadow @127.0.0.1:1", 4, "minidns shadow: http://127.0.0.1:1"),
    ("minidns trial export nosuch", 1, "minidns trial export: nosuch"),
    ("minidns -conf Good -shadow 10.0.0.1", 1, "-shadow kubernetes"),
    # -- files, servers and clusters that are not there
    ("minidns check nosuch", 1, "minidns check: nosuch"),
    ("minidns check Bad", 1, "Bad:2 forwrd 'forward'"),
    ("minidns -conf nosuch", 1, "nosuch"),
    ("minidns -quiet foo", 1, "extra [foo]"),
    ("minidns up", 1, "minidns up: kubeconfig --kubeconfig"),
    ("minidns up --split-dns --root nosuch", 1, "minidns up: --root nosuch"),
    ("minidns up --split-dns --alias kind.local", 1, "minidns up: kind.local mDNS"),
    ("minidns status", 1, "minidns status: kubeconfig --kubeconfig --context"),
    ("minidns --kubeconfig other status", 1, "minidns status: kubeconfig other"),
    ("minidns --kubeconfig=other enroll deploy web --all", 1, "minidns enrol: other"),
    ("minidns why a.org @127.0.0.1:1", 4, "minidns why: http://127.0.0.1:1"),
    ("minidns why a.org --server ftp://x", 4, "ftp://x http://"),
    # -- the simulation
    ("minidns-sim", 2, "command demo minidns-sim --help"),
    ("minidns-sim rum x", 2, '"rum" "run"'),
    ("minidns-sim --state x up", 2, "up: minidns-sim up --state x"),
    ("minidns-sim up --coredns", 2, "--coredns value"),
    ("minidns-sim up --state . --coredns nosuch", 1, "minidns-sim up: nosuch"),
    ("minidns-sim exec --state .", 2, "POD COMMAND"),
    ("minidns-sim exec --state . app -- dig x", 1, "minidns-sim exec: minidns-sim up"),
    ("minidns-sim fault", 2, "action: missing list add clear"),
    ("minidns-sim fault lst", 2, "lst list add clear"),
    ("minidns-sim fault add --state .", 2, "add words"),
    ("minidns-sim fault list x --state .", 2, "list x"),
    ("minidns-sim fault list --state .", 1, "minidns-sim fault: minidns-sim up"),
    ("minidns-sim run", 2, "FILE"),
    ("minidns-sim run nosuch", 1, "minidns-sim run: nosuch"),
    ("minidns-sim run .", 1, "minidns-sim run: . directory"),
    ("minidns-sim run Empty.md", 1, "minidns-sim run: Empty.md scenario"),
    ("minidns-sim run --seed 0 Good", 2, "--seed 0"),
    ("minidns-sim run --print --hash Good", 2, "--hash --print"),
    ("minidns-sim resolve", 2, "NAME: missing"),
    ("minidns-sim trial --plant gremlins", 2, "--plant gremlins one-replica"),
    ("minidns-sim trial --plant softwar", 2, '--plant softwar "software"'),
    ("minidns-sim walk shop/cat web", 2, 'shop/cat "shop/cart"'),
    ("minidns-sim walk shop/cart web AAA", 2, 'AAA SRV "AAAA"'),
    ("minidns-sim walk shop/cart web --as muls", 2, 'muls "musl"'),
    ("minidns-sim walk shop/cart web --fault 'los at outside'", 2, 'los "lose"'),
    ("minidns-sim explore --jobs 0", 2, "--jobs 0"),
    ("minidns-sim walk", 2, "POD NAME: minidns-sim walk --help"),
    ("minidns-sim lesson 99", 2, "99 minidns-sim lesson --help"),
    ("minidns-sim web --port x", 2, "--port x"),
    ("minidns-sim web --setup nosuch", 1, "minidns-sim web: --setup nosuch:"),
    ("minidns-sim web --setup Scene --port 0", 1, "minidns-sim web: --setup Scene:3: 'foo b'"),
    ("minidns-sim walk --setup nosuch a web", 4, "minidns-sim walk: --setup nosuch:"),
    ("minidns-sim walk --setup Scene a web", 2, "minidns-sim walk: --setup Scene:3: 'foo b'"),
    ("minidns-sim demo --apply nosuch", 1, "minidns-sim demo: nosuch"),
]


@table(("line", "status", "cause"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_wrong(line: str, status: int, cause: str, capsys: Capture) -> None:
    assert run(line) == status
    out, err = capsys.readouterr()
    assert mentions(err, cause)
    assert not PYTHON.search(out + err)
    lines = err.splitlines()
    if status == 2:  # the one line that matters, and where the help is
        assert len(lines) == 2
        assert re.match("see minidns(-sim)? ", lines[1])


MISSING = 1
"""Exit status of a command whose cluster, file or server is missing; some have an answer that is 1."""


def said_once(text: str) -> bool:
    """Return whether no part of an error is said twice in a row, as in ``blah: blah: ...``."""
    parts = text.splitlines()[0].split(": ")
    return all(a.split()[-1:] != b.split()[-1:] for a, b in pairwise(parts))


@table("name", PARSERS)
def test_a_wrong_word_or_flag_of_every_command(name: str, capsys: Capture) -> None:
    surplus = ["of", "too", "many", "words"]
    for words in (["--nosuch"], [*surplus, *surplus, "--nosuch"], ["-"], [*surplus, *surplus]):
        if words == ["-"] and name in ("minidns check", "minidns-sim fault"):
            continue  # standard input; in a fault's words
        if name == "minidns-sim" and "--nosuch" not in words:
            continue  # the first word is a command
        status = run_words(*name.split(), *words)
        err = capsys.readouterr().err
        assert status in (2, 4) or (status == MISSING and "--nosuch" not in words), words
        assert err.startswith((f"{name}: ", "minidns: ", "minidns-sim: ")), words
        assert said_once(err), words
        assert not PYTHON.search(err), words
        assert len(err.splitlines()) == (2 if status == 2 else 1), words


KUBECONFIGS = {
    # file: what it has, words of the cause
    "yaml": (b"a: [1\n b: {", "yaml line 2 column"),
    "list": (b"- 1\n", "list form"),
    "empty": (b"", "empty form"),
    "binary": (b"\xff\xfe\x00", "binary UTF-8"),
    "control": (b"a: \x00\n", "control character"),
    "folder": (None, "folder directory"),
    "down": (
        b'{clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: x, user: {}}],'
        b" contexts: [{name: x, context: {cluster: x, user: x}}], current-context: x}",
        "127.0.0.1:1 refused",
    ),
    "down --context y": (None, "y does not exist down"),
}
USED = {
    "minidns clone": "",
    "minidns enrol": "deploy/web --all",
    "minidns unenrol": "deploy/web",
    "minidns status": "",
    "minidns probe": "svc/kube-dns --name a",
    "minidns relay": "svc/kube-dns",
    "minidns compare": "svc/kube-dns svc/kube-dns-2 --name a",
    "minidns trial": "run --name a",
    "minidns web": "--port 0",
    "minidns up": "",
    "minidns": "",
}
"""Commands with a kubeconfig, and the rest of a line that is right."""


def test_every_command_with_a_kubeconfig_is_in_the_table() -> None:
    assert {name for name, parser in PARSERS.items() if "--kubeconfig" in parser.flags()} == set(USED)


@pytest.mark.parametrize("name", USED)
def test_a_kubeconfig_that_is_of_no_use(name: str, folder: Path, capsys: Capture) -> None:
    for file, (content, cause) in KUBECONFIGS.items():
        if content is not None:
            (folder / file).write_bytes(content)
        elif file == "folder":
            (folder / file).mkdir()
        if file == "down" and name in ("minidns", "minidns up"):
            continue  # they wait for the cluster
        assert run(f"{name} {USED[name]} --kubeconfig {file}") in (1, 4), file
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert line.startswith(f"{name}"), file
        assert mentions(line, f"{cause} --kubeconfig --context"), file
        assert line.rpartition("; ")[2].startswith("--kubeconfig"), file  # what to do comes last
        assert "\\n" not in line
        assert not PYTHON.search(out + err), file


UNREADABLE = {
    "minidns -conf": ("", 1),
    "minidns --kubeconfig": ("", 1),
    "minidns --resolv-conf": ("--kubeconfig nosuch", 1),
    "minidns up --kubeconfig": ("", 1),
    "minidns up --resolv-conf": ("", 1),
    "minidns clone --corefile": ("", 1),
    "minidns clone --kubeconfig": ("", 1),
    "minidns enrol --kubeconfig": ("deploy/web --all", 1),
    "minidns unenrol --kubeconfig": ("deploy/web", 1),
    "minidns status --kubeconfig": ("", 1),
    "minidns split-dns --root": ("plan", 1),
    "minidns probe --names": ("127.0.0.1:1", 4),
    "minidns probe --from-log": ("127.0.0.1:1", 4),
    "minidns probe --kubeconfig": ("svc/kube-dns --name a", 4),
    "minidns probe --resolv-conf": ("127.0.0.1:1 --name a --as glibc", 4),
    "minidns relay --kubeconfig": ("svc/kube-dns", 1),
    "minidns compare --names": ("127.0.0.1:1 127.0.0.1:2", 4),
    "minidns compare --from-log": ("127.0.0.1:1 127.0.0.1:2", 4),
    "minidns compare --kubeconfig": ("svc/kube-dns svc/kube-dns-2 --name a", 4),
    "minidns trial --names": ("run", 1),
    "minidns trial --from-log": ("run", 1),
    "minidns trial --kubeconfig": ("run --name a", 1),
    "minidns web --kubeconfig": ("", 1),
    "minidns-sim demo --apply": ("", 1),
    "minidns-sim up --coredns": ("--state .", 1),
    "minidns-sim run files": ("", 1),
    "minidns check file": ("", 1),
    "minidns-sim resolve --resolv-conf": ("a", 4),
    "minidns-sim walk --setup": ("shop/cart web", 4),
    "minidns-sim web --setup": ("", 1),
}
"""Flags and arguments that name a file to read: the rest of the line, and the exit status: 1, or 4 where 1 is an answer."""
WRITTEN = {"-pidfile", "--report", "--state"}


def test_every_flag_that_names_a_file_is_in_the_table() -> None:
    kinds = ("FILE", "FOLDER", "PATH")
    flags = {
        f"{name} {(action.option_strings or [action.dest])[0]}"
        for name, parser in PARSERS.items()
        for action in parser._actions
        if action.help != SUPPRESS and (action.metavar in kinds or action.dest == "file")
    }
    assert {flag for flag in flags if flag.split()[-1] not in WRITTEN} == set(UNREADABLE)


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_is_not_there(what: str, capsys: Capture) -> None:
    rest, status = UNREADABLE[what]
    *name, flag = what.split()
    words = [f"{flag}=nosuch"] if flag.startswith("-") else ["nosuch"]
    assert run_words(*name, *words, *rest.split()) == status
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "nosuch" in err or "kubeconfig" in err  # which is read before other files
    assert not PYTHON.search(err)


ANY_BYTES = {"--from-log", "--resolv-conf"}
"""Flags whose files may have any bytes: a log has those of clients, and libc reads any resolv.conf."""
NOT_TEXT = b"\xff\x00\x01ELF \xd0\n{\n" * 50


@pytest.mark.parametrize("what", [what for what in UNREADABLE if what.split()[-1] not in ANY_BYTES])
def test_a_file_that_is_not_text(what: str, folder: Path, capsys: Capture) -> None:
    (folder / "binary").write_bytes(NOT_TEXT)
    rest, status = UNREADABLE[what]
    *name, flag = what.split()
    words = [f"{flag}=binary"] if flag.startswith("-") else ["binary"]
    assert run_words(*name, *words, *rest.split()) in (status, 2)
    out, err = capsys.readouterr()
    assert "binary" in err or "kubeconfig" in err
    assert len(err) < 500
    assert len(err.splitlines()) == 1
    assert not PYTHON.search(out + err)


ADDRESSES = ["nothost", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:abc", "127.0.0.1:-1"]
ADDRESSES += ["::1:53", "[::1", "[::1]", "a]:53", "[::1]:53:", "", "127.0.0.1:\u0663"]
"""Values that are not HOST:PORT."""


@pytest.mark.parametrize("name", ["minidns", "minidns up", "minidns split-dns"])
def test_a_flag_with_an_address_wants_host_and_port(name: str, capsys: Capture) -> None:
    for action in PARSERS[name]._actions:
        for value in ADDRESSES if action.metavar == "HOST:PORT" else ():
            flag = action.option_strings[0]
            assert run_words(*name.split(), f"{flag}={value}", *shlex.split(ENDING[name])) == 2, value
            err = capsys.readouterr().err
            assert err.startswith(f"{name}: {flag} {value}: "), value
            assert "HOST:PORT" in err.splitlines()[0], value
            assert not PYTHON.search(err), value


ODD = ["", "x", "\u0663", "-1", "9" * 20, "a:b:c", ":", "[::1", "nan", "1e999", "/"]
ODD += ["127.0.0.1:99999", "a b", "%", "{}", "=", "a" * 300, "\udcff"]
ENDING = {
    "minidns up": "",
    "minidns clone": "",
    "minidns enrol": "deploy/web --all",
    "minidns unenrol": "deploy/web",
    "minidns status": "",
    "minidns split-dns": "plan --root .",
    "minidns why": "a.org @127.0.0.1:1",
    "minidns check": "nosuch",
    "minidns probe": "no/such --name a.org",
    "minidns compare": "no/such --name a.org",
    "minidns relay": "pods/kube-dns",
    "minidns": "-conf nosuch",
    "minidns trial": "rum",
    "minidns-sim exec": "--state . app -- dig x",
    "minidns-sim fault": "list --state .",
    "minidns-sim run": "nosuch",
    "minidns-sim resolve": "--state . --resolv-conf nosuch a",
    "minidns-sim trial": "--plant gremlins",
    "minidns-sim explore": "--jobs 0",
    "minidns-sim demo": "--apply nosuch",
}
"""Commands that end without a cluster and a network, with what they need."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDING)
def test_odd_values_of_every_flag(name: str, capsys: Capture) -> None:
    for action in PARSERS[name]._actions:
        if action.nargs == 0 or not action.option_strings:
            continue
        for value in ODD:
            flag = action.option_strings[-1]
            status = run_words(*name.split(), f"{flag}={value}", *shlex.split(ENDING[name]))
            err = capsys.readouterr().err
            assert status in range(5), (flag, value)
            assert not PYTHON.search(err), (flag, value)


RIGHT = [
    ("minidns version", f"minidns-{__version__}"),
    ("minidns -version", f"minidns-{__version__}"),
    ("minidns help", "minidns status minidns help"),
    ("minidns --help", "minidns status minidns help"),
    ("minidns help status", "--diff (default: table)"),
    ("minidns help enroll", "minidns enrol --replicas"),
    ("minidns enroll --help", "minidns enrol --replicas"),
    ("minidns check Good", "dns://:1053 whoami"),
    ("minidns check Good -as 1.11.3", "ok"),
    ("minidns-sim version", f"minidns-{__version__}"),
    ("minidns-sim --help", "minidns-sim demo minidns-sim run"),
    ("minidns-sim help run", "--without-fault (default: text)"),
]


@table(("line", "shown"), RIGHT, ids=[r[0] for r in RIGHT])
def test_what_is_right(line: str, shown: str, capsys: Capture) -> None:
    assert run(line) == 0
    out, err = capsys.readouterr()
    assert mentions(out, shown)
    assert not err


@table("name", PARSERS)
def test_help_has_examples_that_the_parser_reads(name: str) -> None:
    parser = PARSERS[name]
    assert parser.examples
    for example in parser.examples:
        program = name.split()[0]
        words = shlex.split(example.rpartition("| ")[2].partition(" >")[0])
        command, rest = PROGRAMS[program].split(words[words.index(program) + 1 :])
        if name == "minidns-sim":
            assert PROGRAMS[program].find(command)
            continue
        own = f"{program} {command} {rest[0] if rest else ''}"
        if own in PARSERS:  # a command with commands of its own
            assert PARSERS[own].parse(rest[1:])
        else:
            assert f"{program} {command}".rstrip() == name
            assert parser.parse(rest)
        assert example in parser.format_help()


@table("name", PARSERS)
def test_no_hidden_flag_is_suggested(name: str, capsys: Capture) -> None:
    for action in PARSERS[name]._actions:
        if action.help == SUPPRESS and action.option_strings:
            mistyped = f"{action.option_strings[0]}x"
            with pytest.raises(SystemExit):
                PARSERS[name].parse([mistyped])
            assert f'"{action.option_strings[0]}"' not in capsys.readouterr().err


@table("name", PARSERS)
def test_help_shows_every_default(name: str) -> None:
    for action in PARSERS[name]._actions:
        shown = action.help != SUPPRESS and action.default not in ("", SUPPRESS, False)
        if shown and isinstance(action.default, str | int | float):
            assert "(default: " in help_of(action), action.dest


@pytest.mark.parametrize("name", [c.alias for c in cli.COMMANDS if c.alias])
def test_an_alias_is_the_command(name: str) -> None:
    command = cli.PROGRAM.find(name)
    assert command is not None
    assert command.name != name


@pytest.mark.parametrize(
    ("text", "status", "problem", "chain"),
    [
        (GOOD, 0, None, {"listener": "dns://:1053", "zone": ".", "plugins": ["whoami"]}),
        (".:0 {\n forwrd . 192.0.2.1\n}\n", 1, (2, "did you mean 'forward'?"), None),
    ],
)  # fmt: skip
def test_check_of_standard_input_as_json(
    text: str,
    status: int,
    problem: tuple[int, str] | None,
    chain: object,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run("minidns check - -o json") == status
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (status == 0)
    assert [(p["line"], p["hint"]) for p in report["problems"]] == [problem] * status
    assert report["chains"] == ([chain] if chain else [])


def test_an_unreadable_file_as_json(capsys: Capture) -> None:
    assert run("minidns check nosuch -o json") == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert mentions(problem["message"], "nosuch")


def test_split_dns_as_json(folder: Path, capsys: Capture) -> None:
    (folder / "etc").mkdir()
    root = f"--root {folder} --zone k8s.internal"
    assert run(f"minidns split-dns plan {root} --recipe dnsmasq -o json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["zones"] == ["k8s.internal"]
    assert [file["path"] for file in plan["files"]] == ["/etc/dnsmasq.d/minidns.conf"]
    assert not (folder / "etc/dnsmasq.d").exists()
    assert run(f"minidns split-dns doctor {root} --server 127.0.0.1:1 -o json") == 1
    results = [f["result"] for f in json.loads(capsys.readouterr().out)["findings"]]
    assert results == ["WRONG", "ok", "WRONG", "skip"]
