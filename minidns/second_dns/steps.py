"""The writes of an enrolment and of its end, each whole in itself.

Whatever ends the program between two of them, `restored` finds in the records what is
to be done, and does that much. Every write is conditional: on the version of what it
was made of, or on the name being free.
"""

from collections.abc import Callable

from minidns.kubernetes.documents import Json, Refused
from minidns.second_dns import changes, record, rollout, undoable
from minidns.second_dns.changes import Change, merge_patch
from minidns.second_dns.enrolment import Plan
from minidns.second_dns.kinds import DEPLOYMENT, WORKLOADS, Ref, ref_of
from minidns.second_dns.record import ANNOTATION, LABEL, Record
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.session import Session

TRIES = 20
"""How often a write is made anew of what somebody else wrote meanwhile."""
Make = Callable[[Json], Json]
"""From an object as it is to what it is to be."""


async def written(
    session: Session, ref: Ref, make: Make, *, dry_run: bool = False
) -> Json:
    """Write what ``make`` makes of an object; again, if it changed meanwhile.

    Raises:
        Refusal: ``make`` does not want it any more, or it changes all the time.
        Refused: the server does not.

    """
    for _ in range(TRIES):
        now = await session.api.get(ref.path)
        patch = merge_patch(now, make(now))
        if not patch:
            return now
        version = {"resourceVersion": now["metadata"]["resourceVersion"]}
        patch["metadata"] = patch.get("metadata", {}) | version
        try:
            return await session.api.patch(ref.path, patch, dry_run=dry_run)
        except Refused as refused:
            if refused.status != 409:
                raise
    raise Refusal(f"{ref} changes faster than it can be written")


def applied(plan: Plan) -> Make:
    """Return what writes a plan's changes with their record, if they still hold."""

    def make(now: Json) -> Json:
        carried = record.of(now)
        if carried not in (None, _begun(plan)):
            raise Refusal(f"{plan.ref} was enrolled by somebody else meanwhile")
        for each in plan.record.changes:
            if changes.value_at(now, each.path) != each.before:
                raise Refusal(f"{plan.ref} was changed meanwhile: look at it again")
        return record.recorded(changes.done(now, plan.record.changes), plan.record)

    return make


def _begun(plan: Plan) -> Record:
    """Return the record of a plan that has a twin, before anything else is changed."""
    return plan.record._replace(changes=())


async def tried(session: Session, plan: Plan) -> None:
    """Have the server check what would be written.

    Raises:
        Refused: it does not want it.

    """
    if plan.twin is not None:
        path = DEPLOYMENT.path(plan.ref.namespace)
        await session.api.create(path, plan.twin, dry_run=True)
    if not plan.is_beside:
        await written(session, plan.ref, applied(plan), dry_run=True)


async def enrolled(session: Session, plan: Plan, timeout_s: float) -> None:
    """Write a plan, and wait until its pods are there.

    Raises:
        Stuck: they are not after ``timeout_s``; what is written stays.

    """
    if plan.twin is None:
        await written(session, plan.ref, applied(plan))
        await rollout.finished(session, plan.ref, timeout_s)
        return
    if not plan.is_beside:
        # what is to come is on record before it comes
        begun = plan._replace(record=_begun(plan))
        await written(session, plan.ref, applied(begun))
    path = DEPLOYMENT.path(plan.ref.namespace)
    twin = await session.api.create(path, plan.twin)
    session.tell(f"{ref_of(twin)}: created")
    await rollout.finished(session, ref_of(twin), timeout_s)
    if not plan.is_beside:
        # only now: there are never fewer pods than there were
        await written(session, plan.ref, applied(plan))


async def restored(
    session: Session, ref: Ref, timeout_s: float, *, only: str = ""
) -> bool:
    """Undo the enrolment of a workload, as far as it has come; whether there was any.

    With ``only`` no other than the one of that id.

    Raises:
        Stuck: the pods it gets back are not ready; its twin stays until they are.

    """
    obj = await session.api.find(ref.path)
    made = _record_of(obj) if obj else None
    if made and made.of:  # somebody named the twin
        return await restored(session, _first(ref, made), timeout_s, only=only)
    made = made if made and only in ("", made.id) else None
    twins = [(t, r) for t, r in await twins_of(session, ref) if only in ("", r.id)]
    if made:
        await written(session, ref, _undoing(session, ref, made))
        if twins:
            await rollout.finished(session, ref, timeout_s)
    for twin, _ in twins:
        await _removed(session, twin)
    if made and made.twin:
        await written(session, ref, lambda now: _without(now, made.id))
    return bool(made or twins)


