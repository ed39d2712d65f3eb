"""Changes of objects in the terms of DNS, for answers of a moment in the past."""

from collections.abc import Collection, Hashable, Iterable, Mapping

from minidns.dns.model import Source
from minidns.explain.situation import listed
from minidns.kubernetes.journal import Change, History
from minidns.kubernetes.objects import (
    EndpointSlice,
    Key,
    Namespace,
    Object,
    Pod,
    Port,
    Service,
)
from minidns.kubernetes.written import manifest
from minidns.text.moments import rfc3339

MAX_BEFORE, MAX_AFTER = 10, 5
"""Changes shown of the time before a moment, and after it."""
MAX_LISTED = 10
"""Addresses shown of an object."""


def around(
    when: float,
    changes: Iterable[Change],
    keys: Collection[Hashable],
    sources: Iterable[Source],
) -> list[Change]:
    """Return the last changes before ``when`` and the first after it, in their order.

    They are those that concern an answer which depends on ``keys`` and ``sources``.
    """
    objects = {(source.kind, source.name) for source in sources}
    concerned = [
        change
        for change in changes
        if not change.touched.isdisjoint(keys)
        or (change.kind.__name__, str(change.key)) in objects
    ]
    before = [change for change in concerned if change.at <= when]
    after = [change for change in concerned if change.at > when]
    return before[-MAX_BEFORE:] + after[:MAX_AFTER]


def as_json(change: Change, when: float) -> dict[str, object]:
    """Return a change as JSON; ``seconds`` is its distance from ``when``."""
    state = change.after or change.before
    return {
        "time": rfc3339(change.at),
        "seconds": round(change.at - when, 3),
        "kind": change.kind.__name__,
        "name": str(change.key),
        "resourceVersion": state.meta.version if state else "",
        "change": in_dns_terms(change),
    }


def relevant(history: History, services: Collection[Key]) -> dict[str, object]:
    """Return the part of ``history`` that names of ``services`` follow from, as JSON.

    Objects are manifests; that after a change is null if the object was deleted.
    """
    namespaces = {key.namespace for key in services}

    def concerns(obj: Object | None) -> bool:
        if isinstance(obj, Namespace):
            return obj.key.name in namespaces
        if isinstance(obj, EndpointSlice):
            return obj.service in services
        return isinstance(obj, Service) and obj.key in services

    return {
        "since": rfc3339(history.since),
        "objects": [manifest(obj) for obj in history.base.objects() if concerns(obj)],
        "changes": [
            {
                "time": rfc3339(change.at),
                "kind": change.kind.__name__,
                "name": str(change.key),
                "object": None if change.after is None else manifest(change.after),
            }
            for change in history.changes
            if concerns(change.before) or concerns(change.after)
        ],
    }


def line(change: Mapping[str, object]) -> str:
    """Return a change, as ``as_json`` gives it, in one line for people."""
    seconds = float(str(change["seconds"]))
    side = "before" if seconds <= 0 else "after"
    version = change["resourceVersion"]
    return (
        f"{abs(seconds):.3f} s {side}: {change['kind']} {change['name']}"
        f" (resourceVersion {version}): {change['change']}"
    )


def in_dns_terms(change: Change) -> str:
    """Return what a change means for DNS."""
    before, after = _seen(change.before), _seen(change.after)
    if change.before is None or change.after is None:
        seen = (after or before).items()
        what = ", ".join(f"{name} {value}" for name, value in seen if value != "none")
        if change.before is None:
            return f"created with {what}" if what else "created"
        return f"deleted; it had {what}" if what else "deleted"
    phrases = [
        f"{name} {value} instead of {before[name]}"
        for name, value in after.items()
        if before[name] != value
    ]
    return "; ".join(phrases) or "nothing that DNS can see"


def _seen(obj: Object | None) -> dict[str, str]:
    """Return what DNS can see of an object, by its name for people."""
    if isinstance(obj, Service):
        return {
            "type": obj.type,
            "cluster IP": _some(obj.cluster_ips),
            "externalName": obj.external_name or "none",
            "ports": _ports(obj.ports),
            "external IPs": _some(obj.external_ips),
        }
    if isinstance(obj, EndpointSlice):
        ready = [end.address for end in obj.endpoints if end.ready]
        unready = [end.address for end in obj.endpoints if not end.ready]
        return {
            "Service": obj.service.name or "none",
            "ready endpoints": _some(ready),
            "unready endpoints": _some(unready),
            "ports": _ports(obj.ports),
        }
    return {"address": obj.address or "none"} if isinstance(obj, Pod) else {}


def _some(words: Iterable[str]) -> str:
    return listed(words, MAX_LISTED) or "none"


def _ports(ports: Iterable[Port]) -> str:
    known = [port for port in ports if port.number >= 0]
    return _some(f"{port.name or '-'}/{port.protocol}/{port.number}" for port in known)
