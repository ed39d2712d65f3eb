"""Writing to workloads so that it can be undone, and undoing an enrolment.

Every write is conditional: on the version of the object that was read, on its uid, or
on the name being free. A step that was done already is skipped, so an undo that was
interrupted can be run again.
"""

import json
from collections.abc import Callable

from minidns.kubernetes.documents import Json, Refused
from minidns.second_dns import rollout
from minidns.second_dns.objects import (
    DEPLOYMENT,
    Change,
    Ref,
    merge_patch,
    ref_of,
    revert_changes,
    value_at,
)
from minidns.second_dns.record import Record, check_twin, parse_record
from minidns.second_dns.session import Refusal, Session

TRIES = 20
"""Attempts of a patch, each on the object's newest version (409 Conflict)."""


async def patch_with_retry(
    session: Session,
    ref: Ref,
    edit: Callable[[Json], Json],
    *,
    dry_run: bool = False,
) -> None:
    """Patch an object to ``edit(object)``; try again if it changed meanwhile.

    Raises:
        Refusal: ``edit`` raised it, or the object changes all the time.
        Refused: the API server refuses the patch.

    """
    for _ in range(TRIES):
        now = await session.api.get(ref.path)
        patch = merge_patch(now, edit(now))
        if not patch:
            return
        version = {"resourceVersion": now["metadata"]["resourceVersion"]}
        patch["metadata"] = patch.get("metadata", {}) | version
        try:
            await session.api.patch(ref.path, patch, dry_run=dry_run)
        except Refused as refused:
            if refused.status != 409:
                raise
        else:
            return
    raise Refusal(f"{ref} changes faster than it can be written")


async def delete(session: Session, obj: Json) -> bool:
    """Delete ``obj`` in whatever version it is by now; return False if it was gone."""
    path = ref_of(obj).path
    while True:
        now = await session.api.find(path)
        if now is None or now["metadata"]["uid"] != obj["metadata"]["uid"]:
            return False
        try:
            await session.api.delete(path, now)
        except Refused as refused:
            if refused.status not in (404, 409):  # 409: another version by now
                raise
        else:
            return True


async def undo(session: Session, record: Record, timeout_s: float) -> bool:
    """Undo an enrolment as far as it got; return False if it was undone already.

    The twin is deleted only after the workload's own pods are ready again, and the
    record last.

    Raises:
        Refusal: what is named as the twin is no twin.
        Stuck: the workload's pods are not ready after ``timeout_s``.

    """
    holder = await session.api.find(record.ref.path)
    if holder is None or parse_record(holder).id != record.id:
        return False
    twin = await _find_twin(session, record)
    if record.changes and await session.api.find(record.workload.path):
        await patch_with_retry(session, record.workload, _reverting(session, record))
        if twin is not None:
            await rollout.wait(session, record.workload, timeout_s)
    if twin is not None and await delete(session, twin):
        session.tell(f"{ref_of(twin)}: deleted")
    await delete(session, holder)
    return True


async def _find_twin(session: Session, record: Record) -> Json | None:
    if not record.twin:
        return None
    path = DEPLOYMENT.path(record.workload.namespace, record.twin)
    twin = await session.api.find(path)
    if twin is not None:
        check_twin(twin, record)
    return twin


def _reverting(session: Session, record: Record) -> Callable[[Json], Json]:
    """Return the edit that reverts the changes and reports those it leaves."""

    def edit(now: Json) -> Json:
        before, overwritten = revert_changes(now, record.changes)
        for change in overwritten:
            session.tell(left_as_is(record.workload, change, now))
        return before

    return edit


def left_as_is(ref: Ref, change: Change, now: Json) -> str:
    """Return the message that a later change of a field is kept."""
    value = _shown(value_at(now, change.path))
    return (
        f"{ref}: {change.field} was changed since, to {value}: "
        f"left as it is (before the enrolment: {_shown(change.before)})"
    )


def _shown(value: object) -> str:
    """Return the value of a field as JSON, or that it is not set."""
    return "not set" if value is None else json.dumps(value)
