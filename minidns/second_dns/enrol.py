"""``minidns enrol``: point chosen pods at a second DNS, for a while or until undone."""

import argparse
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence

from minidns.corefile.values import format_duration
from minidns.kubernetes.documents import Json, Refused
from minidns.second_dns import objects, session
from minidns.second_dns.clone import NAME
from minidns.second_dns.objects import (
    AUTOSCALER,
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    Ref,
    apply_changes,
    check_ref,
    controller_of,
    parse_ref,
    ref_of,
    value_at,
)
from minidns.second_dns.plan import (
    Plan,
    Share,
    Target,
    already_enrolled,
    check_pods,
    plan_enrolment,
    pointed_at,
    preview,
    question,
    remarks,
)
from minidns.second_dns.record import find_record, format_time, parse_record, parse_time
from minidns.second_dns.session import Refusal, Session
from minidns.second_dns.target import describe_path, find_dns, ready_addresses
from minidns.second_dns.undo import patch_with_retry, undo, wait_for_rollout
from minidns.text.arguments import Parser
from minidns.text.terminal import escaping

CHECK_EVERY_S = 5.0
"""Seconds between two checks of an enrolment with a deadline, and of its DNS."""
CHECKS_DOWN = 2
"""Checks in a row without a ready pod of the DNS after which the enrolment ends."""
_COUNT = re.compile(r"(\d+)(?:\s*(?:of|/)\s*(\d+))?")


_EXAMPLES = {
    "minidns enrol deploy/web -n shop --replicas 1 of 3": "one of three pods, "
    "until minidns unenrol",
    "minidns enrol deploy web -n shop --replicas 1 --for 30m": "one pod more, for half "
    "an hour",
    "minidns enrol sts/db -n shop --all --dns kube-dns-2": "all pods, in a rollout",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns enrol",
        "Point chosen pods at a second cluster DNS; minidns unenrol undoes it.",
        _EXAMPLES,
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="KIND/NAME",
        help="deploy/, statefulset/, daemonset/ or pod/NAME; also KIND NAME",
    )
    parser.add_argument(*("-n", "--namespace"), default="default", help="its namespace")
    _add_share(parser)
    parser.add_argument(
        "--for",
        dest="duration",
        type=session.seconds,
        metavar="DURATION",
        help="wait, and undo it after this time, such as 30m, or at Ctrl-C",
    )
    parser.add_argument(
        "--dns", metavar="NAME|IP", default=NAME, help="Service to query"
    )
    parser.add_argument(
        "--domain", help="the cluster's domain (default: that of its Corefile)"
    )
    parser.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="DOMAIN",
        help="search domain of the nodes' own resolv.conf; may be repeated (default: "
        "those in the resolv.conf of a running pod, if pods/exec is allowed)",
    )
    parser.add_argument(
        "--timeout",
        type=session.seconds,
        default="5m",
        metavar="DURATION",
        help="undo it if the pods are not ready by then; 0: do not wait",
    )
    session.add_yes(parser)
    session.add_options(parser)
    return parser


def _add_share(parser: Parser) -> None:
    """Add the options that select the pods."""
    share = parser.add_mutually_exclusive_group(required=True)
    share.add_argument("--all", action="store_true", help="all its pods, in place")
    share.add_argument(
        "--replicas",
        nargs="+",
        metavar="N [of M]",
        help="N additional pods of a Deployment; N of M: N of those it has",
    )


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    if args.replicas:
        args.replicas, rest = split_share(args.replicas)
        args.what = [*args.what, *rest]
    if not args.what:
        arguments.error("KIND/NAME: missing")
    check_ref(arguments, args.what)
    return session.run(arguments.prog, args, enrol)


