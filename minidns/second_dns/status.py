"""``minidns status``: which DNS services there are, who asks them, what is enrolled."""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from minidns.second_dns import session, show, survey
from minidns.second_dns.session import Session
from minidns.second_dns.survey import UNKNOWN, Dns, Enrolment, Found
from minidns.text.terminal import escaping


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns status",
        description="Show which cluster DNS there is, who asks it, what is enrolled.",
    )
    made.add_argument("-n", "--namespace", help="of the pods to look at (all)")
    made.add_argument(
        "-o", dest="output", choices=("table", "json"), default="table", help="table"
    )
    made.add_argument(
        "--diff", action="store_true", help="show how Corefiles differ, line by line"
    )
    session.add_options(made)
    return made


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    return session.run(parser(), argv, status)


async def status(args: argparse.Namespace, session: Session) -> int:
    """Do what the arguments say; return the exit status."""
    found = await survey.look(session, args.namespace or "")
    if args.output == "json":
        session.out(json.dumps(asdict(found), indent=2))
        return 0
    for line in lines(found, diff=args.diff):
        session.out(line)
    return 0


def lines(found: Found, *, diff: bool = False) -> Iterator[str]:
    """Yield it as people read it."""
    yield from show.table([_DNS, *(_dns_row(each, found) for each in found.dns)])
    yield ""
    yield from _enrolled(found.enrolments)
    yield from found.unreadable
    yield ""
    rows = [
        (each.namespace, each.maker, str(each.pods), ", ".join(each.asks), each.by)
        for each in found.users
    ]
    yield from show.table([_USERS, *rows])
    for dns in found.dns if diff else ():
        yield from ("", *dns.differs) if dns.differs else ()


_DNS = ("DNS", "CLUSTER-IP", "READY", "ASKED BY", "MADE BY", "COREFILE", "IMAGES")
_USERS = ("NAMESPACE", "PODS OF", "PODS", "ASK", "BY")


def _dns_row(dns: Dns, found: Found) -> tuple[str, ...]:
    asking = sum(each.pods for each in found.users if dns.service in each.asks)
    corefile = dns.corefile
    if dns.differs:
        changed = sum(line[:1] in "+-" for line in dns.differs[2:])
        corefile += f" (differs in {changed} lines: --diff)"
    return (
        dns.service,
        dns.address,
        f"{dns.ready}/{dns.wanted or UNKNOWN}",
        f"{asking} pods",
        dns.workload,
        corefile,
        ", ".join(dns.images),
    )


def _enrolled(enrolments: Iterable[Enrolment]) -> Iterator[str]:
    rows = [
        (
            each.workload,
            each.service,
            each.twin or "all its pods",
            f"{each.until or 'unenrol'}{' (OVER)' if each.is_over else ''}",
        )
        for each in enrolments
    ]
    if not rows:
        yield "nothing is enrolled"
        return
    yield from show.table([("ENROLLED", "AT", "AS", "UNTIL"), *rows])
    if any(each.is_over for each in enrolments):
        yield "what is over is put back by: minidns unenrol --expired"
