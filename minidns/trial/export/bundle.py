"""The bundle: a page with the redacted report and the scenario that replays it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minidns.dns import names
from minidns.dns.model import Name
from minidns.text.moments import parse
from minidns.trial.export import replay
from minidns.trial.export.redaction import Redaction
from minidns.trial.export.replay import Moment
from minidns.trial.suspects import Suspect

MAX_FAILURES = 50
"""Failures in a bundle; more of one cause add nothing."""
_FACTS = {
    "verdict": "verdict",
    "probability": "probability",
    "odds": "odds against the runner-up",
    "runner_up": "runner-up",
    "bound": "rate of failures at most",
    "seconds": "seconds",
    "lookups": "lookups of each arm",
}
"""Facts of a report that are numbers or words of minidns, with their titles."""
_ARMS = ("arm", "way", "target", "lookups", "failures", "episodes", "kinds")
_SUSPECTS = ("suspect", "part", "probability")
_FAILURES = (
    "seconds",
    "arm",
    "pod",
    "node",
    "name",
    "kind",
    "rcode",
    "answer",
    "replica",
)
_NEVER = 1e12


def failed_names(report: Mapping[str, Any], zone: str) -> list[Name]:
    """Return the names below ``zone`` that failed in a report, each once."""
    found = (names.absolute(row["name"]) for row in report["failures"][:MAX_FAILURES])
    is_ours = names.absolute(zone)
    return [name for name in dict.fromkeys(found) if replay.is_asked(name, is_ours)]


def bundle(
    report: Mapping[str, Any], journal: Mapping[str, Any] | None, zone: str
) -> str:
    """Return the page of a trial, from its report as JSON and from a server's journal.

    Raises:
        KeyError, TypeError, ValueError: they do not have the form of either.

    """
    redaction = Redaction(zone)
    # the objects first: they say which addresses are those of Services
    moments = [] if journal is None else list(replay.changes(journal, redaction))
    failures = [_failure(row, redaction) for row in report["failures"][:MAX_FAILURES]]
    since = moments[0].at if moments else _NEVER
    for row, shown in zip(report["failures"], failures, strict=False):
        at, name = parse(row["time"], _NEVER), names.absolute(shown["name"])
        if at >= since and replay.is_asked(name, names.absolute(zone)):
            comment = f"{shown['seconds']} s: arm {shown['arm']}, {shown['kind']}"
            moments.append(Moment(at, asked=name, comment=comment))
    lines = [*_page(report, failures, redaction)]
    if any(moment.asked for moment in moments):
        scenario = replay.commands(moments, names.absolute(zone))
        lines += ["", "## Replay", "", *_REPLAY, "", "```scenario", *scenario, "```"]
    return "\n".join(lines) + "\n"


_REPLAY = (
    "The objects as they were, and what was right at the moment of each failure.",
    "`minidns-sim run FILE` plays it, and says where minidns answers differently.",
)


def _failure(row: Mapping[str, Any], redaction: Redaction) -> dict[str, str]:
    shown = {key: str(row[key]) for key in _FAILURES}
    for key, kind in (("pod", "pod"), ("node", "node"), ("replica", "pod")):
        shown[key] = redaction.word(kind, shown[key])
    shown["name"] = redaction.dns_name(shown["name"])
    shown["answer"] = " ".join(map(redaction.address, shown["answer"].split()))
    return shown


def _page(
    report: Mapping[str, Any],
    failures: Sequence[Mapping[str, str]],
    redaction: Redaction,
) -> Iterator[str]:
    yield f"# Trial: {report['verdict']}"
    yield ""
    yield "Names and addresses are replaced, the same ones by the same."
    yield ""
    for key, title in _FACTS.items():
        if report[key] is not None:
            yield f"- {title}: {report[key]}"
    arms = [_arm(row, redaction) for row in report["arms"]]
    yield from _table("Arms", _ARMS, arms)
    suspects = [_suspect(row, redaction) for row in report["suspects"]]
    yield from _table("Suspects", _SUSPECTS, suspects)
    yield from _table("Failures", _FAILURES, failures)


def _arm(row: Mapping[str, Any], redaction: Redaction) -> dict[str, str]:
    """Return an arm whose target is an address, and a pod unless it is a ClusterIP."""
    shown = {key: str(row[key]) for key in _ARMS}
    address, _, pod = shown["target"].partition(" ")
    if pod:
        shown["target"] = f"{redaction.address(address)} {redaction.word('pod', pod)}"
    else:
        shown["target"] = redaction.address(address, "cluster")
    return shown


def _suspect(row: Mapping[str, Any], redaction: Redaction) -> dict[str, str]:
    shown = {key: str(row[key]) for key in _SUSPECTS}
    kind = "node" if shown["suspect"] == Suspect.NODE else "pod"
    return shown | {"part": redaction.word(kind, shown["part"])}


def _table(
    title: str, head: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| {' | '.join(head)} |")
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row[key].replace('|', '/') for key in head)} |"
