"""A real minidns process of the tests' own: started, spoken to, stopped."""

import asyncio
import contextlib
import io
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.process import free_port as free_port
from minidns import cli

DEADLINE_S = 60.0


@dataclass
class Running:
    """A started minidns and what it has said so far."""

    process: Process
    lines: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Collect its output until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))
            self._news.set()
        self.lines.append("<end>")
        self._news.set()

    async def said(self, text: str) -> str:
        """Return the first line that contains ``text``, once there is one."""
        return await self.matched(re.escape(text))

    async def matched(self, pattern: str) -> str:
        """Return the first line that ``pattern`` is found in, once there is one."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for line in self.lines:
                    if re.search(pattern, line):
                        return line
                if "<end>" in self.lines:
                    raise AssertionError(f"ended without {pattern!r}: {self.lines}")
                self._news.clear()
                await self._news.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Return its exit status, once it has one."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def minidns(
    *args: str, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: str = ""
) -> AsyncIterator[Running]:
    """Start ``minidns ARGS``; end it, if it has not ended, when done."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "minidns", *args,
        stdin=PIPE if stdin else None,
        stdout=PIPE, stderr=asyncio.subprocess.STDOUT, cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
    )  # fmt: skip
    if process.stdin is not None:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    running = Running(process)
    reading = asyncio.ensure_future(running.read())
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


def mentions(text: str, names: str) -> bool:
    """Return whether each word of ``names`` is in ``text``, however that is worded."""
    return all(name in text for name in names.split())


async def run(*args: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run ``minidns ARGS`` to its end; return status, standard output and error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "minidns", *args,
        stdout=PIPE, stderr=PIPE, cwd=cwd, env={**os.environ, **(env or {})},
    )  # fmt: skip
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def call(*args: str) -> tuple[int, str, str]:
    """Run ``minidns ARGS`` in a thread of this process; return status, standard output and error.

    For commands that handle no signals: a process of its own takes half a second of CPU.
    """

    def main() -> int:
        try:
            return cli.PROGRAM.main(args)
        except SystemExit as ended:
            return int(ended.code or 0)

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        async with asyncio.timeout(DEADLINE_S):
            status = await asyncio.to_thread(main)
    return status, out.getvalue(), err.getvalue()


async def http(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, str]:
    """Return status and body of a page; ConnectionError when nobody listens."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            asked = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            writer.write(asked.encode())
            whole = await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    head, _, body = whole.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def until_answering(port: int, path: str = "/health") -> None:
    """Return once the page is there with status 200."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                if (await http(port, path))[0] == 200:
                    return
            except ConnectionError:
                pass
            await asyncio.sleep(0.02)
