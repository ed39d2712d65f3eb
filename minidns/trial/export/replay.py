"""The scenario of a bundle: the changes of objects, and what was right at each failure.

The expected lines are those of `answers` with the redacted objects as they were at that
moment, so that a replay on the simulated cluster checks that minidns still gives the
same answer for the same reason.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from minidns.dns import names
from minidns.dns.model import Name, RRset
from minidns.dns.rdata import A, rcode_name, to_lines
from minidns.kubernetes import objects
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion
from minidns.kubernetes.objects import Key, Kind, Object
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.resources import Applied, Deleted
from minidns.kubernetes.store import Store
from minidns.kubernetes.written import manifest
from minidns.text.moments import parse
from minidns.trial.export.redaction import Redaction

CLIENT = "default/app"
"""The pod of the simulated cluster that asks."""
_READERS: Mapping[str, Callable[[objects.Json], Object]] = {
    "Namespace": objects.namespace,
    "Service": objects.service,
    "EndpointSlice": objects.endpoint_slice,
}
_NEVER = 1e12


class Moment(NamedTuple):
    """Something that happens in a replay: a change of an object, or a question."""

    at: float
    """Unix seconds."""
    kind: Kind | None = None
    """The kind of a deleted object."""
    key: Key = Key("", "")
    obj: Object | None = None
    """The object after a change."""
    asked: Name = ""
    """The name of a question."""
    comment: str = ""


def changes(journal: Mapping[str, Any], redaction: Redaction) -> Iterator[Moment]:
    """Yield the changes of a journal (``/journal``), the objects at its start first."""
    since = parse(journal["since"], _NEVER)
    for tree in journal["objects"]:
        yield Moment(since, obj=redaction.object(_read(tree)))
    for change in journal["changes"]:
        at = parse(change["time"], _NEVER)
        if change["object"] is not None:
            yield Moment(at, obj=redaction.object(_read(change["object"])))
            continue
        namespace, _, name = change["name"].rpartition("/")
        kind: Kind = getattr(objects, change["kind"])
        yield Moment(at, kind, redaction.key(kind, Key(namespace, name)))


def _read(tree: Mapping[str, Any]) -> Object:
    read = _READERS[tree["kind"]]
    return read(objects.from_dict(tree))


def commands(moments: Iterable[Moment], zone: Name) -> Iterator[str]:
    """Yield the lines of a scenario: what happens at its time, and what is right."""
    store = Store(lambda: 0.0)
    options = KubernetesOptions(zones=(zone,), pods="insecure")
    zones = ClusterZones(options, store, Store(lambda: 0.0, kind="ServiceImport"))
    ordered = sorted(moments, key=lambda moment: moment.at)
    last = ordered[0].at if ordered else 0.0
    for moment in ordered:
        # time enough for the watches of the simulated servers
        if (passed := moment.at - last) >= 0.001 or moment.asked:
            yield f"wait {max(passed, 0.05):.3f} s"
            last = moment.at
        if moment.asked:
            yield from _question(zones, moment, zone)
        elif moment.obj is not None:
            if _is_another(store, moment.obj):
                yield f"delete {type(moment.obj).__name__} {moment.obj.key}"
            store.apply(Applied(moment.obj))
            yield "apply"
            yield f"  {json.dumps(manifest(moment.obj))}"
        elif moment.kind is not None:
            store.apply(Deleted(moment.kind, moment.key))
            yield f"delete {moment.kind.__name__} {moment.key}"


def _is_another(store: Store, obj: Object) -> bool:
    """Return whether an object was deleted and created again: its addresses tell."""
    before = store.find(type(obj), obj.key)
    if not isinstance(obj, objects.Service) or not isinstance(before, objects.Service):
        return False
    return before.cluster_ips != obj.cluster_ips


def _question(zones: ClusterZones, moment: Moment, zone: Name) -> Iterator[str]:
    name, shown = moment.asked, moment.asked.removesuffix(".")
    answer = zones.answer(ClusterQuestion(name, A, zone, zone, name))
    yield f"# {moment.comment}"
    yield f"why {shown} A"
    rcode = rcode_name(answer.rule.rcode)
    yield f"  {rcode} by the rule {answer.rule}"
    for source in answer.sources:
        yield f"  {'from' if source.found else 'no'} {source.kind} {source.name}"
    yield f"query {CLIENT} {shown} A"
    yield f"  {rcode} aa"
    yield from (f"  {line}" for line in _records(answer, zone))


def _records(answer: ClusterAnswer, zone: Name) -> Iterator[str]:
    """Yield the records of a reply as ``query`` shows them, with any TTL."""
    if not answer.answer:
        yield f"authority {zone} ... SOA ..."
    rrsets = [each for each in answer.answer if isinstance(each, RRset)]
    for line in sorted(line for rrset in rrsets for line in to_lines(rrset)):
        owner, _, rest = line.split(" ", 2)
        yield f"answer {owner} ... {rest}"


def is_asked(name: Name, zone: Name) -> bool:
    """Return whether the answer to ``name`` follows from objects of the cluster."""
    return names.is_below(name, zone)
