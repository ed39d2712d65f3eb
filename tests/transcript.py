"""Pages whose commands are run: ``console`` blocks are a terminal's transcript.

``$ COMMAND`` is run by bash, ``> `` continues it; the lines below it are what it prints,
``...`` in a line or as a line standing for anything. A command that goes on (a server)
is left running until ``^C`` or the end of the page. A block of any other kind right
below a line that says ``FILE:`` in backticks is that file. A page has one home folder.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DEADLINE_S = 40.0
SERVING = re.compile(r"minidns-sim up|minidns (up|-conf|--kubeconfig|-explain)\b")
_FENCE = re.compile(r"(?:^`(?P<file>[^`\n]+)`:\n\n)?^```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)


class Command(NamedTuple):
    """A command of a page and what is written below it."""

    line: int
    text: str
    said: tuple[str, ...]


class File(NamedTuple):
    """A file that a page shows."""

    name: str
    text: str


def read(page: str) -> Iterator[Command | File]:
    """Yield the commands and files of a page, in order."""
    for block in _FENCE.finditer(page):
        if block["kind"] == "console":
            yield from _commands(block["text"], page.count("\n", 0, block.start("text")) + 1)
        elif block["file"]:
            yield File(block["file"], block["text"])


def _commands(text: str, first: int) -> Iterator[Command]:
    found: list[tuple[int, list[str], list[str]]] = []
    for number, line in enumerate(text.splitlines(), first):
        if line.startswith("$ "):
            found.append((number, [line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][2]:
            found[-1][1].append(line[2:])
        elif found:
            found[-1][2].append(line)
        else:
            raise ValueError(f"line {number}: {line} comes before any command")
    for number, words, said in found:
        yield Command(number, "\n".join(words), tuple(said))


def alike(said: Sequence[str], printed: Sequence[str]) -> bool:
    """Return whether what was printed is what is said."""
    if not said:
        return not printed
    if said[0].strip() == "...":
        return any(alike(said[1:], printed[n:]) for n in range(len(printed) + 1))
    if not printed or not _line_alike(said[0], printed[0]):
        return False
    return alike(said[1:], printed[1:])


def _line_alike(said: str, printed: str) -> bool:
    parts = (re.escape(part) for part in said.rstrip().split("..."))
    return re.fullmatch(".*".join(parts), printed.rstrip()) is not None


@dataclass
class Server:
    """A command that goes on."""

    process: subprocess.Popen[str]
    home: str
    reader: threading.Thread = field(init=False)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n").replace(self.home, "~"))

    def says(self, said: Sequence[str]) -> bool:
        """Wait until it has printed what is said; return whether it has."""
        end = time.monotonic() + DEADLINE_S
        while not alike([*said, "..."], list(self.lines)):
            if time.monotonic() > end or self.process.poll() is not None:
                return False
            time.sleep(0.02)
        return True

    def stop(self) -> None:
        try:
            if self.process.poll() is not None:
                return
            os.killpg(self.process.pid, signal.SIGINT)  # as Ctrl-C does: to all of them
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        finally:
            self.reader.join(DEADLINE_S)
            assert self.process.stdout is not None
            self.process.stdout.close()


class Terminal:
    """Runs the commands of one page."""

    def __init__(
        self,
        home: Path,
        ports: Mapping[str, str] = MappingProxyType({}),
        flags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.home = home
        self.ports = ports
        """Ports of the page, which may be taken, and those used here instead."""
        self.flags = flags
        """Beginnings of commands, and what they are here."""
        self.servers: list[Server] = []
        bin_ = Path(sys.executable).parent
        proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy")
        kept = {k: v for k, v in os.environ.items() if k not in proxies}
        self.environ = {
            **kept,
            "HOME": str(home),
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "XDG_STATE_HOME": "",
            "KUBECONFIG": "",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def here(self, text: str) -> str:
        """Return a text of the page as it is meant here."""
        for old, new in self.ports.items():
            text = text.replace(old, new)
        return text

    def _command(self, text: str) -> str:
        text = self.here(text)
        for old, new in self.flags.items():
            text = text.replace(old, new)
        return text

    def put(self, file: File) -> None:
        """Write a file of the page."""
        path = self.home / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(file.text))

    def run(self, command: Command) -> str:
        """Run a command; return what is wrong with it, empty when nothing is."""
        text = self._command(command.text)
        said = [self.here(line) for line in command.said]
        if export := re.fullmatch(r"export (\w+)=.*", text):
            value = self._bash(f'{text}; printf %s "${export[1]}"')
            self.environ[export[1]] = value
            return ""
        if SERVING.match(text):
            return self._serve(text, said)
        return self._compared(said, self._bash(text).splitlines())

    def _bash(self, text: str) -> str:
        """Run a command to its end; return what it prints on both outputs."""
        try:
            return self._ended(text).stdout
        except subprocess.TimeoutExpired as late:
            printed = (late.stdout or b"").decode()
            return f"{printed}<still running after {DEADLINE_S:.0f} s>\n"

    def _ended(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", text], cwd=self.home, env=self.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S,
        )  # fmt: skip

    def _serve(self, text: str, said: list[str]) -> str:
        ends = bool(said) and said[-1] == "^C"
        process = subprocess.Popen(
            ["bash", "-c", text], start_new_session=True, cwd=self.home, env=self.environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        server = Server(process, str(self.home))
        self.servers.append(server)
        holds = server.says(said[:-1] if ends else said)
        if ends:
            self.servers.remove(server)
            server.stop()
        return "" if holds else self._compared(said, server.lines)

    def _compared(self, said: Sequence[str], printed: Sequence[str]) -> str:
        lines = [line.replace(str(self.home), "~") for line in printed]
        if alike(said, lines):
            return ""
        return "\n".join(["it says:", *said, "it prints:", *lines])

    def close(self) -> None:
        """End what still runs, the last first."""
        for server in reversed(self.servers):
            server.stop()
