"""Causes of answers about Services that are aliases of other names."""

from collections.abc import Iterable
from itertools import islice

from msgspec.structs import replace

from minidns.dns import names
from minidns.explain.explanation import Cause
from minidns.explain.situation import Situation
from minidns.kubernetes.objects import Key

_MAX_CHAIN = 12


def below_external_name(s: Situation) -> Cause:
    """Return the cause for a name below an alias."""
    because = f"Service {s.key} is an ExternalName: nothing is below it"
    return Cause("below-external-name", because)


def external_address(s: Situation) -> Cause:
    """Return the cause for an externalName that is no host name."""
    target = s.service.external_name if s.service else ""
    because = f"externalName of Service {s.key} is {target or 'empty'}, not a host name"
    near = "a Service without selector and an EndpointSlice can lead to an address"
    return Cause("external-name-is-address", because, (near,))


def leads_nowhere(s: Situation) -> Cause:
    """Return the cause for an alias without records, and where it ends."""
    target = s.service.external_name if s.service else s.question.name
    seen = [s.question.name]
    for step in islice(_targets(s), _MAX_CHAIN):
        if step in seen or names.is_below(step, seen[-1]):
            because = f"Service {s.key} leads back to {step}"
            return Cause("external-name-loop", because)
        seen.append(step)
    if len(seen) > _MAX_CHAIN:
        because = f"Service {s.key} begins a chain of more than eleven aliases"
        return Cause("external-name-chain", because)
    last = s.cluster.answer(replace(s.question, name=seen[-1], owner=seen[-1]))
    because = f"Service {s.key} is an alias of {target}, which gives nothing"
    near = f"{seen[-1]}: {last.rule.cause}"
    return Cause("external-name-leads-nowhere", because, (near,))


def _targets(s: Situation) -> Iterable[str]:
    """Yield the names that aliases inside the zone lead to, one after the other."""
    key: Key | None = s.key
    while key is not None:
        service = s.lookup.store.services.get(key)
        if service is None or service.type != "ExternalName":
            return
        target = names.absolute(service.external_name)
        if not names.is_below(target, s.zone):
            return
        yield target
        labels = names.labels(target.removesuffix(s.zone))
        key = Key(labels[1], labels[0]) if labels[2:] == ["svc"] else None
