"""Walks as HTML: a drawing of the path per DNS service, and every step below it.

The page plays these elements step by step; without JavaScript they are all shown. An
element of a step has ``data-at``: the part of the drawing that lights up with it.
"""

from collections.abc import Iterable, Iterator, Sequence

from minidns.text.foreign import in_html
from minidns.walk.steps import Kind, Step, Walk
from minidns.walk.visits import PASSES
from minidns.web import drawing
from minidns.web.blocks import Lane, Numbered, Round, blocks

_AT = {
    Kind.CALL: "application",
    Kind.CONFIG: "resolver",
    Kind.QUERY: "ask",
    Kind.ROUTE: "proxy",
    Kind.RECEIVE: "server",
    Kind.PLUGIN: "chain",
    Kind.REASON: "chain",
    Kind.ANSWER: "answer",
    Kind.REPLY: "reply",
    Kind.FAULT: "fault",
    Kind.REFUSED: "fault",
    Kind.TIMEOUT: "wait",
    Kind.RESULT: "result",
}


def sides(walks: Sequence[Walk]) -> str:
    """Return the walks side by side."""
    parts = "".join(_side(number, walk) for number, walk in enumerate(walks))
    return f'<div class="sides">{parts}</div>'


def _side(number: int, walk: Walk) -> str:
    result = walk.result
    good = "good" if not result.facts["error"] else "bad"
    whose = "the pod's own server" if walk.is_own else "in place of its own server"
    plural = "query" if walk.queries == 1 else "queries"
    label = f"The walk with {walk.service}"
    note = f'<p class="note">{in_html(walk.note)}</p>' if walk.note else ""
    items = "".join(_block(number, block) for block in blocks(walk))
    return (
        f'<section class="side" data-side="{number}" aria-label="{in_html(label)}">'
        f"<header><h2>{in_html(walk.service)}"
        f" <small>{in_html(walk.server)}</small></h2>"
        f'<p class="whose">{whose}</p>'
        f'<p class="outcome {good}">{in_html(_outcome(result))}'
        f" <small>{walk.queries} {plural}, {_ms(result)}</small></p>{note}</header>"
        f'{drawing.path(walk)}<ol class="blocks">{items}</ol></section>'
    )


def _outcome(result: Step) -> str:
    facts = result.facts
    return facts["error"] or ", ".join(facts["addresses"]) or facts["status"]


def _ms(step: Step) -> str:
    """Return the time of a step in milliseconds, or in seconds from one second on."""
    return f"{step.at:.3f} s" if step.at >= 1 else f"{step.at * 1000:.1f} ms"


def _block(side: int, block: Numbered | Round) -> str:
    if isinstance(block, Numbered):
        return _step(side, block)
    lanes = "".join(_lane(side, lane) for lane in block)
    count = len(block)
    said = f"{count} queries at the same moment" if count > 1 else "One query"
    return f'<li class="round" aria-label="{said}"><div>{lanes}</div></li>'


def _lane(side: int, lane: Lane) -> str:
    facts = lane.query.facts
    name = f"{facts['name']} {facts['type']}"
    steps = "".join(_step(side, each) for each in lane.steps)
    good = {"NODATA": ""}.get(lane.result, " good" if lane.is_answered else " bad")
    return (
        f'<details class="lane" open><summary aria-label="Query {lane.number}">'
        f"<b><span>#{lane.number}</span> {_breakable(name)}</b>"
        f'<small class="how">{in_html(facts["expansion"])}</small>'
        f'<strong class="came{good}">{_breakable(lane.result)}</strong></summary>'
        f"<ol>{steps}</ol></details>"
    )


def _breakable(name: str) -> str:
    return in_html(name).replace(".", ".<wbr>")


def _step(side: int, each: Numbered) -> str:
    number, step = each
    names = ["step", step.kind.value]
    if step.says == PASSES:
        names.append("passes")
    inside = bool(step.inside)
    if inside:
        names.append("inside")
    at = "up" if inside else _AT[step.kind]
    who = "because" if step.kind is Kind.REASON else step.who
    if step.says == PASSES:
        who = step.facts["plugin"]
    return (
        f'<li class="{" ".join(names)}" data-side="{side}" data-n="{number}"'
        f' data-at="{at}" data-ms="{step.at * 1000:.3f}">'
        f'<span class="ms">{_ms(step)}</span> <b>{in_html(who)}</b>'
        f' <span class="says">{_breakable(step.says)}</span>'
        f"{''.join(_facts(step))}{_packet(step)}</li>"
    )


def _facts(step: Step) -> Iterator[str]:
    """Yield what stands below the sentence of a step."""
    facts = step.facts
    match step.kind:
        case Kind.CONFIG:
            yield _list(
                f"{word} {' '.join(facts[key])}"
                for word, key in (
                    ("nameserver", "nameservers"),
                    ("search", "search"),
                    ("options", "options"),
                )
                if facts[key]
            )
        case Kind.ROUTE if "conntrack" in facts:
            entry = facts["conntrack"]
            new = "new entry" if entry["new"] else f"entry {entry['age_s']:g} s old"
            left = f"{entry['timeout_s']:g} s left"
            yield _list(
                [f"conntrack: {new}, {left}", entry["original"], entry["reply"]]
            )
        case Kind.REASON:
            near = facts.get("kubernetes", {}).get("near", ())
            yield _list(f"perhaps: {sentence}" for sentence in near)
            yield _list(map(_source, facts["sources"]))
        case Kind.PLUGIN if step.says != PASSES and facts.get("records"):
            yield _list(facts["records"])


def _source(source: dict[str, str]) -> str:
    if not source["found"]:
        return f"no {source['kind']} {source['name']}"
    version = source["resourceVersion"]
    known = f", resourceVersion {version}" if version else ""
    return f"{source['kind']} {source['name']}{known}"


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{_breakable(line)}</li>" for line in lines)
    return f'<ul class="facts">{items}</ul>' if items else ""


def _packet(step: Step) -> str:
    """Return the bytes of the packet of a step, beside its fields."""
    if not step.wire:
        return ""
    packet = step.to_json()["packet"]
    fields = packet["fields"] or [
        {"start": 0, "end": len(step.wire), "name": "malformed", "value": ""}
    ]
    rows = "".join(
        f"<tr><td><code>{step.wire[f['start'] : f['end']].hex(' ')}</code></td>"
        f"<th>{in_html(f['name'])}</th><td>{_breakable(f['value'])}</td></tr>"
        for f in fields
    )
    return (
        f"<details><summary>{len(step.wire)} bytes</summary>"
        '<table class="packet"><thead><tr><th scope="col">bytes</th>'
        '<th scope="col">field</th><th scope="col">value</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )
