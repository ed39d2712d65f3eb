"""What commands of the simulation have in common: options, and how they end."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from minidns.text.arguments import Parser
from minidns.text.files import describe

from ..cluster import state

FAILED = 1
TERMINATED = 143
"""Exit status after SIGTERM, as of shells."""


def add_folder(to: Parser) -> None:
    """Add the option that names the folder of the running cluster."""
    to.add_argument(
        "--state",
        type=Path,
        default=state.default_folder(),
        metavar="FOLDER",
        help="folder with the files of the cluster",
    )


def count(text: str) -> int:
    """Return a whole number from 1 up.

    Raises:
        argparse.ArgumentTypeError: it is none.

    """
    if not (text.isascii() and text.isdecimal()) or int(text[:12]) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a whole number from 1 up is needed")
    return int(text)


class Unreadable(Exception):
    """A file of the command line cannot be read; the text names it and says why."""


def read_text(flag: str, path: Path) -> str:
    """Return the text of the file that ``flag`` names.

    Raises:
        Unreadable: it cannot be read, or is not UTF-8.

    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Unreadable(f"{flag} {describe(error)}") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{flag} {path}: not UTF-8 text") from None


def fail(name: str, text: object, status: int = FAILED) -> int:
    """Print why the command called ``name`` failed; return the exit status."""
    print(f"minidns-sim {name}: {text}", file=sys.stderr)
    return status


def run(work: Coroutine[Any, Any, int | None]) -> int:
    """Run ``work``; SIGTERM cancels it as Ctrl-C does."""
    terminated = False

    async def watched() -> int | None:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        return await work

    try:
        return asyncio.run(watched()) or 0
    except asyncio.CancelledError:
        if not terminated:
            raise
        return TERMINATED
