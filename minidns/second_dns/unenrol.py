"""``minidns unenrol``: undo what `minidns enrol` changed."""

import argparse
from collections.abc import Iterable, Sequence

from minidns.kubernetes.documents import Refused
from minidns.kubernetes.resources import ApiError
from minidns.second_dns import objects, session
from minidns.second_dns.objects import check_ref, parse_ref, revert_changes
from minidns.second_dns.record import Record, find_record, list_records
from minidns.second_dns.session import Refusal, Session, check_namespace, explain
from minidns.second_dns.undo import left_as_is, undo, wait_for_rollout
from minidns.text.arguments import Parser
from minidns.text.terminal import escaping

_EXAMPLES = {
    "minidns unenrol deploy/web -n shop": "undo one enrolment",
    "minidns unenrol --all --yes": "undo every enrolment, in all namespaces",
    "minidns unenrol --expired --yes": "undo what is past its deadline, as a cron job",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser("minidns unenrol", "Undo what minidns enrol changed.", _EXAMPLES)
    parser.add_argument(
        "what",
        nargs="*",
        metavar="KIND/NAME",
        help="a workload, such as deploy/web, or deploy web",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every enrolment")
    which.add_argument(
        "--expired", action="store_true", help="every enrolment past its deadline"
    )
    parser.add_argument(
        *("-n", "--namespace"),
        help="namespace (default: default; with --all and --expired: all namespaces)",
    )
    parser.add_argument(
        "--timeout",
        type=session.seconds,
        default="5m",
        metavar="DURATION",
        help="how long to wait until the pods are replaced and ready; 0: do not wait",
    )
    session.add_yes(parser)
    session.add_options(parser)
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    if bool(args.what) == (args.all or args.expired):
        arguments.error("one of the arguments KIND/NAME --all --expired is required")
    if args.what:
        check_ref(arguments, args.what)
    return session.run(arguments.prog, args, unenrol)


async def unenrol(args: argparse.Namespace, session: Session) -> int:
    """Run the command with parsed arguments; return the exit status."""
    records, problems = await _select(args, session)
    for line in problems:
        session.tell(line)
    if not records:
        session.tell("nothing is enrolled" + (" past its time" * args.expired))
        return 1 if problems else 0
    for record in records:
        for line in await _preview(session, record):
            session.out(line)
    names = ", ".join(str(record.workload) for record in records)
    if not await session.ask(f"Undo the enrolment of {names}?"):
        raise Refusal("nothing was changed: you did not confirm")
    is_done = await _undo_all(session, records, args.timeout)
    return 0 if is_done and not problems else 1


async def _select(
    args: argparse.Namespace, session: Session
) -> tuple[list[Record], list[str]]:
    """Return the enrolments to undo, and what is wrong with other records."""
    await check_namespace(session, args.namespace or "")
    if args.what:
        ref = parse_ref("/".join(args.what), args.namespace or "default")
        record = await find_record(session, ref)
        return [record] if record else [], []
    records, problems = await list_records(session, args.namespace or "")
    if args.expired:
        records = [record for record in records if record.is_over(session.wall())]
    return records, problems


async def _undo_all(
    session: Session, records: Iterable[Record], timeout_s: float
) -> bool:
    """Undo the enrolments; return whether all could be undone.

    All are undone before the rollouts are waited for, one after another.
    """
    undone, is_done = [], True
    for record in records:
        try:
            await undo(session, record, timeout_s)
            undone.append(record)
        except (Refusal, ApiError) as error:
            problem = explain(error) if isinstance(error, Refused) else error
            session.tell(f"{record.workload}: {problem}")
            is_done = False
    for record in undone:
        try:
            await wait_for_rollout(session, record.workload, timeout_s)
            session.tell(f"{record.workload}: as it was before")
        except (Refusal, ApiError) as error:
            session.tell(f"{record.workload}: undone, but {error}")
            is_done = False
    return is_done


async def _preview(session: Session, record: Record) -> list[str]:
    """Return what will be undone, line by line."""
    ref = record.workload
    lines = [f"# {record.twin}, to be deleted: twin of {ref}"] if record.twin else []
    obj = await session.api.find(ref.path) if record.changes else None
    if obj is None:
        return lines
    before, overwritten = revert_changes(obj, record.changes)
    lines += [f"# {ref}, to be changed:", *objects.difference(obj, before)]
    return lines + [f"# {left_as_is(ref, change, obj)}" for change in overwritten]