def split_share(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the words of ``--replicas``, and those that follow them.

    >>> split_share(["2", "of", "6", "deploy/web"]), split_share(["2", "deploy", "web"])
    ((['2', 'of', '6'], ['deploy/web']), (['2'], ['deploy', 'web']))
    """
    count = 3 if words[1:2] == ["of"] else 1
    return words[:count], words[count:]


def parse_share(words: Sequence[str] | None) -> Share:
    """Return how many pods ``N``, ``N of M``, ``N/M`` or None (all) means.

    Raises:
        Refusal: the words have another form.

    """
    if words is None:
        return Share()
    text = " ".join(words)
    match = _COUNT.fullmatch(text)
    if match is None or not int(match[1]):
        raise Refusal(f"--replicas {text}: N or N of M is needed, such as 2 of 6")
    return Share(int(match[1]), int(match[2] or 0))


async def enrol(args: argparse.Namespace, session: Session) -> int:
    """Run the command with parsed arguments; return the exit status."""
    ref, share = (
        parse_ref("/".join(args.what), args.namespace),
        parse_share(args.replicas),
    )
    dns = await find_dns(session, args.dns, args.domain, tuple(args.search))
    if ref.kind is POD:
        raise await _refuse_pod(session, ref, dns.target)
    if record := await find_record(session, ref):
        raise already_enrolled(record)
    obj = await session.api.get(ref.path)
    target, notes = await describe_path(session, dns, obj)
    until = format_time(session.wall() + args.duration) if args.duration else ""
    plan = plan_enrolment(obj, target, share, id_=secrets.token_hex(4), until=until)
    await _check_autoscaler(session, plan)
    await _write(session, plan, obj, dry_run=True)
    for line in preview(obj, plan):
        session.out(line)
    for note in (*notes, *remarks(obj, plan)):
        session.tell(f"note: {note}")
    if not await session.ask(question(plan)):
        raise Refusal("nothing was changed: you did not confirm")
    async with _undone_on_failure(session, plan, args.timeout):
        await _write(session, plan, obj, timeout_s=args.timeout)
        session.tell(
            f"{ref}: enrolled at {plan.record.service}; minidns unenrol {ref.word} "
            f"-n {ref.namespace}"
        )
        if args.duration:
            session.tell(f"for {format_duration(args.duration)}; Ctrl-C ends it now")
            return await _hold(session, plan)
    return 0


async def _write(
    session: Session,
    plan: Plan,
    obj: Json,
    *,
    timeout_s: float = 0.0,
    dry_run: bool = False,
) -> None:
    """Write a plan, the record first, and wait for its pods; or check it by a dry run.

    Raises:
        Refusal: the workload was enrolled or changed meanwhile.
        Stuck: the pods are not ready after ``timeout_s``; what is written stays.

    """
    record, namespace = plan.record, plan.ref.namespace
    try:
        path = CONFIG_MAP.path(namespace)
        await session.api.create(path, record.config_map(obj), dry_run=dry_run)
    except Refused as refused:
        if refused.status != 409:
            raise
        why = f"{plan.ref} was enrolled by another minidns meanwhile"
        raise Refusal(why) from refused
    if plan.twin is not None:
        path = DEPLOYMENT.path(namespace)
        twin = await session.api.create(path, plan.twin, dry_run=dry_run)
        if not dry_run:
            session.tell(f"{ref_of(twin)}: created")
            await wait_for_rollout(session, ref_of(twin), timeout_s)
    if record.changes:
        # with a twin only now: there are never fewer pods than before
        await patch_with_retry(session, plan.ref, _applying(plan), dry_run=dry_run)
    if plan.twin is None and not dry_run:
        await wait_for_rollout(session, plan.ref, timeout_s)


def _applying(plan: Plan) -> Callable[[Json], Json]:
    """Return the edit that applies a plan's changes if they still fit."""

    def edit(now: Json) -> Json:
        for change in plan.record.changes:
            if value_at(now, change.path) != change.before:
                raise Refusal(
                    f"{plan.ref} was changed meanwhile: run the command again"
                )
        return apply_changes(now, plan.record.changes)

    return edit


@contextlib.asynccontextmanager
async def _undone_on_failure(
    session: Session, plan: Plan, timeout_s: float
) -> AsyncIterator[None]:
    """Undo the enrolment if the block fails or is cancelled, or has a deadline."""
    try:
        yield
    except BaseException:
        await _undo(session, plan, timeout_s)
        raise
    if plan.record.until:
        await _undo(session, plan, timeout_s)


async def _undo(session: Session, plan: Plan, timeout_s: float) -> None:
    if await undo(session, plan.record, timeout_s):
        session.tell(f"{plan.ref}: as it was before")


async def _hold(session: Session, plan: Plan) -> int:
    """Wait for the deadline; return 1 if the DNS went away before."""
    down = 0
    deadline = parse_time(plan.record.until)
    while (left_s := deadline - session.wall()) > 0:
        await session.sleep(min(CHECK_EVERY_S, left_s))
        holder = await session.api.find(plan.record.ref.path)
        if holder is None or parse_record(holder).id != plan.record.id:
            session.tell(f"{plan.ref}: the enrolment was ended by another command")
            return 0
        addresses = await ready_addresses(session.api, plan.record.service)
        down = 0 if addresses else down + 1
        if down >= CHECKS_DOWN:
            session.tell(
                f"{plan.record.dns} has no ready pod any more: undoing the enrolment"
            )
            return 1
    return 0


async def _check_autoscaler(session: Session, plan: Plan) -> None:
    """Raise Refusal if an autoscaler controls the replicas that the plan changes."""
    if plan.twin is None or not plan.record.changes:
        return
    try:
        path = AUTOSCALER.path(plan.ref.namespace)
        scalers = await session.api.list_objects(path)
    except Refused as refused:
        if refused.status == 404:  # the server has no such kind
            return
        raise
    for scaler in scalers:
        aim = scaler["spec"].get("scaleTargetRef") or {}
        if (aim.get("kind"), aim.get("name")) == (plan.ref.kind.name, plan.ref.name):
            count = plan.twin["spec"]["replicas"]
            raise Refusal(
                f"{plan.ref}: {ref_of(scaler)} decides how many replicas it has; pass "
                f"--replicas {count} to add that many pods"
            )


async def _refuse_pod(session: Session, ref: Ref, target: Target) -> Refusal:
    """Return why a pod cannot be enrolled, after printing what can be done."""
    pod = await session.api.get(ref.path)
    check_pods(str(ref), pod["spec"], target)
    why = f"{ref}: the nameservers of a pod are fixed when it is created"
    if controller := controller_of(pod):
        kind, name = controller
        return Refusal(f"{why}; enrol its workload: {kind.lower()}/{name}")
    config = pointed_at(pod["spec"], ref.namespace, target.cluster, target.address)
    session.out(objects.yaml_of([{"dnsPolicy": "None", "dnsConfig": config}]).rstrip())
    return Refusal(f"{why}; a new pod is needed, with the above in its spec")
