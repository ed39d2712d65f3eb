"""Operations of the demo's steps: API requests, commands in pods, checks."""

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
from ..node.over_sockets import QueryRecord
from ..node.processes import ENVIRON
from ..node.runtime import Running
from .story import Story

MINIDNS_S = 20.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A running cluster and the story that describes it."""

    sim: Simulation
    story: Story
    http: ClientSession
    soon_s: float = 3.0
    """Maximum seconds from a change in the API to the new answer."""

    def servers(self, service: str) -> list[Running]:
        """Return the processes behind a Service of kube-system."""
        return self.sim.servers(("kube-system", service))

    async def get(self, path: str) -> Json:
        """Read from the API, over HTTP.

        Raises:
            ApiError: the server returned an error.

        """
        return await self._request("GET", path)

    async def write(self, method: str, path: str, body: Json) -> Json:
        """Write to the API, over HTTP; a PATCH is a merge patch.

        Raises:
            ApiError: the server returned an error.

        """
        return await self._request(method, path, body)

    async def _request(self, method: str, path: str, body: Json | None = None) -> Json:
        patch = {"Content-Type": "application/merge-patch+json"}
        headers = patch if method == "PATCH" else {}
        url = self.sim.api.url + path
        async with self.http.request(
            method, url, json=body, headers=headers
        ) as response:
            reply: Json = await response.json(content_type=None)
            if response.status >= 400:
                raise ApiError(reply)
            return reply

    async def run(self, pod: str, command: str, *, show: bool = True) -> Output:
        """Run a command in a pod of namespace default."""
        container = self.sim.container("default", pod)
        output = await commands.run(container, command.split())
        if show:
            self.story.ask(command, pod)
            self.story.show(output.text.rstrip("\n"))
        return output

    def check_lines(self, output: Output, *lines: str) -> None:
        """Check that ``output`` contains every line of ``lines``."""
        lines_ = output.text.splitlines()
        for line in lines:
            actual = line if line in lines_ else "not among the lines above"
            self.story.check(f"it prints {' '.join(line.split())!r}", line, actual)

    async def searched(
        self, name: str, queries: Sequence[str], addresses: tuple[str, ...]
    ) -> None:
        """Look a name up in pod app and check all queries and the result."""
        container = self.sim.container("default", "app")
        self.story.ask(f'getaddrinfo("{name}"), {container.libc.name}', "app")
        resolved = await container.getaddrinfo(name)
        self.story.show(query_lines(resolved.queries))
        actual = [_brief(query) for query in resolved.queries]
        self.story.check(
            f"{len(queries)} queries, in this order", list(queries), actual
        )
        addresses_ = resolved.outcome.addresses
        claim = f"found {' and '.join(addresses)}"
        self.story.check(claim, addresses, addresses_)

    async def until(self, name: str, addresses: list[str], begin: float) -> None:
        """Repeat a lookup until it has the expected answer; report the time.

        ``begin`` is the `time.perf_counter` at the start of the write.
        """
        command = f"dig {name}.default.svc.cluster.local +short"
        expected = sorted(addresses)
        count = 0
        while True:
            count += 1
            output = await self.run("dnsutils", command, show=False)
            elapsed_s = time.perf_counter() - begin
            actual = sorted(output.text.splitlines())
            if actual == expected or elapsed_s > self.soon_s:
                break
            await asyncio.sleep(0.001)
        self.story.ask(command, "dnsutils")
        self.story.show(actual)
        times = "at the first lookup" if count == 1 else f"at lookup {count}"
        claim = f"{elapsed_s * 1000:.1f} ms from API write to answer, {times}"
        if actual != expected:
            claim = f"the answer within {self.soon_s:g} s of the API write"
        self.story.check(claim, expected, actual)

    async def minidns(self, *words: str) -> tuple[int, str]:
        """Run the minidns command; return its status and output."""
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
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode(errors="replace")
        self.story.show(text.rstrip("\n"))
        return process.returncode or 0, text


def _brief(query: QueryRecord) -> str:
    """Return the name, type and outcome of a query."""
    question = query.send.question
    outcome = "no reply"
    if query.reply is not None:
        outcome = rcode_name(query.reply.rcode)
        if not query.reply.rcode and not query.reply.answer:
            outcome = "NODATA"
    return f"{question.qname} {type_name(question.qtype)} {outcome}"


def both(name: str, *outcomes: str) -> list[str]:
    """Return the lines of the A and AAAA queries for ``name`` with their outcomes.

    >>> both("a.", "NOERROR", "NODATA")
    ['a. A NOERROR', 'a. AAAA NODATA']
    """
    return [f"{name} A {outcomes[0]}", f"{name} AAAA {outcomes[-1]}"]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns.

    >>> table([("a", "bb"), ("cc", "d")])
    ['a    bb', 'cc   d']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "   ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
