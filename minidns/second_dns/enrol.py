"""``minidns enrol``: chosen pods ask the second DNS, for a while or until told."""

import argparse
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence

from minidns.corefile.values import format_duration
from minidns.kubernetes.documents import Json, Refused
from minidns.second_dns import (
    dnsconfig,
    enrolment,
    kinds,
    proposal,
    record,
    session,
    show,
    steps,
    target,
)
from minidns.second_dns.changes import value_at
from minidns.second_dns.clone import NAME
from minidns.second_dns.enrolment import Plan, Share, Target
from minidns.second_dns.kinds import AUTOSCALER, POD, Ref, ref_of
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.session import Session
from minidns.text.terminal import escaping

LOOK_S = 5.0
"""Seconds between looks at an enrolment that is waited for, and at its DNS."""
ALONE = 2
"""Looks in a row at which no pod of the DNS is ready until pods are let go early."""
_COUNT = re.compile(r"(\d+)(?:\s*(?:of|/)\s*(\d+))?")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns enrol",
        description="Point chosen pods at a second cluster DNS; minidns unenrol puts "
        "everything back.",
    )
    made.add_argument(
        "what", metavar="KIND/NAME", help="deploy/, statefulset/, daemonset/ or pod/"
    )
    made.add_argument("-n", "--namespace", default="default", help="its namespace")
    share = made.add_mutually_exclusive_group(required=True)
    share.add_argument("--all", action="store_true", help="all its pods, in place")
    share.add_argument(
        "--replicas",
        nargs="+",
        metavar="N [of M]",
        help="N pods more beside those of a Deployment; N of M: some of those it has",
    )
    made.add_argument(
        "--for",
        dest="duration",
        type=session.seconds,
        metavar="DURATION",
        help="put it back after this time (30m), or at Ctrl-C; waits until then",
    )
    made.add_argument(
        "--dns", metavar="NAME|IP", default=NAME, help=f"Service to ask ({NAME})"
    )
    made.add_argument("--domain", help="the cluster's (what its Corefile serves)")
    made.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="DOMAIN",
        help="search domain of the nodes' own resolv.conf; may be repeated",
    )
    made.add_argument(
        "--timeout",
        type=session.seconds,
        default=300.0,
        metavar="DURATION",
        help="put it back if the pods are not ready by then (5m; 0: do not wait)",
    )
    session.add_yes(made)
    session.add_options(made)
    return made


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    return session.run(parser(), argv, enrol)


def share_of(words: Sequence[str] | None) -> Share:
    """Return how many pods are meant by ``N``, ``N of M``, ``N/M`` or nothing.

    Raises:
        Refusal: it is none of these.

    """
    if words is None:
        return Share()
    text = " ".join(words)
    found = _COUNT.fullmatch(text)
    if found is None or not int(found[1]):
        raise Refusal(f"--replicas {text}: N or N of M is needed, such as 2 of 6")
    return Share(int(found[1]), int(found[2] or 0))


async def enrol(args: argparse.Namespace, session: Session) -> int:
    """Do what the arguments say; return the exit status."""
    ref = kinds.read(args.what, args.namespace)
    share = share_of(args.replicas)
    searches = tuple(args.search)
    wanted, server, remarks = await target.found(
        session, args.dns, args.domain, searches
    )
    if ref.kind is POD:
        raise await _pod_refusal(session, ref, wanted)
    for first, made in await steps.enrolment_of(session, ref):
        raise enrolment.enrolled_already(first, made)
    obj = await session.api.get(ref.path)
    until = record.timestamp(session.wall() + args.duration) if args.duration else ""
    id_ = secrets.token_hex(4)
    plan = enrolment.planned(obj, wanted, share, id_=id_, until=until)
    await _check_autoscaler(session, plan)
    if server is not None:
        remarks += await target.blocking(session, obj, server)
    remarks += proposal.remarks(obj, plan)
    await steps.tried(session, plan)
    for line in proposal.shown(obj, plan):
        session.out(line)
    for line in remarks:
        session.tell(f"note: {line}")
    if not await session.ask(proposal.question(obj, plan)):
        raise Refusal("nothing was changed, as you wish")
    is_timed = bool(args.duration)
    async with _taken_back(session, plan, args.timeout, is_timed=is_timed):
        await steps.enrolled(session, plan, args.timeout)
        session.tell(_done(plan))
        if is_timed:
            session.tell(f"for {format_duration(args.duration)}; Ctrl-C ends it now")
            return await _held(session, plan)
    return 0


