"""The minidns-sim command as a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

DEADLINE_S = 90.0


class Ran(NamedTuple):
    """The result of a command."""

    status: int
    out: str
    err: str


async def run(*args: str) -> Ran:
    """Run ``minidns-sim ARGS`` to its end."""
    async with started(*args) as process:
        return await finished(process)


@asynccontextmanager
async def started(*args: str) -> AsyncIterator[Process]:
    """Start ``minidns-sim ARGS``; kill it, if it has not ended, when done."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sim", *args), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def finished(process: Process) -> Ran:
    """Return what came of it once it has ended."""
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


async def line_with(process: Process, text: str) -> list[str]:
    """Return what it prints up to the first line that has ``text`` in it."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        async for line in process.stdout:
            lines.append(line.decode().rstrip("\n"))
            if text in lines[-1]:
                return lines
    raise AssertionError(f"it ended without {text!r}: {lines}")


def is_running(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
