"""``minidns-sim resolve``: what a stub resolver sends for a name, and what it costs."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.resolv_conf import nameservers
from minidns.stub.protocol import Status
from minidns.text.arguments import Parser
from minidns.walk.wording import lookup_types

from ..api.status import ApiError
from ..cluster import state
from ..node.fault_words import is_number
from ..node.resolve import report_of
from ..resolver import kinds, rehearsal
from ..resolver.report import Report, lines
from ..scenario import clock
from ..scenario.stage import staged
from .common import Unreadable, add_folder, count, fail, read_text

FOUND, FAILED, UNKNOWN, UNREADABLE = 0, 1, 2, 4
_EXAMPLES = {
    "minidns-sim resolve --list": "the resolvers",
    "minidns-sim resolve --as musl-1.2.3 --pod default/app kubernetes.default": "what "
    "a program of a pod sends",
    "kubectl exec app -- cat /etc/resolv.conf | minidns-sim resolve --as go "
    "--resolv-conf - --answer web.shop.svc.cluster.local=10.96.0.7 web.shop": "with "
    "the resolv.conf of a real pod",
    "minidns-sim resolve --resolv-conf FILE --server 1='drop 1/2' web": "with a server "
    "that drops half of the queries",
}
_NOTES = """\
With --pod the queries go to the cluster that is up or, if none is, to that of a
scenario. With --resolv-conf they go to described servers in virtual time, and a name
without --answer does not exist.