def _record_of(obj: Json) -> Record | None:
    """Return the record that ``obj`` carries, if an enrolment can have written it.

    Raises:
        Refusal: none can, or it cannot be read.

    """
    made = record.of(obj)
    if made is not None:
        undoable.check(ref_of(obj), made)
        if made.of:
            undoable.check_twin(obj, made)
    return made


def _first(ref: Ref, made: Record) -> Ref:
    """Return the workload of whose twin this is the record."""
    return ref._replace(name=made.of)


def _without(now: Json, id_: str) -> Json:
    """Return an object without the record of this id."""
    made = _record_of(now)
    return record.recorded(now, None) if made and made.id == id_ else now


def _undoing(session: Session, ref: Ref, found: Record) -> Make:
    """Return what puts back what is on record, and the record away if that is all."""

    def make(now: Json) -> Json:
        made = _record_of(now)
        if made is None or made.id != found.id:
            return now
        before, kept = changes.undone(now, made.changes)
        for each in kept:
            session.tell(left(ref, each, now))
        return record.recorded(before, made._replace(changes=()) if made.twin else None)

    return make


def left(ref: Ref, each: Change, now: Json) -> str:
    """Return that somebody else's change stays."""
    field, value = ".".join(each.path), changes.value_at(now, each.path)
    return (
        f"{ref}: {field} was changed since, to {value}: left as it is (before the "
        f"enrolment: {each.before})"
    )


async def twins_of(session: Session, ref: Ref) -> list[tuple[Json, Record]]:
    """Return the twins of a workload, with what they carry."""
    if ref.kind is not DEPLOYMENT:
        return []
    path = DEPLOYMENT.path(ref.namespace)
    twins = []
    for obj in await session.api.listed(path, lambda obj: obj, labels=LABEL):
        try:
            made = _record_of(obj)
        except Refusal as refusal:
            session.tell(str(refusal))
            continue
        if made and made.of == ref.name:
            twins.append((obj, made))
    return twins


async def _removed(session: Session, twin: Json) -> None:
    ref = ref_of(twin)
    while True:
        now = await session.api.find(ref.path)
        if now is None or now["metadata"]["uid"] != twin["metadata"]["uid"]:
            return
        try:
            await session.api.delete(ref.path, now)
        except Refused as refused:
            if refused.status not in (404, 409):  # 409: its status moved meanwhile
                raise
        else:
            session.tell(f"{ref}: deleted")


async def is_there(session: Session, plan: Plan) -> bool:
    """Return whether an enrolment that was made has not been ended since."""
    carrier = ref_of(plan.twin) if plan.twin and plan.is_beside else plan.ref
    obj = await session.api.find(carrier.path)
    made = record.of(obj) if obj else None
    return made is not None and made.id == plan.record.id


async def enrolment_of(session: Session, ref: Ref) -> list[tuple[Ref, Record]]:
    """Return the enrolment of a workload, or of the one that it is the twin of."""
    obj = await session.api.find(ref.path)
    made = _record_of(obj) if obj else None
    if made and made.of:
        return await enrolment_of(session, _first(ref, made))
    if made:
        return [(ref, made)]
    return [(ref, _seen(t, r)) for t, r in await twins_of(session, ref)]


def _seen(twin: Json, made: Record) -> Record:
    """Return what a twin's record says of its first."""
    return made._replace(twin=ref_of(twin).name, of="")


async def enrolments(
    session: Session, namespace: str
) -> tuple[list[tuple[Ref, Record]], list[str]]:
    """Return every enrolment in a namespace, and what is wrong with those left out.

    Without a namespace, those in all. A twin stands for its first where that carries
    no record.
    """
    found: dict[Ref, Record] = {}
    wrong: list[str] = []
    for kind in WORKLOADS:
        for obj in await session.api.listed(kind.path(namespace), _carrying):
            try:
                made = _record_of(obj) if obj else None
            except Refusal as refusal:
                wrong.append(str(refusal))
                continue
            if obj and made and made.of:
                found.setdefault(_first(ref_of(obj), made), _seen(obj, made))
            elif obj and made:
                found[ref_of(obj)] = made
    return list(found.items()), wrong


def _carrying(obj: Json) -> Json | None:
    """Return ``obj`` if it carries a record: of most nothing is to be kept."""
    carries = ANNOTATION in (obj["metadata"].get("annotations") or {})
    return obj if carries else None
