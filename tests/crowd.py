"""Many clients, each with a socket of its own: so the kernel shares their queries out."""

import asyncio
import contextlib
import os
import random
import re
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.rcode

from tests.process import DEADLINE_S, Running

SIZE = 48
"""Clients: that none of them falls to a worker happens once in 2**48 runs."""
LOOK_EVERY_S = 0.02


@dataclass
class Crowd:
    """Sockets connected to one port."""

    sockets: list[socket.socket]
    _waiting: set[socket.socket] = field(default_factory=set)

    def ask(self, name: str, qtype: str = "A") -> None:
        """Send one query from every client; ``{}`` in the name is its number."""
        self._waiting = set(self.sockets)
        for number, sock in enumerate(self.sockets):
            sock.send(dns.message.make_query(name.format(number), qtype, id=number).to_wire())

    async def answers(self, within_s: float = DEADLINE_S) -> list[dns.message.Message]:
        """Return what clients without a reply get, until all have one or time is up."""
        got: list[dns.message.Message] = []
        end = asyncio.get_running_loop().time() + within_s
        while self._waiting and asyncio.get_running_loop().time() < end:
            for sock in list(self._waiting):
                with contextlib.suppress(BlockingIOError):
                    got.append(dns.message.from_wire(sock.recv(4096)))
                    self._waiting.remove(sock)
            await asyncio.sleep(0.005)
        return got

    async def told(self, name: str, qtype: str = "A") -> Counter[str]:
        """Return how many of the clients were told what: an rcode, or records."""
        self.ask(name, qtype)
        return Counter(map(_said, await self.answers()))

    async def all_told(self, name: str, said: str, qtype: str = "A") -> None:
        """Wait until every client is told ``said``."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.told(name, qtype) != {said: len(self.sockets)}:
                await asyncio.sleep(LOOK_EVERY_S)


def _said(reply: dns.message.Message) -> str:
    if reply.rcode() == dns.rcode.NOERROR and reply.answer:
        return " ".join(sorted(str(rdata) for rdata in reply.answer[0]))
    return dns.rcode.to_text(reply.rcode())


@contextlib.contextmanager
def crowd(port: int, host: str = "127.0.0.1", size: int = SIZE) -> Iterator[Crowd]:
    """Give clients of ``port`` that ask from ports of their own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(size)]
    try:
        for sock in made:
            sock.setblocking(False)
            sock.connect((host, port))
        yield Crowd(made)
    finally:
        for sock in made:
            sock.close()


def listening_port() -> int:
    """Return a free port that no client in this or another test gets by chance."""
    while True:
        port = random.randrange(10_000, 32_000)  # below Linux's range for clients
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind(("127.0.0.1", port))
            return port


COREFILE = """\
.:{port} {{
    bind 127.0.0.1
    multisocket {sockets}
    errors
    template IN A {{
        answer "{{{{ .Name }}}} 60 IN A {address}"
    }}
{more}
}}
"""
OLD, NEW = "192.0.2.7", "192.0.2.8"
NAME = "a.example.org."
SOME = 0.25
"""Seconds in which whoever is not held still has answered."""


class Stand:
    """A Corefile for a server of several processes."""

    def __init__(self, folder: Path) -> None:
        self.port = listening_port()
        self.path = folder / "Corefile"
        self.args = ("-conf", str(self.path), "-explain", "off")

    def write(self, *, sockets: int = 2, address: str = OLD, more: str = "") -> None:
        self.path.write_text(COREFILE.format(port=self.port, sockets=sockets, address=address, more=more))


async def worker(server: Running, share: int = 1, nth: int = 1) -> int:
    """Return the process id of the ``nth`` worker for ``share``, once it answers."""
    pattern = rf"Worker {share} answers \(pid (\d+)\)"
    found: list[int] = []

    def there() -> bool:
        found[:] = [int(m[1]) for m in (re.search(pattern, x) for x in server.lines) if m]
        return len(found) >= nth

    try:
        await until(there)
    except TimeoutError:
        raise AssertionError(f"no such worker: {server.lines}") from None
    return found[nth - 1]


def workers(server: Running) -> Iterator[int]:
    """Yield the process ids of what the server has started."""
    with contextlib.suppress(OSError):
        for task in os.scandir(f"/proc/{server.process.pid}/task"):
            with open(f"{task.path}/children") as children:
                yield from map(int, children.read().split())


async def until(true: Callable[[], bool]) -> None:
    """Wait until ``true`` is."""
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(LOOK_EVERY_S)


def lives(pid: int) -> bool:
    """Return whether there is such a process, and it is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end while it is read
        return False


@contextlib.asynccontextmanager
async def stopped(pid: int) -> AsyncIterator[None]:
    """Hold a process still; whoever ended it meanwhile need not wake it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
