"""What these commands are given: the API, a clock, the person in front of them."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from minidns.corefile.blocks import ConfigError
from minidns.corefile.values import duration
from minidns.kubernetes import client as api
from minidns.kubernetes.documents import Documents, Refused
from minidns.kubernetes.resources import Access, ApiError
from minidns.second_dns import refusal
from minidns.second_dns.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Session:
    """One command's world."""

    api: Documents
    out: Callable[[str], None]
    """Takes what was asked for, line by line: standard output."""
    tell: Callable[[str], None]
    """Takes what is said beside that: standard error."""
    ask: Callable[[str], Awaitable[bool]]
    """Asks a question; whether the answer was yes."""
    wall: Callable[[], float]
    """Seconds since the epoch."""
    sleep: Callable[[float], Awaitable[None]]


ENDED = 128 + signal.SIGTERM
"""Exit status of a command that was told to end, as shells have it."""
Command: TypeAlias = Callable[[argparse.Namespace, Session], Awaitable[int]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which cluster is meant, as kubectl has it."""
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="cluster and credentials ($KUBECONFIG, ~/.kube/config, or this pod's own)",
    )
    parser.add_argument("--context", metavar="NAME", help="context in the kubeconfig")


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add what spares the question before writing."""
    parser.add_argument(
        "--yes", "-y", action="store_true", help="do what is shown without asking"
    )


def seconds(text: str) -> float:
    """Return the seconds that an argument such as ``30m`` means.

    Raises:
        argparse.ArgumentTypeError: it is no duration.

    """
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(parser: argparse.ArgumentParser, argv: Sequence[str], command: Command) -> int:
    """Run ``command`` with the arguments; return its exit status."""
    args = parser.parse_args(argv)
    try:
        return asyncio.run(_run(args, command, parser.prog))
    except asyncio.CancelledError:
        return ENDED
    except ConfigError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1


async def done(
    command: Command, args: argparse.Namespace, session: Session, name: str
) -> int:
    """Run a command; what goes wrong is told in one line, with status 1."""
    try:
        return await command(args, session)
    except Refused as refused:
        problem: Exception = refusal.of(refused)
    except (Refusal, ApiError) as error:
        problem = error
    session.tell(f"{name}: {problem}")
    return 1


async def _run(args: argparse.Namespace, command: Command, name: str) -> int:
    # both end a command as Ctrl-C does: what is to be undone at the end is undone
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        with suppress(NotImplementedError):  # not every system has them
            loop.add_signal_handler(number, task.cancel)
    access = Access(kubeconfig=_kubeconfig(args), context=args.context or "")
    async with api.connect(access) as connection:
        session = Session(
            api=Documents(connection),
            out=lambda line: print(line, flush=True),
            tell=lambda line: print(line, file=sys.stderr, flush=True),
            ask=_yes if getattr(args, "yes", False) else _asked,
            wall=time.time,
            sleep=asyncio.sleep,
        )
        return await done(command, args, session, name)


def _kubeconfig(args: argparse.Namespace) -> str:
    """Return which kubeconfig is meant; empty for the service account of this pod."""
    if args.kubeconfig:
        return str(Path(args.kubeconfig).expanduser())
    if named := os.environ.get("KUBECONFIG"):
        return named
    usual = Path("~/.kube/config").expanduser()
    return "" if os.environ.get("KUBERNETES_SERVICE_HOST") else str(usual)


async def _yes(question: str) -> bool:
    return True


async def _asked(question: str) -> bool:
    if not sys.stdin.isatty():
        raise Refusal("nobody to ask, as standard input is no terminal: say --yes")
    # not on standard output, which may be a file
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    typed = asyncio.Event()
    loop = asyncio.get_running_loop()
    # by the loop, so that Ctrl-C and SIGTERM end it
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
