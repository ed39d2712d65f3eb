"""``minidns clone``: a second DNS after the pattern of the one that runs."""

import argparse
import asyncio
from collections.abc import Iterable, Mapping, Sequence

from minidns.kubernetes.documents import Json, Refused
from minidns.kubernetes.resources import ApiError
from minidns.second_dns import (
    addresses,
    collisions,
    kinds,
    manifests,
    needs,
    notes,
    refusal,
    removal,
    rollout,
    running,
    session,
    show,
)
from minidns.second_dns.manifests import Wishes
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.running import Server
from minidns.second_dns.session import Session
from minidns.text.terminal import escaping

NAME = "kube-dns-2"
FEW = 2
"""Replicas where the first has no number of its own."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns clone",
        description="Print the manifests of a second cluster DNS that fits this "
        "cluster, made after the one that runs; or apply them, or take them away.",
    )
    made.add_argument("--name", default=NAME, help=f"of all its objects ({NAME})")
    made.add_argument(
        "-n",
        "--namespace",
        default=running.NAMESPACE,
        help=f"of kube-dns ({running.NAMESPACE})",
    )
    made.add_argument(
        "--from",
        dest="service",
        metavar="SERVICE",
        default="",
        help="Service of the DNS that runs, if it is not to be guessed",
    )
    made.add_argument("--cluster-ip", metavar="IP", help="its address (a free one)")
    made.add_argument(
        "--image", metavar="REF", default=manifests.IMAGE, help=manifests.IMAGE
    )
    made.add_argument("--replicas", type=_count, metavar="N", help="as kube-dns has")
    made.add_argument(
        "-o",
        dest="output",
        choices=("yaml", "json"),
        default="yaml",
        help="form (yaml)",
    )
    what = made.add_mutually_exclusive_group()
    what.add_argument(
        "--dry-run", choices=("server",), help="have the API server check it, no more"
    )
    what.add_argument("--apply", action="store_true", help="show it, ask, create it")
    what.add_argument("--delete", action="store_true", help="take it away again")
    made.add_argument(
        "--timeout",
        type=session.seconds,
        default=120.0,
        metavar="DURATION",
        help="how long --apply waits for the pods to be ready (2m; 0 not at all)",
    )
    session.add_yes(made)
    session.add_options(made)
    return made


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    return session.run(parser(), argv, clone)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of pods")
    return int(text)


async def clone(args: argparse.Namespace, session: Session) -> int:
    """Do what the arguments say; return the exit status."""
    if args.delete:
        return await removal.remove(session, args.namespace, args.name)
    made, remarks = await _made(args, session)
    for line in remarks:
        session.tell(f"note: {line}")
    shown = show.json_of(made) if args.output == "json" else show.yaml_of(made)
    session.out(shown.rstrip("\n"))
    if args.dry_run:
        return await _tried(session, made)
    if args.apply:
        return await _applied(args, session, made)
    return 0


async def _made(
    args: argparse.Namespace, session: Session
) -> tuple[list[Json], list[str]]:
    """Return the objects, and what there is to say about them."""
    service = await running.service(session.api, args.namespace, args.service)
    collisions.check_labels(args.name, service)
    server = await running.server(session.api, service)
    needed = needs.of_server(server)
    await collisions.check(session.api, server, args.name)
    address, remarks = await _address(args, session, service)
    replicas = args.replicas
    if replicas is None:
        replicas = _replicas(server)
    wishes = Wishes(args.name, address, args.image, replicas)
    remarks += notes.of(server, needed)
    remarks += await _policy_notes(session, server, args.name)
    return manifests.objects(server, needed, wishes), remarks


def _replicas(server: Server) -> int:
    """Return as many as the first has: with fewer, some faults stay hidden."""
    is_everywhere = server.workload["kind"] == kinds.DAEMON_SET.name
    return FEW if is_everywhere else running.replicas(server.workload)


async def _address(
    args: argparse.Namespace, session: Session, service: Json
) -> tuple[str, list[str]]:
    """Return a ClusterIP for the second DNS, and what is not certain about it."""
    used, remarks = await _taken(session, args.namespace)
    first = service["spec"]["clusterIP"]
    known = await addresses.ranges(session.api, args.namespace, first)
    if not known:
        remarks.append("the Service range is not known: --dry-run=server tells more")
    if args.cluster_ip:
        return addresses.check(args.cluster_ip, used, known), remarks
    return addresses.free(first, used, known), remarks


async def _taken(
    session: Session, namespace: str
) -> tuple[Mapping[str, str], list[str]]:
    try:
        everywhere = await session.api.listed(kinds.SERVICE.path(), lambda obj: obj)
    except Refused as refused:
        if refused.status != 403:
            raise
        path = kinds.SERVICE.path(namespace)
        said = "Services of other namespaces cannot be listed: one may have the address"
        return addresses.taken(await session.api.listed(path, lambda o: o)), [said]
    return addresses.taken(everywhere), []


async def _policy_notes(session: Session, server: Server, name: str) -> list[str]:
    namespace = server.service["metadata"]["namespace"]
    try:
        path = kinds.POLICY.path(namespace)
        policies = await session.api.listed(path, lambda obj: obj)
    except Refused:
        return ["NetworkPolicies cannot be listed: one may be about kube-dns's pods"]
    return list(notes.of_policies(policies, server, name))


async def _tried(session: Session, made: Iterable[Json]) -> int:
    """Send the objects as a dry run; return 1 if the server would refuse any."""
    status = 0
    for obj in made:
        ref = kinds.ref_of(obj)
        try:
            path = ref.kind.path(ref.namespace)
            await session.api.create(path, obj, dry_run=True)
            session.tell(f"{ref}: would be created (dry run by the server)")
        except Refused as refused:
            session.tell(f"{ref}: would be refused: {refusal.of(refused)}")
            status = 1
    for warning in session.api.warnings:
        session.tell(f"warning by the server: {warning}")
    return status


async def _applied(args: argparse.Namespace, session: Session, made: list[Json]) -> int:
    """Create the objects, once the server would and the person wants it."""
    if await _tried(session, made):
        raise Refusal("nothing was created")
    if not await session.ask(f"Create these {len(made)} objects?"):
        raise Refusal("nothing was created, as you wish")
    created: list[Json] = []
    try:
        for obj in made:
            ref = kinds.ref_of(obj)
            created.append(await session.api.create(ref.kind.path(ref.namespace), obj))
            session.tell(f"{ref}: created")
    except (ApiError, asyncio.CancelledError):
        await removal.taken_back(session, created)
        raise
    deployment = next(o for o in created if o["kind"] == kinds.DEPLOYMENT.name)
    await rollout.finished(session, kinds.ref_of(deployment), args.timeout)
    address = made[0]["spec"]["clusterIP"]
    session.tell(f"{args.name} is at {address}; nobody asks it yet (minidns enrol)")
    return 0
