"""``minidns clone``: a second DNS modelled on the one that runs."""

import argparse
import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from minidns.kubernetes.documents import Json, Refused
from minidns.kubernetes.resources import ApiError
from minidns.second_dns import (
    corefile,
    interceptors,
    manifests,
    objects,
    preflight,
    running,
    session,
)
from minidns.second_dns.manifests import Wishes
from minidns.second_dns.objects import (
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    POD,
    POLICY,
    SERVICE,
    has_ended,
    ref_of,
)
from minidns.second_dns.plan import servers_of
from minidns.second_dns.running import Server
from minidns.second_dns.session import Refusal, Session, explain
from minidns.second_dns.undo import delete, wait_for_rollout
from minidns.system import files
from minidns.text.arguments import Parser
from minidns.text.files import describe
from minidns.text.terminal import escaping

NAME = "kube-dns-2"
REPLICAS = 2
"""Replicas if the first DNS is a DaemonSet."""
SHOWN = 3
"""Pods that are named as examples."""
_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""A name of a Service (RFC 1035)."""


_EXAMPLES = {
    "minidns clone": "print the manifests",
    "minidns clone --image registry.example.org/minidns:0.1.0 --apply": "create it",
    "minidns clone --coredns 1.12.0 --name coredns-2 --apply": "another release of "
    "CoreDNS in its place",
    "minidns clone --delete": "delete it",
}


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns clone",
        "Generate manifests for a second cluster DNS modelled on the running one; "
        "--apply creates it, --delete removes it.",
        _EXAMPLES,
    )
    _add_model(parser)
    _add_choices(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--dry-run", choices=("server",), help="only have the API server check it"
    )
    what.add_argument("--apply", action="store_true", help="show it, ask, create it")
    what.add_argument("--delete", action="store_true", help="delete it")
    parser.add_argument(
        "--timeout",
        type=session.seconds,
        default="2m",
        metavar="DURATION",
        help="how long --apply waits for the pods to be ready; 0: do not wait",
    )
    session.add_yes(parser)
    session.add_options(parser)
    return parser


def _add_model(parser: Parser) -> None:
    """Add the options that select the running DNS."""
    parser.add_argument(
        *("-n", "--namespace"),
        type=_name,
        default=running.NAMESPACE,
        help="namespace of kube-dns",
    )
    parser.add_argument(
        "--from",
        dest="service",
        type=_name,
        metavar="SERVICE",
        help="Service of the running DNS, if it cannot be found by its name",
    )


def _add_choices(parser: Parser) -> None:
    """Add the options by which the clone differs from the running DNS."""
    parser.add_argument(
        "--name", type=_name, default=NAME, help="name of all its objects"
    )
    parser.add_argument(
        "--cluster-ip",
        type=_address,
        metavar="IP",
        help="its address (default: kube-dns's plus 10, or one that the API server "
        "assigns)",
    )
    program = parser.add_mutually_exclusive_group()
    program.add_argument(
        "--image",
        type=_not_empty,
        metavar="REF",
        default=manifests.IMAGE,
        help="image of its containers",
    )
    program.add_argument(
        "--coredns",
        type=_not_empty,
        metavar="VERSION",
        help="run this release of CoreDNS, with the running DNS's own pod template",
    )
    parser.add_argument(
        "--corefile",
        type=Path,
        metavar="FILE",
        help="serve this Corefile, in a ConfigMap of its own (default: that of "
        "kube-dns)",
    )
    parser.add_argument(
        "--shadow",
        action="store_true",
        help="let it ask the running DNS what clients ask it, and keep what differs",
    )
    parser.add_argument(
        "--replicas", type=_count, metavar="N", help="(default: as kube-dns has)"
    )
    parser.add_output("yaml", "json")


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    return session.run(arguments.prog, arguments.parse(argv), clone)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of pods")
    return int(text)


def _not_empty(text: str) -> str:
    if not text.strip() or text != text.strip():
        raise argparse.ArgumentTypeError("a value without blanks at its ends is needed")
    return text


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: not an IP address") from None


def _name(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name: lower-case letters, digits and -, at most 63"
        )
    return text


@dataclass(frozen=True, slots=True)
class _Draft:
    """The objects of a clone, and notes about them for people."""

    server: Server
    wishes: Wishes
    objects: list[Json]
    notes: list[str]


async def clone(args: argparse.Namespace, session: Session) -> int:
    """Run the command with parsed arguments; return the exit status."""
    if args.delete:
        return await _delete(session, args.namespace, args.name)
    draft = await _draft(args, session)
    for line in draft.notes:
        session.tell(f"note: {line}")
    to_text = objects.json_of if args.output == "json" else objects.yaml_of
    session.out(to_text(draft.objects).rstrip("\n"))
    if args.dry_run:
        return 0 if await _dry_run(session, draft.objects) else 1
    if args.apply:
        await _apply(session, draft, args.timeout)
    return 0


async def _draft(args: argparse.Namespace, session: Session) -> _Draft:
    """Return the objects to create.

    Raises:
        Refusal: the running DNS cannot be cloned, or a name is taken.

    """
    service = await running.find_service(
        session.api, args.namespace, args.service or ""
    )
    server = await running.read_server(session.api, service)
    replicas = _replicas(args, server)
    wishes = Wishes(args.name, "", args.image, replicas, args.shadow)
    release = None
    if args.coredns:
        image = corefile.coredns_image(server, args.coredns)
        if image is None:
            raise Refusal(
                f"--coredns: {corefile.image_of(server)} is not CoreDNS; name its image"
                " by --image"
            )
        wishes = wishes._replace(image=image)
        release = running.release_of(wishes.image)
    if args.shadow and wishes.program == "coredns":
        raise Refusal("--shadow: only minidns can ask another DNS what clients ask it")
    preflight.check_labels(wishes, service)
    extra: list[Json] = []
    if args.corefile:
        text, data = await _read_corefile(session, server, wishes, args)
        server = corefile.with_corefile(server, text, wishes.name)
        extra.append(manifests.config_map(server, data, wishes))
    for_coredns = wishes.program == "coredns"
    needed = corefile.read_needs(server, release=release, for_coredns=for_coredns)
    await preflight.check_free(session, args.namespace, wishes)
    address = args.cluster_ip or await preflight.choose_address(session, service)
    wishes = wishes._replace(address=address)
    remarks = list(preflight.differences(server, needed, wishes))
    remarks += await _policy_notes(session, server, wishes)
    remarks += map(str, await interceptors.detect(session, []))
    objects = [*extra, *manifests.objects(server, needed, wishes)]
    return _Draft(server, wishes, objects, remarks)


async def _read_corefile(
    session: Session, server: Server, wishes: Wishes, args: argparse.Namespace
) -> tuple[str, Json]:
    """Return the text of --corefile, and the data of the running DNS's ConfigMap."""
    try:
        text = files.read(str(args.corefile)).decode()
    except OSError as error:
        raise Refusal(f"--corefile {describe(error)}") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"--corefile {args.corefile}: not UTF-8 text") from error
    if await session.api.find(CONFIG_MAP.path(args.namespace, wishes.name)):
        raise Refusal(
            f"ConfigMap {args.namespace}/{wishes.name} exists already: choose another "
            "--name"
        )
    first = CONFIG_MAP.path(args.namespace, server.mount.config_map)
    return text, (await session.api.get(first)).get("data") or {}


