"""``minidns relay``: pass DNS on to the pods behind a Service, byte by byte."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from random import Random

from minidns.commands import lookups
from minidns.corefile.errors import ConfigError
from minidns.kubernetes.resources import ApiError, Unreachable
from minidns.probe import servers
from minidns.probe.relay import Passed, relay
from minidns.probe.servers import NoServer, Target
from minidns.second_dns import session
from minidns.system.stdin import standard_input
from minidns.text.arguments import CHOOSE_CLUSTER, Parser
from minidns.text.files import describe
from minidns.text.terminal import escaping
from minidns.upstream.upstream import joined

REFRESH_S = 1.0
"""Seconds between two looks at the pods behind the Service."""
_EXAMPLES = {
    "minidns relay pods/kube-dns --listen 0.0.0.0:5301": "to the pods of a Service",
    "minidns relay 10.244.0.2 10.244.0.3 --listen 127.0.0.1:5301": "to two addresses",
}
_NOTES = """\
Each flow goes to one pod, drawn at random, without retry, cache or health check, so
that failures of the pods reach the client. Standard output has a line of JSON for each
message: the client, the pod, and whether it was a reply."""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns relay",
        "Pass DNS queries on to pods, each flow to one of them.",
        _EXAMPLES,
        _NOTES,
    )
    parser.add_argument(
        "servers", nargs="+", metavar="SERVER", help="an address, or pods/NAME"
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_listen,
        default=Target("127.0.0.1:5301", ("127.0.0.1", 5301)),
        help="address to listen at, UDP and TCP (default: 127.0.0.1:5301)",
    )
    parser.add_argument(
        "-n",
        "--namespace",
        default="kube-system",
        help="namespace of pods/ (default: kube-system)",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print no line for each message"
    )
    parser.add_argument(
        "--attached", action="store_true", help="end when standard input ends"
    )
    session.add_options(parser)
    return parser


def _listen(text: str) -> Target:
    try:
        return servers.from_address(text)
    except NoServer as error:
        wrong = f"{text}: HOST:PORT is needed, such as 127.0.0.1:5301"
        raise argparse.ArgumentTypeError(wrong) from error


@escaping
def main(argv: Sequence[str]) -> int:
    """Relay until a signal comes; return the exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    lookups.check_servers(arguments, args.servers)
    try:
        return asyncio.run(_run(args))
    except (ConfigError, Unreachable) as error:
        print(f"minidns relay: {error}; {CHOOSE_CLUSTER}", file=sys.stderr)
    except (NoServer, ApiError) as error:
        print(f"minidns relay: {error}", file=sys.stderr)
    except OSError as error:
        listen = args.listen.label
        print(f"minidns relay: --listen {listen}: {describe(error)}", file=sys.stderr)
    return 1


async def _run(args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    session.on_signals((signal.SIGINT, signal.SIGTERM), stop.set)
    if args.attached:
        ended = asyncio.ensure_future((await standard_input()).read())
        ended.add_done_callback(lambda _: stop.set())
    async with AsyncExitStack() as stack:
        api = None
        if any(map(servers.needs_cluster, args.servers)):
            api = await stack.enter_async_context(session.documents(args))
        pods = await lookups.targets(args, api)
        report: Callable[[Passed], None] = _ignore if args.quiet else _print
        running = await relay(args.listen.address, lambda: pods, Random(), report)
        stack.push_async_callback(running.close)
        labels = ", ".join(pod.label for pod in pods)
        print(
            f"relay listens at {joined(*running.address)}, to {labels}",
            file=sys.stderr,
            flush=True,
        )
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S):
                    await stop.wait()
            if api is not None and not stop.is_set():
                with suppress(ApiError, NoServer):  # the last known pods stay
                    pods = await lookups.targets(args, api)
    return 0


def line(passed: Passed) -> str:
    """Return a message that passed as a line of JSON."""
    fields = {
        "time": round(passed.at, 6),
        "client": joined(*passed.client),
        "pod": passed.pod,
        "transport": passed.transport,
        "reply": passed.is_reply,
        "id": passed.ident,
        "bytes": passed.size,
        "failure": passed.failure,
    }
    return json.dumps(fields)


def _print(passed: Passed) -> None:
    print(line(passed), flush=True)


def _ignore(passed: Passed) -> None:
    """Report nothing."""
