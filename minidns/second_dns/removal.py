"""Taking a second DNS away again: only what `minidns clone` made, only if unused."""

from collections.abc import Iterable

from minidns.kubernetes.documents import Json, Refused
from minidns.kubernetes.resources import ApiError
from minidns.second_dns import collisions, dnsconfig, kinds, manifests
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.session import Session

SHOWN = 3
"""Pods named as examples."""


async def remove(session: Session, namespace: str, name: str) -> int:
    """Delete the objects of a clone, after having shown and asked.

    Raises:
        Refusal: there are none, somebody else made them, or pods ask it.

    """
    found = await collisions.existing(session.api, namespace, name)
    if not found:
        raise Refusal(f"there is no {name} in namespace {namespace}: nothing to delete")
    for obj in found:
        annotations = obj["metadata"].get("annotations") or {}
        if manifests.ORIGIN not in annotations:
            ref = kinds.ref_of(obj)
            raise Refusal(
                f"{ref} was not made by minidns clone (no annotation "
                f"{manifests.ORIGIN}): delete it the way it was made"
            )
    await _check_unused(session, found)
    for obj in found:
        session.tell(f"{kinds.ref_of(obj)}: to be deleted")
    if not await session.ask(f"Delete these {len(found)} objects?"):
        raise Refusal("nothing was deleted, as you wish")
    for obj in found:
        await _delete(session, obj)
    return 0


async def taken_back(session: Session, created: Iterable[Json]) -> None:
    """Delete what was just created, as what belongs to it could not be."""
    for obj in created:
        try:
            await _delete(session, obj)
        except ApiError as error:
            session.tell(f"{kinds.ref_of(obj)}: left behind: {error}")


async def _delete(session: Session, obj: Json) -> None:
    """Delete an object, whatever its version is by now: it is ours by its uid."""
    ref = kinds.ref_of(obj)
    while True:
        now = await session.api.find(ref.path)
        if now is None or now["metadata"]["uid"] != obj["metadata"]["uid"]:
            session.tell(f"{ref}: gone already")
            return
        try:
            await session.api.delete(ref.path, now)
        except Refused as refused:
            if refused.status not in (404, 409):  # 409: its status moved meanwhile
                raise
        else:
            session.tell(f"{ref}: deleted")
            return


async def _check_unused(session: Session, found: Iterable[Json]) -> None:
    """Let a DNS go that no pod asks by its own dnsConfig."""
    # limit: what kubelets are told by --cluster-dns is not known to the API
    ours = {
        address
        for obj in found
        if obj["kind"] == kinds.SERVICE.name
        for address in (obj["spec"].get("clusterIPs") or [obj["spec"].get("clusterIP")])
    }
    pods = await session.api.listed(
        kinds.POD.path(),
        lambda pod: (str(kinds.ref_of(pod)), dnsconfig.servers_of(pod["spec"])),
    )
    users = [name for name, servers in pods if ours.intersection(servers)]
    if users:
        some = ", ".join(users[:SHOWN]) + (" ..." if len(users) > SHOWN else "")
        raise Refusal(
            f"{len(users)} pods ask it: {some}; let them go first (minidns unenrol)"
        )