def _replicas(args: argparse.Namespace, server: Server) -> int:
    """Return the number of replicas: that of the first, so that loads compare."""
    if args.replicas is not None:
        return int(args.replicas)
    is_everywhere = server.workload["kind"] == DAEMON_SET.name
    return REPLICAS if is_everywhere else running.replicas(server.workload)


async def _policy_notes(session: Session, server: Server, wishes: Wishes) -> list[str]:
    namespace = server.service["metadata"]["namespace"]
    try:
        path = POLICY.path(namespace)
        policies = await session.api.list_objects(path)
    except Refused:
        return ["NetworkPolicies cannot be listed: one may be about kube-dns's pods"]
    return list(preflight.policy_notes(policies, server, wishes))


async def _dry_run(session: Session, objects: Iterable[Json]) -> bool:
    """Have the API server check the objects; return whether it accepts all."""
    is_accepted = True
    for obj in objects:
        ref = ref_of(obj)
        try:
            await session.api.create(ref.kind.path(ref.namespace), obj, dry_run=True)
            session.tell(f"{ref}: would be created (dry run by the server)")
        except Refused as refused:
            session.tell(f"{ref}: would be refused: {explain(refused)}")
            is_accepted = False
    for warning in session.api.warnings:
        session.tell(f"warning by the server: {warning}")
    return is_accepted


