"""What is said of an enrolment before it is made: what is written, and more. Pure."""

from collections.abc import Iterator

from minidns.kubernetes.documents import Json
from minidns.second_dns import dnsconfig, enrolment, record, show
from minidns.second_dns.changes import done, value_at
from minidns.second_dns.enrolment import Plan
from minidns.second_dns.kinds import ref_of


def shown(obj: Json, plan: Plan) -> Iterator[str]:
    """Yield what is to be written, line by line."""
    if plan.twin is not None:
        yield f"# {ref_of(plan.twin)}, to be created:"
        yield from show.yaml_of([plan.twin]).splitlines()
    if plan.is_beside:
        yield f"# {plan.ref} stays as it is"
    else:
        yield f"# {plan.ref}, to be changed:"
        after = record.recorded(done(obj, plan.record.changes), plan.record)
        yield from show.difference(obj, after)


def question(obj: Json, plan: Plan) -> str:
    """Return what is asked before anything is written: what becomes of the pods."""
    dns = f"{plan.record.service.rpartition('/')[2]} ({plan.record.dns})"
    if plan.twin is not None:
        count = plan.twin["spec"]["replicas"]
        if plan.is_beside:
            return f"Add {count} pods to {plan.ref} that ask {dns}?"
        return f"Replace {count} of the pods of {plan.ref} by ones that ask {dns}?"
    which = "all the pods"
    for each in plan.record.changes:
        if each.path == enrolment.PARTITION:
            which = f"the pods from {plan.ref.name}-{each.after} on"
    return f"Replace {which} of {plan.ref}, in a rollout, by ones that ask {dns}?"


def remarks(obj: Json, plan: Plan) -> Iterator[str]:
    """Yield what people should know of this workload."""
    spec = value_at(obj, enrolment.TEMPLATE)
    extra = [s for s in dnsconfig.servers_of(spec) if s != plan.record.dns]
    if extra:
        yield (
            f"nameserver {', '.join(extra)} of its dnsConfig is left out meanwhile: "
            "behind a second one the failures of the first would hide"
        )
    if value_at(obj, ("spec", "updateStrategy", "type")) == "OnDelete":
        yield "its pods change only as somebody deletes them (updateStrategy OnDelete)"
    if plan.twin is not None:
        for volume in spec.get("volumes") or ():
            if claim := value_at(volume, ("persistentVolumeClaim", "claimName")):
                yield f"the twin's pods mount the same volume: claim {claim}"
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            yield f"{owner['kind']} {owner['name']} made it, and may put it back itself"
    labels = obj["metadata"].get("labels") or {}
    if manager := labels.get("app.kubernetes.io/managed-by"):
        yield f"{manager} looks after it, and may put it back itself"
