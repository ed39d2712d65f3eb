"""``minidns unenrol``: everything back as it was before `minidns enrol`."""

import argparse
from collections.abc import Sequence

from minidns.kubernetes.documents import Refused
from minidns.kubernetes.resources import ApiError
from minidns.second_dns import changes, kinds, record, refusal, session, show, steps
from minidns.second_dns.kinds import Ref
from minidns.second_dns.record import Record
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.session import Session
from minidns.text.terminal import escaping


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns unenrol",
        description="Put back what minidns enrol changed, whatever became of it.",
    )
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("what", nargs="?", metavar="KIND/NAME", help="such as deploy/web")
    what.add_argument("--all", action="store_true", help="whatever is enrolled")
    what.add_argument(
        "--expired", action="store_true", help="what should have ended by now"
    )
    made.add_argument(
        "-n", "--namespace", help="its namespace (default; with --all, --expired: all)"
    )
    made.add_argument(
        "--timeout",
        type=session.seconds,
        default=300.0,
        metavar="DURATION",
        help="how long pods may take to be ready before a twin goes (5m)",
    )
    session.add_yes(made)
    session.add_options(made)
    return made


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    return session.run(parser(), argv, unenrol)


async def unenrol(args: argparse.Namespace, session: Session) -> int:
    """Do what the arguments say; return the exit status."""
    found, wrong = await _meant(args, session)
    for line in wrong:
        session.tell(line)
    if not found:
        session.tell("nothing is enrolled" + (" past its time" * args.expired))
        return 1 if wrong else 0
    for ref, made in found:
        for line in await _shown(session, ref, made):
            session.out(line)
    if not await session.ask(f"Put back {', '.join(str(ref) for ref, _ in found)}?"):
        raise Refusal("nothing was changed, as you wish")
    status = await _put_back(session, [ref for ref, _ in found], args.timeout)
    return 1 if wrong else status


async def _meant(
    args: argparse.Namespace, session: Session
) -> tuple[list[tuple[Ref, Record]], list[str]]:
    """Return the enrolments meant, and what is wrong with others."""
    if args.what:
        ref = kinds.read(args.what, args.namespace or "default")
        return await steps.enrolment_of(session, ref), []
    found, wrong = await steps.enrolments(session, args.namespace or "")
    if args.expired:
        now = session.wall()
        found = [(ref, made) for ref, made in found if made.is_over(now)]
    return found, wrong


async def _put_back(session: Session, refs: Sequence[Ref], timeout_s: float) -> int:
    """Undo the enrolments; one that cannot be does not keep the others from it."""
    status = 0
    for ref in refs:
        try:
            await steps.restored(session, ref, timeout_s)
            session.tell(f"{ref}: as it was before")
        except Refused as refused:
            session.tell(f"{ref}: {refusal.of(refused)}")
            status = 1
        except (Refusal, ApiError) as problem:
            session.tell(f"{ref}: {problem}")
            status = 1
    return status


async def _shown(session: Session, ref: Ref, made: Record) -> list[str]:
    """Return what is to be undone, line by line."""
    lines = [f"# {made.twin}, to be deleted: twin of {ref}"] if made.twin else []
    obj = await session.api.find(ref.path)
    if obj is None or record.of(obj) is None:
        return lines
    before, kept = changes.undone(obj, made.changes)
    lines += [f"# {ref}, to be changed:"]
    lines += show.difference(obj, record.recorded(before, None))
    return lines + [f"# {steps.left(ref, each, obj)}" for each in kept]