exit status: 0 found, 1 the lookup failed, 2 there is no such resolver, pod or name, or
the command line is wrong, 4 a file cannot be read"""


class Wrong(Exception):
    """The command line names something that there is not; the text says what is."""


class _Resolved(NamedTuple):
    """A lookup, and the names that it could have found."""

    report: Report
    known: str


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns-sim resolve",
        "Show what a stub resolver sends for a name, in order, and what it costs.",
        _EXAMPLES,
        _NOTES,
    )
    parser.add_argument("--list", action="store_true", help="list the resolvers")
    parser.add_argument(
        "--as",
        dest="kind",
        metavar="RESOLVER",
        default="glibc",
        help="resolver to look the name up with",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--pod", metavar="[NAMESPACE/]POD", help="resolve as a program of this pod"
    )
    source.add_argument(
        "--resolv-conf", metavar="FILE", help="use this file; - is standard input"
    )
    parser.add_argument(
        "--answer",
        metavar="NAME=ADDRESS",
        action="append",
        default=[],
        help="with --resolv-conf: an address of an absolute name; may be repeated",
    )
    effects = ", ".join(rehearsal.EFFECTS)
    parser.add_argument(
        "--server",
        metavar="N=WHAT",
        action="append",
        default=[],
        help=f"with --resolv-conf: what the N-th server does: {effects}; a rate may "
        "follow; may be repeated",
    )
    parser.add_argument(
        "--seed", type=count, default=1, metavar="N", help="seed of what is random"
    )
    parser.add_output("text", "json")
    add_folder(parser)
    parser.add_argument("name", nargs="?", metavar="NAME", help="name to look up")
    parser.add_argument(
        "types", nargs="*", metavar="TYPE", help="record types (default: A and AAAA)"
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    if args.list:
        print(kinds.listing())
        return FOUND
    try:
        report, known = _resolve(args)
    except Wrong as error:
        arguments.error(str(error))
    except Unreadable as error:
        return fail("resolve", error, UNREADABLE)
    if args.output == "json":
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(lines(report)))
    if report["result"]["status"] == Status.NXDOMAIN.value:
        missing = f"there is no name {args.name!r}; there are: {known}"
        return fail("resolve", missing, UNKNOWN)
    return FAILED if report["result"]["error"] else FOUND


def _resolve(args: argparse.Namespace) -> _Resolved:
    kind, types = _kind(args.kind), _types(args.types)
    if args.name is None:
        raise Wrong("NAME: missing")
    try:
        names.to_wire(f"{args.name.removesuffix('.')}.")
    except ValueError:
        raise Wrong(
            f"{args.name!r} is not a domain name: a label has 1 to 63 characters, "
            "a name at most 253"
        ) from None
    if args.resolv_conf is not None:
        return _rehearse(args, kind, types)
    if args.pod is None:
        raise Wrong("--pod POD or --resolv-conf FILE is missing")
    if args.answer or args.server:
        raise Wrong("--answer and --server need --resolv-conf")
    try:
        running = state.read(args.state)
    except state.NotUp:
        return clock.run(_in_scenario(args, kind, types))
    return _in_cluster(running, args, kind)


def _kind(name: str) -> kinds.Kind:
    try:
        return kinds.find(name)
    except kinds.UnknownResolver as error:
        raise Wrong(f"--as {error}") from None


def _types(words: list[str]) -> tuple[int, ...]:
    try:
        return lookup_types(" ".join(words))
    except ValueError as error:
        raise Wrong(str(error)) from None


def _rehearse(
    args: argparse.Namespace, kind: kinds.Kind, types: tuple[int, ...]
) -> _Resolved:
    """Resolve against described servers."""
    text = _resolv_conf(args.resolv_conf)
    try:
        addresses = [rehearsal.parse_address(word) for word in args.answer]
        behaviours = dict(_server(word, text) for word in args.server)
    except ValueError as error:
        raise Wrong(str(error)) from None
    servers = rehearsal.Servers(behaviours, addresses, Random(args.seed))
    resolver = kind.make(text, Random(args.seed))
    report = servers.look_up(kind, resolver, args.name, types)
    known = ", ".join(sorted({name for name, _ in addresses}))
    return _Resolved(report, known or "none (add some: --answer NAME=ADDRESS)")


def _resolv_conf(file: str) -> str:
    if file != "-":
        return read_text("--resolv-conf", Path(file))
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise Unreadable("--resolv-conf -: not UTF-8 text") from None


def _server(word: str, resolv_conf: str) -> tuple[str, rehearsal.Behaviour]:
    """Return address and behaviour of ``N=WHAT``; raises ValueError."""
    number, equals, what = word.partition("=")
    servers = nameservers(resolv_conf)
    is_there = is_number(number) and 0 < int(number) <= len(servers)
    if not equals or not is_there:
        known = ", ".join(f"{n}={server}" for n, server in enumerate(servers, 1))
        raise ValueError(f"{word!r} is not N=WHAT; the servers are {known or 'none'}")
    return servers[int(number) - 1], rehearsal.parse_behaviour(what)


def _in_cluster(
    running: state.State, args: argparse.Namespace, kind: kinds.Kind
) -> _Resolved:
    """Resolve in a pod of the cluster that is up."""
    command = ["resolve", "-o", "json", kind.name, args.name, *args.types]
    try:
        reply = state.execute(running, args.pod, command)
    except (state.NotUp, LookupError) as error:
        raise Wrong(str(error.args[0])) from None
    if reply["status"] == UNKNOWN:
        raise Wrong(reply["text"].strip())
    known = "the Services of `kubectl get services -A`"
    return _Resolved(json.loads(reply["text"]), known)


async def _in_scenario(
    args: argparse.Namespace, kind: kinds.Kind, types: tuple[int, ...]
) -> _Resolved:
    """Resolve in a pod of a scenario's cluster, in virtual time."""
    namespace, _, name = args.pod.rpartition("/")
    async with staged(args.seed) as stage:
        start = asyncio.get_running_loop().time()
        try:
            key = namespace or "default", name
            resolved = await stage.look_up(key, args.name, types, kind)
        except ApiError as error:
            pods = ", ".join(map("/".join, stage.pods()))
            raise Wrong(
                f"{error} in the cluster of a scenario (none is up); there are: {pods}"
            ) from None
        seconds = asyncio.get_running_loop().time() - start
        services = (s["metadata"] for s in stage.cluster.list("Service"))
        known = ", ".join(f"{each['name']}.{each['namespace']}" for each in services)
        return _Resolved(report_of(kind, resolved, start, seconds), known)
