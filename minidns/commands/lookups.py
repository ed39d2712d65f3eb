"""Options that ``minidns compare`` and ``minidns probe`` have in common.

They name the servers, the source of the questions, and the form of the queries.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack

from minidns.corefile.errors import ConfigError
from minidns.dns import names
from minidns.dns.model import Question
from minidns.dns.rdata import type_number
from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import ApiError, Unreachable
from minidns.probe import questions, servers
from minidns.probe.lookup import Form
from minidns.probe.questions import WrongLine
from minidns.probe.servers import NoServer, Target
from minidns.second_dns import session
from minidns.text.arguments import CHOOSE_CLUSTER, Parser
from minidns.text.files import describe
from minidns.upstream.upstream import joined

_MAX_RATE = 100_000
UNANSWERED = 4
"""Exit status: a file or the cluster cannot be read, or a server does not answer."""


class Unusable(Exception):
    """There are no questions to ask; ``str()`` says why and what to do."""


def add_options(parser: Parser) -> None:
    """Add the servers and the options; `read` and `form` understand them."""
    parser.add_argument(
        "servers", nargs="+", metavar="SERVER", help="server to look names up at"
    )
    add_source(parser)
    parser.add_argument(
        "-t",
        "--type",
        action="append",
        type=_record_type,
        metavar="TYPE",
        help="record type of names without one; may be repeated (default: A and AAAA)",
    )
    parser.add_argument("--tcp", action="store_true", help="query over TCP")
    parser.add_argument(
        "--edns",
        type=_edns_size,
        default=1232,
        metavar="SIZE",
        help="UDP size in the OPT record; 0 sends none",
    )
    parser.add_argument(
        "--timeout",
        type=session.seconds,
        default="5s",
        metavar="DURATION",
        help="time to wait for a reply",
    )
    parser.add_argument(
        "--zone",
        default="cluster.local",
        help="the domain of the cluster",
    )
    parser.add_argument(
        "-n",
        "--namespace",
        default="kube-system",
        help="namespace of svc/ and pods/",
    )
    session.add_options(parser)


def add_source(parser: Parser) -> None:
    """Add the options that select the names to look up; see `check_source`."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--names", metavar="FILE", help="file with NAME or NAME TYPE lines; - for stdin"
    )
    source.add_argument(
        "--from-services",
        metavar="NAMESPACE",
        nargs="?",
        const="",
        help="names of the Services of a namespace (default: of all)",
    )
    source.add_argument(
        "--from-log", metavar="FILE", help="names in a log of CoreDNS; - for stdin"
    )
    source.add_argument("--name", action="append", help="a name; may be repeated")


def check_source(parser: Parser, args: argparse.Namespace) -> None:
    """Exit with status 2 if no option selects names, or a name is none."""
    given = (args.names, args.from_services, args.from_log, args.name)
    if all(value is None for value in given):
        parser.error(
            "names to look up are needed: --name NAME, --names FILE, --from-services"
            " or --from-log FILE"
        )
    try:
        list(questions.from_list(args.name or (), ("A",), "--name"))
    except WrongLine as error:
        parser.error(str(error))


def check_servers(parser: Parser, words: Sequence[str], hint: str = "") -> None:
    """Exit with status 2 if a word names no server; ``hint`` says what it may be."""
    for word in words:
        try:
            servers.check(word)
        except NoServer as error:
            parser.error(f"{error}{hint}")


def parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Return the values of the arguments; exit with status 2 if they are wrong."""
    args = parser.parse(argv)
    check_servers(parser, args.servers, "; a name to look up follows --name")
    check_source(parser, args)
    return args


def _record_type(text: str) -> str:
    try:
        type_number(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: not a record type") from None
    return text.upper()


def _edns_size(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text[:6]) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text}: a size in bytes is needed (0 to 65535)")


def rate(text: str) -> float:
    """Return a number of queries a second.

    Raises:
        argparse.ArgumentTypeError: it is no number, or not above 0.

    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= _MAX_RATE:
        raise argparse.ArgumentTypeError(f"{text}: a number above 0 is needed")
    return number


def form(args: argparse.Namespace) -> Form:
    """Return the form of the queries."""
    transport = "tcp" if args.tcp else "udp"
    return Form(transport, edns_size=args.edns, timeout_s=args.timeout)


async def read(args: argparse.Namespace) -> tuple[list[Target], Sequence[Question]]:
    """Return the servers, without duplicates, and the questions.

    Raises:
        NoServer: a server is none.
        Unusable: there are no questions, or their file cannot be read.
        WrongLine: a line of the file is not a question.
        ApiError, ConfigError: the cluster cannot be asked.

    """
    async with AsyncExitStack() as stack:
        api = None
        named = any(map(servers.needs_cluster, args.servers))
        if named or args.from_services is not None:
            api = await stack.enter_async_context(session.documents(args))
        return await targets(args, api), await questions_of(args, api)


async def targets(args: argparse.Namespace, api: Documents | None) -> list[Target]:
    """Return the servers, without duplicates.

    ``api`` is only needed if one of them is a Service or the pods behind one.

    Raises:
        NoServer: a server is none.
        ApiError: the cluster cannot be asked.

    """
    found: dict[tuple[str, int], Target] = {}
    for text in args.servers:
        if api is not None and servers.needs_cluster(text):
            some = await servers.from_cluster(api, text, args.namespace)
        else:
            some = [servers.from_address(text)]
        for target in some:
            found.setdefault(target.address, target)
    return list(found.values())


async def questions_of(
    args: argparse.Namespace, api: Documents | None
) -> Sequence[Question]:
    """Return the questions; ``api`` is only needed for those of Services.

    Raises:
        Unusable: there are no questions, or their file cannot be read.
        WrongLine: a line of the file is not a question.
        ApiError: the Services cannot be listed.

    """
    types = args.type or ("A", "AAAA")
    if args.from_services is not None:
        assert api is not None
        zone = names.absolute(args.zone)
        asked = await questions.from_services(api, args.from_services, zone)
    elif args.from_log:
        asked = list(questions.from_log(lines(args.from_log)))
    elif args.names:
        asked = list(questions.from_list(lines(args.names), types, args.names))
    else:
        asked = list(questions.from_list(args.name, types, "--name"))
    if not asked:
        raise Unusable("there is no question to ask: the source has no names")
    return asked


def lines(path: str) -> Sequence[str]:
    """Return the lines of a file; ``-`` stands for standard input.

    Raises:
        Unusable: it cannot be read.

    """
    if path == "-":
        return sys.stdin.buffer.read().decode(errors="replace").splitlines()
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError as error:
        raise Unusable(describe(error)) from error


def label(target: Target) -> str:
    """Return a server for people: its label, and the address beside it."""
    place = joined(*target.address)
    is_address = target.label in (target.address[0], place)
    return place if is_address else f"{target.label} ({place})"


def run(name: str, command: Callable[[], Coroutine[None, None, int]]) -> int:
    """Run the command called ``name``; return its exit status."""
    try:
        return asyncio.run(command())
    except (ConfigError, Unreachable) as error:
        problem = f"{error}; {CHOOSE_CLUSTER}"
    except (Unusable, NoServer, WrongLine, ApiError) as error:
        problem = str(error)
    print(f"minidns {name}: {problem}", file=sys.stderr)
    return UNANSWERED