@contextlib.asynccontextmanager
async def _taken_back(
    session: Session, plan: Plan, timeout_s: float, *, is_timed: bool
) -> AsyncIterator[None]:
    """Undo what was written if the block fails or is left early; timed, in any case."""
    try:
        yield
    except BaseException:
        await _restored(session, plan, timeout_s)
        raise
    if is_timed:
        await _restored(session, plan, timeout_s)


async def _restored(session: Session, plan: Plan, timeout_s: float) -> None:
    # of somebody else's enrolment, made in between, nothing is undone
    only = plan.record.id
    if await steps.restored(session, plan.ref, timeout_s, only=only):
        session.tell(f"{plan.ref}: as it was before")


async def _held(session: Session, plan: Plan) -> int:
    """Wait for the end of an enrolment; 1 if its DNS went before."""
    alone = 0
    wanted = await target.service(session.api, plan.record.service)
    ends = record.seconds(plan.record.until)
    while (left_s := ends - session.wall()) > 0:
        await session.sleep(min(LOOK_S, left_s))
        if not await steps.is_there(session, plan):
            session.tell(f"{plan.ref}: somebody has ended it")
            return 0
        addresses = await target.ready(session.api, wanted)
        alone = 0 if addresses else alone + 1
        if alone >= ALONE:
            session.tell(f"nobody answers at {plan.record.dns} any more")
            return 1
    return 0


def _done(plan: Plan) -> str:
    word = f"{plan.ref.word} -n {plan.ref.namespace}"
    return f"{plan.ref}: enrolled at {plan.record.service}; minidns unenrol {word}"


async def _check_autoscaler(session: Session, plan: Plan) -> None:
    """Let a plan pass in whose number of replicas nobody else has a say.

    Raises:
        Refusal: an autoscaler has.

    """
    if plan.twin is None or plan.is_beside:
        return
    try:
        path = AUTOSCALER.path(plan.ref.namespace)
        scalers = await session.api.listed(path, lambda obj: obj)
    except Refused as refused:
        if refused.status == 404:  # such a server has none
            return
        raise
    for each in scalers:
        aim = each["spec"].get("scaleTargetRef") or {}
        if (aim.get("kind"), aim.get("name")) == (plan.ref.kind.name, plan.ref.name):
            count = value_at(plan.twin or {}, enrolment.REPLICAS)
            raise Refusal(
                f"{plan.ref}: {ref_of(each)} decides how many replicas it has; say "
                f"--replicas {count}, for that many beside them"
            )


async def _pod_refusal(session: Session, ref: Ref, wanted: Target) -> Refusal:
    """Return why a pod cannot be enrolled, after having said what can."""
    pod = await session.api.get(ref.path)
    enrolment.check_pods(str(ref), pod["spec"], wanted)
    why = f"{ref}: what a pod asks is fixed when it is created"
    for owner in pod["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            maker = await _maker(session, ref, owner)
            return Refusal(f"{why}; enrol what makes it: {maker}")
    config = dnsconfig.pointed_at(
        pod["spec"], ref.namespace, wanted.cluster, wanted.address
    )
    session.out(show.yaml_of([{"dnsPolicy": "None", "dnsConfig": config}]).rstrip())
    return Refusal(f"{why}; a new pod is needed, with the above in its spec")


async def _maker(session: Session, ref: Ref, owner: Json) -> str:
    """Return what makes pods, as an argument: for a ReplicaSet, its Deployment."""
    if owner["kind"] == "ReplicaSet":
        # the name of a Deployment's ReplicaSet: its own, and a hash
        name = owner["name"].rpartition("-")[0]
        deployment = kinds.DEPLOYMENT.path(ref.namespace, name)
        if name and await session.api.find(deployment):
            return f"deployment/{name}"
    return f"{owner['kind'].lower()}/{owner['name']}"
