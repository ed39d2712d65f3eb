"""``minidns status``: the DNS services, the pods that query them, and enrolments."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from minidns.kubernetes.documents import Json
from minidns.second_dns import objects, session
from minidns.second_dns.session import Session
from minidns.second_dns.survey import UNKNOWN, Dns, Enrolment, Survey, Users, survey
from minidns.text import terminal
from minidns.text.arguments import Parser, document
from minidns.text.terminal import escaping

_EXAMPLES = {
    "minidns status": "the DNS services, and the pods that query them",
    "minidns status -n shop -o json": "the pods of one namespace, as JSON",
    "minidns status -o wide --watch": "with images and endpoints, at each change",
    "minidns status --diff": "also how the Corefiles differ",
}
WATCH_EVERY_S = 2.0
"""Seconds between two looks at the cluster with ``--watch``."""
COLORS = {
    "^(DNS|ENROLLED|NAMESPACE) .*": terminal.BOLD,
    r"\b([1-9]\d*)/\1\b": terminal.GREEN,
    r"\b0/[1-9]\d*\b": terminal.RED,
    r"\(EXPIRED\)": terminal.RED,
    r"^intercepted:": terminal.YELLOW,
    r"^\+.*": terminal.GREEN,
    r"^-.*": terminal.RED,
}
"""Colours of headings, of ready pods and DNS services, and of what needs attention."""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns status",
        "Show the DNS services of a cluster, the pods that query them, the enrolments, "
        "and programs that intercept queries.",
        _EXAMPLES,
    )
    parser.add_argument(
        *("-n", "--namespace"),
        default="",
        help="show the pods and enrolments of this namespace only (default: all)",
    )
    parser.add_output("table", "wide", "json", "yaml")
    parser.add_argument(
        *("-w", "--watch"),
        action="store_true",
        help="show the state again whenever it changes, until Ctrl-C",
    )
    parser.add_argument(
        "--diff", action="store_true", help="show how Corefiles differ, line by line"
    )
    session.add_options(parser)
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    return session.run(arguments.prog, arguments.parse(argv), status, COLORS)


def _json(state: Survey) -> Json:
    named = [interceptor._asdict() for interceptor in state.interceptors]
    users = [users._asdict() for users in state.users]
    return {**asdict(state), "users": users, "interceptors": named}


async def status(args: argparse.Namespace, session: Session) -> int:
    """Run the command with parsed arguments; return the exit status."""
    shown: list[str] = []
    while True:
        state = await survey(session, args.namespace)
        if (now := _shown(state, args)) != shown:
            if shown and args.output in ("table", "yaml"):
                session.out("---" if args.output == "yaml" else "")
            for line in now:
                session.out(line)
            shown = now
        if not args.watch:
            return 0
        await session.sleep(WATCH_EVERY_S)


def _shown(state: Survey, args: argparse.Namespace) -> list[str]:
    if args.output in ("json", "yaml"):
        return document(_json(state), args.output).splitlines()
    return list(lines(state, wide=args.output == "wide", diff=args.diff))


def lines(state: Survey, *, wide: bool = False, diff: bool = False) -> Iterator[str]:
    """Yield the lines of the table form."""
    columns = len(_DNS) if wide else len(_DNS) - _ONLY_WIDE
    rows = [_DNS, *map(_dns_row, state.dns)]
    yield from objects.table([row[:columns] for row in rows])
    yield ""
    yield from _enrolled(state.enrolments)
    yield from state.unreadable
    yield ""
    yield from objects.table([_USERS, *map(_user_row, state.users)])
    if state.interceptors:
        yield ""
    for interceptor in state.interceptors:
        yield f"intercepted: {interceptor}"
    for dns in state.dns if diff else ():
        yield from ("", *dns.differs) if dns.differs else ()


_DNS = (
    *("DNS", "CLUSTER-IP", "READY", "CLIENTS", "WORKLOAD", "COREFILE"),
    *("IMAGES", "ENDPOINTS"),
)
_ONLY_WIDE = 2
"""Number of the columns at the end that only the wide form has."""
_USERS = ("NAMESPACE", "WORKLOAD", "PODS", "DNS", "POLICY")


def _dns_row(dns: Dns) -> tuple[str, ...]:
    corefile = dns.corefile
    if dns.differs:
        changed = sum(line[:1] in "+-" for line in dns.differs[2:])
        corefile += f" (differs in {changed} lines: --diff)"
    return (
        dns.service,
        dns.address,
        f"{dns.ready}/{dns.wanted or UNKNOWN}",
        str(dns.clients),
        dns.workload,
        corefile,
        ", ".join(dns.images),
        ", ".join(dns.endpoints),
    )


def _user_row(users: Users) -> tuple[str, ...]:
    dns = ", ".join(users.dns)
    return (users.namespace, users.workload, str(users.pods), dns, users.policy)


def _enrolled(enrolments: Iterable[Enrolment]) -> Iterator[str]:
    rows = [
        (
            enrolment.workload,
            enrolment.service,
            enrolment.pods,
            (enrolment.until or "unenrol") + " (EXPIRED)" * enrolment.is_over,
        )
        for enrolment in enrolments
    ]
    if not rows:
        yield "nothing is enrolled"
        return
    yield from objects.table([("ENROLLED", "DNS", "PODS", "UNTIL"), *rows])
    if any(enrolment.is_over for enrolment in enrolments):
        yield "to undo what has expired: minidns unenrol --expired"