async def _apply(session: Session, draft: _Draft, timeout_s: float) -> None:
    """Create the objects after a dry run and confirmation, and wait for the pods.

    Raises:
        Refusal: the server or the person refuses.
        Stuck: the pods are not ready after ``timeout_s``.

    """
    # check all objects before the first is created, so that a refusal leaves nothing
    if not await _dry_run(session, draft.objects):
        raise Refusal("nothing was created")
    if not await session.ask(f"Create these {len(draft.objects)} objects?"):
        raise Refusal("nothing was created: you did not confirm")
    created: list[Json] = []
    try:
        for obj in draft.objects:
            ref = ref_of(obj)
            created.append(await session.api.create(ref.kind.path(ref.namespace), obj))
            session.tell(f"{ref}: created")
    except (ApiError, asyncio.CancelledError):
        await _clean_up(session, created)
        raise
    by_kind = {obj["kind"]: obj for obj in created}
    await wait_for_rollout(session, ref_of(by_kind[DEPLOYMENT.name]), timeout_s)
    name = draft.wishes.name
    address = by_kind[SERVICE.name]["spec"]["clusterIP"]
    session.tell(f"{name} is at {address}; no pod uses it yet (minidns enrol)")


async def _clean_up(session: Session, created: Iterable[Json]) -> None:
    """Delete what was created, because the rest could not be."""
    for obj in created:
        try:
            await _delete_one(session, obj)
        except ApiError as error:
            session.tell(f"{ref_of(obj)}: left behind: {error}")


async def _delete(session: Session, namespace: str, name: str) -> int:
    """Delete the objects of a clone after confirmation; return the exit status.

    Raises:
        Refusal: there are none, minidns did not create them, or pods use the clone.

    """
    existing = await preflight.clone_objects(session.api, namespace, name)
    if not existing:
        raise Refusal(f"there is no {name} in namespace {namespace}: nothing to delete")
    for obj in existing:
        if not preflight.is_clone(obj):
            raise Refusal(
                f"{ref_of(obj)} was not created by minidns clone (no annotation "
                f"{manifests.ORIGIN}): delete it with the tool that created it"
            )
    await _check_unused(session, existing)
    for obj in existing:
        session.tell(f"{ref_of(obj)}: to be deleted")
    if not await session.ask(f"Delete these {len(existing)} objects?"):
        raise Refusal("nothing was deleted: you did not confirm")
    for obj in existing:
        await _delete_one(session, obj)
    return 0


async def _delete_one(session: Session, obj: Json) -> None:
    is_deleted = await delete(session, obj)
    session.tell(f"{ref_of(obj)}: {'deleted' if is_deleted else 'gone already'}")


async def _check_unused(session: Session, existing: Iterable[Json]) -> None:
    """Raise Refusal if pods query the clone by their own dnsConfig.

    Pods that query it by --cluster-dns of their kubelet are not visible in the API.
    """
    addresses = {
        address
        for obj in existing
        if obj["kind"] == SERVICE.name
        for address in preflight.cluster_ips(obj)
    }

    async def users() -> list[Json]:
        pods = await session.api.list_objects(POD.path())
        return [
            pod
            for pod in pods
            if addresses.intersection(servers_of(pod["spec"])) and not has_ended(pod)
        ]

    if left := await preflight.until_gone(session, users):
        names = ", ".join(str(ref_of(pod)) for pod in left[:SHOWN])
        more = " ..." if len(left) > SHOWN else ""
        raise Refusal(
            f"{len(left)} pods use it: {names}{more}; undo that first (minidns unenrol)"
        )
