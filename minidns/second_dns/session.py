"""The environment of a command (API, clock, terminal), and its errors."""

import argparse
import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from minidns.corefile.blocks import ConfigError
from minidns.corefile.values import duration
from minidns.kubernetes import client as api
from minidns.kubernetes.documents import Documents, Refused
from minidns.kubernetes.resources import (
    Access,
    ApiError,
    Unreachable,
    usual_kubeconfig,
)
from minidns.text import terminal
from minidns.text.arguments import CHOOSE_CLUSTER, Parser

_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<what>[^"]*)" '
    r'in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<where>[^"]*)")?'
)
"""The message of the RBAC authorizer (Kubernetes, plugin/pkg/auth/authorizer/rbac)."""

_NOT_FOUND = re.compile(r'(?P<what>[a-z.]+) "[^"]*" not found')
"""The message about an object that does not exist (apimachinery, NewNotFound)."""


class Refusal(Exception):
    """The command refuses to act; ``str()`` is the reason in one line, for people."""


def explain(refused: Refused) -> Refusal:
    """Return in one line why the API server refused a request."""
    if refused.status == 401:
        return Refusal("the API server does not accept these credentials (401)")
    denied = _DENIED.search(str(refused))
    if absent := _NOT_FOUND.fullmatch(str(refused)):
        what = absent["what"]
        return Refusal(f"{refused}; kubectl get {what} -A lists those that there are")
    if refused.status != 403 or denied is None:
        return Refusal(str(refused))
    return Refusal(
        f"not allowed: {missing(denied)}; to grant it: kubectl create "
        f"{'role' if denied['where'] else 'clusterrole'} minidns {_grant(denied)}"
    )


def missing(denied: re.Match[str]) -> str:
    """Return which permission is missing, and which user lacks it."""
    group = f".{denied['group']}" if denied["group"] else ""
    where = (
        f"in namespace {denied['where']}" if denied["where"] else "in all namespaces"
    )
    return f"{denied['verb']} on {denied['what']}{group} {where}, as {denied['user']}"


def _grant(denied: re.Match[str]) -> str:
    resource, _, sub = denied["what"].partition("/")
    group = f".{denied['group']}" if denied["group"] else ""
    words = f"--verb={denied['verb']} --resource={resource}{group}{sub and '/' + sub}"
    return f"{words} -n {denied['where']}" if denied["where"] else words


@dataclass(frozen=True, slots=True)
class Session:
    """The connections of one command to the outside."""

    api: Documents
    out: Callable[[str], None]
    """Prints a line of the result to standard output."""
    tell: Callable[[str], None]
    """Prints a message to standard error."""
    ask: Callable[[str], Awaitable[bool]]
    """Asks a question and returns whether the answer was yes."""
    wall: Callable[[], float]
    """Seconds since the epoch."""
    sleep: Callable[[float], Awaitable[None]]


async def check_namespace(session: Session, namespace: str) -> None:
    """Accept a namespace that exists; empty stands for all.

    Raises:
        Refusal: it does not exist.

    """
    if not namespace:
        return
    try:
        exists = await session.api.find(f"/api/v1/namespaces/{namespace}")
    except Refused as refused:
        if refused.status != 403:  # without this right, the lists report what is wrong
            raise
        return
    if not exists:
        raise Refusal(
            f"-n {namespace}: there is no such namespace; kubectl get namespaces "
            "lists them"
        )


ENDED = 128 + signal.SIGTERM
"""Exit status of a command that was ended by a signal, as shells report it."""
Command: TypeAlias = Callable[[argparse.Namespace, Session], Awaitable[int]]


def add_options(parser: Parser) -> None:
    """Add the options that select the cluster, named as in kubectl."""
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="cluster and credentials (default: $KUBECONFIG, ~/.kube/config, or this "
        "pod's own)",
    )
    parser.add_argument(
        "--context",
        metavar="NAME",
        help="context in the kubeconfig (default: its current one)",
    )


def add_yes(parser: Parser) -> None:
    """Add the option that answers the question before writing."""
    parser.add_argument(
        "--yes", "-y", action="store_true", help="do not ask for confirmation"
    )


def seconds(text: str) -> float:
    """Return the seconds of a duration such as ``30m``.

    Raises:
        argparse.ArgumentTypeError: the text is not a duration.

    """
    try:
        return duration(text)
    except ValueError as error:
        wrong = f"{text}: not a duration, such as 30m or 1h30m"
        raise argparse.ArgumentTypeError(wrong) from error


def run(
    name: str,
    args: argparse.Namespace,
    command: Command,
    colors: Mapping[str, str] | None = None,
) -> int:
    """Run ``command``, called ``name``, with its arguments; return its exit status.

    ``colors`` are those of its output on a terminal.
    """
    try:
        return asyncio.run(_run(args, command, name, colors or {}))
    except asyncio.CancelledError:
        return ENDED
    except ConfigError as error:
        print(f"{name}: {error}; {CHOOSE_CLUSTER}", file=sys.stderr)
        return 1


async def run_command(
    command: Command, args: argparse.Namespace, session: Session, name: str
) -> int:
    """Run a command; report a failure in one line and return status 1."""
    try:
        return await command(args, session)
    except Refused as refused:
        problem: Exception = explain(refused)
    except Unreachable as error:
        problem = Refusal(f"{error}; {CHOOSE_CLUSTER}")
    except (Refusal, ApiError) as error:
        problem = error
    session.tell(f"{name}: {problem}")
    return 1


async def _run(
    args: argparse.Namespace, command: Command, name: str, colors: Mapping[str, str]
) -> int:
    # both end a command as Ctrl-C does, so that it can undo its changes
    task = asyncio.current_task()
    assert task is not None
    on_signals((signal.SIGTERM, signal.SIGHUP), task.cancel)
    async with documents(args) as cluster:
        session = Session(
            api=cluster,
            out=lambda line: terminal.show(line, colors),
            tell=lambda line: print(line, file=sys.stderr, flush=True),
            ask=_yes if getattr(args, "yes", False) else _confirm,
            wall=time.time,
            sleep=asyncio.sleep,
        )
        return await run_command(command, args, session, name)


def on_signals(numbers: Iterable[signal.Signals], react: Callable[[], object]) -> None:
    """Call ``react`` in the event loop when one of the signals arrives."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        with suppress(NotImplementedError):  # event loops of Windows have no signals
            loop.add_signal_handler(number, react)


@asynccontextmanager
async def documents(args: argparse.Namespace) -> AsyncIterator[Documents]:
    """Connect to the cluster that the options of `add_options` select.

    Raises:
        ConfigError: the kubeconfig cannot be used.

    """
    access = Access(kubeconfig=kubeconfig(args), context=args.context or "")
    async with api.connect(access) as connection:
        yield Documents(connection)


def kubeconfig(args: argparse.Namespace) -> str:
    """Return the kubeconfig to use; empty for the service account of this pod."""
    if args.kubeconfig:
        return str(Path(args.kubeconfig).expanduser())
    if named := os.environ.get("KUBECONFIG"):
        return named
    in_pod = bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
    return "" if in_pod else usual_kubeconfig(os.environ)


async def _yes(question: str) -> bool:
    return True


async def _confirm(question: str) -> bool:
    if not sys.stdin.isatty():
        raise Refusal(
            "cannot ask for confirmation: stdin is not a terminal. Pass --yes to "
            "proceed."
        )
    # standard output may be a file
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    typed = asyncio.Event()
    loop = asyncio.get_running_loop()
    # the loop waits, so that Ctrl-C and SIGTERM end it
    loop.add_reader(sys.stdin, typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
