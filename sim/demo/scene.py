"""What the steps of the demo are made of: ask, show, compare with what was said."""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import ClientSession

from minidns.dns.rdata import rcode_name, type_name

from ..api.objects import Json
from ..api.status import ApiError
from ..cluster.simulation import Simulation
from ..node import commands
from ..node.container import Output, query_lines
from ..node.over_sockets import Asked
from ..node.runtime import ENVIRON, Running
from .story import Story

MINIDNS_S = 20.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A cluster that is up, and the story that is told of it."""

    sim: Simulation
    story: Story
    http: ClientSession
    soon_s: float = 3.0
    """How long a change may take until the story says that it does not show."""

    def servers(self, service: str) -> list[Running]:
        """Return the processes behind a Service of kube-system."""
        return self.sim.servers(("kube-system", service))

    async def get(self, path: str) -> Json:
        """Read from the API, over HTTP.

        Raises:
            ApiError: the server refused.

        """
        return await self._request("GET", path)

    async def write(self, method: str, path: str, body: Json) -> Json:
        """Write to the API, over HTTP; a PATCH is a merge patch.

        Raises:
            ApiError: the server refused.

        """
        return await self._request(method, path, body)

    async def _request(self, method: str, path: str, body: Json | None = None) -> Json:
        patch = {"Content-Type": "application/merge-patch+json"}
        headers = patch if method == "PATCH" else {}
        url = self.sim.api.url + path
        async with self.http.request(method, url, json=body, headers=headers) as got:
            reply: Json = await got.json(content_type=None)
            if got.status >= 400:
                raise ApiError(reply)
            return reply

    async def run(self, pod: str, command: str, *, shown: bool = True) -> Output:
        """Run a command in a pod of namespace default."""
        container = self.sim.container("default", pod)
        output = await commands.run(container, command.split())
        if shown:
            self.story.ask(command, pod)
            self.story.show(output.text.rstrip("\n"))
        return output

    def check_lines(self, output: Output, *lines: str) -> None:
        """Check that each of ``lines`` is among those of ``output``."""
        came = output.text.splitlines()
        for line in lines:
            found = line if line in came else "not among the lines above"
            self.story.check(f"it says {' '.join(line.split())!r}", line, found)

    async def searched(
        self, name: str, queries: Sequence[str], addresses: tuple[str, ...]
    ) -> None:
        """Let a program in pod app look a name up; check every query that it took."""
        container = self.sim.container("default", "app")
        self.story.ask(f'getaddrinfo("{name}"), {container.libc.name}', "app")
        resolved = await container.getaddrinfo(name)
        self.story.show(query_lines(resolved.asked))
        came = [_brief(asked) for asked in resolved.asked]
        self.story.check(f"{len(queries)} queries, in this order", list(queries), came)
        found = resolved.outcome.addresses
        told = f"found {' and '.join(addresses)}"
        self.story.check(told, addresses, found)

    async def until(self, name: str, addresses: list[str], begin: float) -> None:
        """Ask again and again until the answer is as wanted; say how long it took.

        ``begin`` is when the write was begun, by `time.perf_counter`.
        """
        command = f"dig {name}.default.svc.cluster.local +short"
        wanted = sorted(addresses)
        count = 0
        while True:
            count += 1
            output = await self.run("dnsutils", command, shown=False)
            elapsed_s = time.perf_counter() - begin
            came = sorted(output.text.splitlines())
            if came == wanted or elapsed_s > self.soon_s:
                break
            await asyncio.sleep(0.001)
        self.story.ask(command, "dnsutils")
        self.story.show(came)
        times = "at the first look-up" if count == 1 else f"at look-up {count}"
        told = f"{elapsed_s * 1000:.1f} ms from API write to answer, {times}"
        if came != wanted:
            told = f"the answer within {self.soon_s:g} s of the API write"
        self.story.check(told, wanted, came)

    async def minidns(self, *words: str) -> tuple[int, str]:
        """Run the minidns command; return its status and what it printed."""
        self.story.ask("minidns " + " ".join(words))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "minidns", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=ENVIRON,
        )
        try:
            async with asyncio.timeout(MINIDNS_S):
                told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = told.decode(errors="replace")
        self.story.show(text.rstrip("\n"))
        return process.returncode or 0, text


def _brief(asked: Asked) -> str:
    """Return a query and its outcome as the story says it."""
    question = asked.send.question
    outcome = "no reply"
    if asked.reply is not None:
        outcome = rcode_name(asked.reply.rcode)
        if not asked.reply.rcode and not asked.reply.answer:
            outcome = "NODATA"
    return f"{question.qname} {type_name(question.qtype)} {outcome}"


def both(name: str, *outcomes: str) -> list[str]:
    """Return what A and AAAA for ``name`` come to; one outcome is for both.

    >>> both("a.", "NOERROR", "NODATA")
    ['a. A NOERROR', 'a. AAAA NODATA']
    """
    return [f"{name} A {outcomes[0]}", f"{name} AAAA {outcomes[-1]}"]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, their columns aligned.

    >>> table([("a", "bb"), ("cc", "d")])
    ['a    bb', 'cc   d']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "   ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
