"""The longest pause of answers while a large Corefile, or a file that it names, is reloaded."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import dns.message
import pytest

from tests import process

LONGEST_S = 0.05
EVERY_S = 0.003
ATTEMPTS = 4
"""The best attempt counts: a thread can lose its processor while it has the GIL."""
SERVER = '.:{port} {{\nbind 127.0.0.1\ntemplate IN A {{\nanswer "{{{{ .Name }}}} 60 IN A 192.0.2.1"\n}}\n'

Make: TypeAlias = Callable[[str, Path, int], str]
"""Returns a Corefile, given its first block, a folder for its files, and the port."""


def _address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _small(server: str, folder: Path, port: int) -> str:
    return server + "}\n"


def _large(server: str, folder: Path, port: int) -> str:
    line = "rewrite name exact a.example b.example\n"
    return server + line * ((1000 << 10) // len(line)) + "}\n"


def _import_loop(server: str, folder: Path, port: int) -> str:
    (folder / "loop").write_text("errors\nwhoami\nimport loop\nimport loop\n")
    return server + f"import {folder}/loop\n}}\n"


def _many_blocks(server: str, folder: Path, port: int) -> str:
    blocks = (f"z{number}.example:{port} {{\nbind 127.0.0.1\nerrors\ncache\nwhoami\n}}\n" for number in range(3000))
    return server + "}\n" + "".join(blocks)


def _hosts(server: str, folder: Path, port: int) -> str:
    lines = (f"{_address(number)} h{number}.example\n" for number in range(300_000))
    (folder / "hosts").write_text("".join(lines))
    return server + f"hosts {folder}/hosts {{\nfallthrough\n}}\n}}\n"


def _zone(server: str, folder: Path, port: int) -> str:
    lines = (f"h{number} 60 IN A {_address(number)}\n" for number in range(100_000))
    (folder / "zone").write_text("@ 60 IN SOA a. b. 1 2 3 4 5\n" + "".join(lines))
    return server + f"file {folder}/zone example.org\n}}\n"


def _starved_ns(*pids: int) -> dict[str, int]:
    """Return how long each thread of these processes was ready to run, and did not.

    Other programs have the processors then: it is no pause of the server.
    """
    starved = {}
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # the thread has ended
                starved[str(path)] = int(path.read_text().split()[1])
    return starved


class Asking:
    """Asks a new name every few milliseconds and notes the longest wait."""

    def __init__(self, port: int, server: int) -> None:
        self.longest_s = 0.0
        self._pids = (server, os.getpid())
        self._numbers = itertools.count()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.connect(("127.0.0.1", port))

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        with self._sock as sock:
            while True:
                name = f"n{next(self._numbers)}.test."
                wire = dns.message.make_query(name, "A").to_wire()
                began = time.perf_counter()
                before = _starved_ns(*self._pids)
                await loop.sock_sendall(sock, wire)
                await loop.sock_recv(sock, 512)
                waited_s = time.perf_counter() - began
                for thread, starved_ns in _starved_ns(*self._pids).items():
                    waited_s -= (starved_ns - before.get(thread, starved_ns)) / 1e9
                self.longest_s = max(self.longest_s, waited_s)
                await asyncio.sleep(EVERY_S)


async def _longest_s(server: process.Running, corefile: Path, texts: tuple[str, str], port: int) -> float:
    """Return the longest wait for an answer while the Corefile is taken over to."""
    before, after = texts
    corefile.write_text(before)
    ended = len(_ends(server))
    server.signal(signal.SIGUSR1)
    await _until(server, ended + 1)
    corefile.write_text(after)
    asking = Asking(port, server.process.pid)
    task = asyncio.ensure_future(asking.run())
    server.signal(signal.SIGUSR1)
    await _until(server, ended + 2)
    await asyncio.sleep(0.2)  # what was there before is freed
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return asking.longest_s


def _ends(server: process.Running) -> list[str]:
    ends = ("Reloading complete", "Restart failed")
    return [line for line in server.lines if any(end in line for end in ends)]


async def _until(server: process.Running, ends: int) -> None:
    async with asyncio.timeout(60):
        while len(_ends(server)) < ends:  # lines have no event
            await asyncio.sleep(0.02)


MADE = [_large, _import_loop, _many_blocks, _hosts, _zone]
CHANGES = [(_small, each) for each in MADE] + [(each, _small) for each in MADE]
"""The Corefile before and after a reload; what was large is freed."""


def _id(value: object) -> str:
    return getattr(value, "__name__", "").strip("_")


@pytest.mark.survive
@pytest.mark.parametrize(("before", "after"), CHANGES, ids=_id)
async def test_answers_go_on(before: Make, after: Make, tmp_path: Path) -> None:
    await check(before, after, tmp_path, LONGEST_S)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(_small, _large), (_small, _zone)], ids=_id)
async def test_a_reload_does_not_stop_the_server(before: Make, after: Make, tmp_path: Path) -> None:
    """The short form: reading these in the event loop would take more than a second."""
    await check(before, after, tmp_path, 0.5)


async def check(before: Make, after: Make, tmp_path: Path, longest_s: float) -> None:
    port = process.free_port()
    small = SERVER.format(port=port)
    corefile = tmp_path / "Corefile"
    corefile.write_text(small + "}\n")
    texts = before(small, tmp_path, port), after(small, tmp_path, port)
    seen: list[float] = []
    async with process.minidns("-conf", str(corefile), "-explain", "off") as server:
        await server.said("python3")
        for _ in range(ATTEMPTS):
            seen.append(await _longest_s(server, corefile, texts, port))
            if seen[-1] <= longest_s:
                break
    assert min(seen) <= longest_s, seen
