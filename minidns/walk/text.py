"""Walks in lines for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from minidns.walk.steps import Kind, Step, Walk
from minidns.walk.visits import PASSES

_INDENT = "  "


def lines(walks: Sequence[Walk], *, packets: bool = False) -> Iterator[str]:
    """Yield the steps of walks, one walk after the other.

    With ``packets`` the bytes of each packet follow it, with its fields beside them.
    """
    for number, walk in enumerate(walks):
        if number:
            yield ""
        whose = "the pod's own server" if walk.is_own else "instead of its own server"
        yield f"== {walk.service} ({walk.server}): {whose}"
        if walk.note:
            yield walk.note
        for step in _merged(walk.steps):
            yield from _step(step, packets=packets)
        plural = "query" if walk.queries == 1 else "queries"
        yield f"{walk.queries} {plural}, {walk.result.at * 1000:.1f} ms"


def _merged(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps; plugins in a row that only pass a query on are one step."""
    passing: list[Step] = []
    for step in steps:
        if passing and (step.says != PASSES or step.lane != passing[0].lane):
            yield _together(passing)
            passing = []
        if step.says == PASSES:
            passing.append(step)
        else:
            yield step
    if passing:
        yield _together(passing)


def _together(steps: Sequence[Step]) -> Step:
    names = ", ".join(step.facts["plugin"] for step in steps)
    if len(steps) == 1:
        return steps[0]
    return replace(
        steps[0],
        who=f"plugins {names}",
        says="pass it on and return the reply unchanged",
    )


def _step(step: Step, *, packets: bool) -> Iterator[str]:
    depth = _depth(step)
    lane = f"#{step.lane} " if step.lane else ""
    who = "because" if step.kind is Kind.REASON else step.who
    yield f"{step.at * 1000:9.1f} ms  {_INDENT * depth}{lane}{who}: {step.says}"
    margin = " " * 14 + _INDENT * depth
    for line in _details(step):
        yield f"{margin}{line}"
    if packets and step.wire:
        for field in step.to_json()["packet"]["fields"]:
            octets = step.wire[field["start"] : field["end"]].hex(" ")
            yield f"{margin}{octets}  {field['name']}: {field['value']}"


def _depth(step: Step) -> int:
    deeper = step.kind in (Kind.RECEIVE, Kind.PLUGIN, Kind.REASON, Kind.ANSWER)
    return bool(step.lane) + deeper + 2 * bool(step.inside)


def _details(step: Step) -> Iterator[str]:
    facts = step.facts
    match step.kind:
        case Kind.CONFIG:
            yield f"nameserver {' '.join(facts['nameservers'])}"
            if facts["search"]:
                yield f"search {' '.join(facts['search'])}"
            if facts["options"]:
                yield f"options {' '.join(facts['options'])}"
        case Kind.ROUTE if "conntrack" in facts:
            entry = facts["conntrack"]
            age = "new" if entry["new"] else f"{entry['age_s']:g} s old"
            yield f"conntrack, {age}: {entry['original']} and {entry['reply']}"
        case Kind.REASON:
            yield from _reasons(facts)
        case Kind.REPLY:
            yield _shown_reply(step)


def _reasons(facts: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    cluster = facts.get("kubernetes", {})
    for near in cluster.get("near", ()):
        yield f"perhaps: {near}"
    for source in facts["sources"]:
        if not source["found"]:
            yield f"no {source['kind']} {source['name']}"
            continue
        version = source["resourceVersion"]
        known = f" (resourceVersion {version})" if version else ""
        yield f"from {source['kind']} {source['name']}{known}"


def _shown_reply(step: Step) -> str:
    """Return the flags and the data of the records of a reply."""
    fields = step.to_json()["packet"]["fields"]
    flags = next((f["value"] for f in fields if f["name"] == "flags"), "malformed")
    data = [f["value"] for f in fields if f["name"] == "answer data"]
    return f"{flags}: {', '.join(data) or 'no records'}"
