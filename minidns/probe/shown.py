"""Differences as JSON for programs, and in lines for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minidns.dns import rdata
from minidns.probe.differences import Difference
from minidns.probe.lookup import LookupResult


def as_json(difference: Difference, labels: Sequence[str]) -> dict[str, Any]:
    """Return a difference as JSON; ``labels`` name the servers in their order."""
    fault = difference.at_fault
    return {
        "name": difference.question.qname,
        "type": rdata.type_name(difference.question.qtype),
        "class": str(difference.kind),
        "is_fault": difference.kind.is_fault,
        "change": difference.change,
        "at_fault": labels[fault - 1] if fault else None,
        "reference": _outcome(difference.reference),
        "server": labels[difference.server - 1],
        "answer": _outcome(difference.other),
    }


def _outcome(outcome: LookupResult | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    lines = outcome.answer.lines() if outcome.answer else []
    return {
        "records": lines,
        "failure": outcome.failure,
        "reason": outcome.reason,
        "milliseconds": round(1000 * outcome.seconds, 3),
        "transport": outcome.transport,
    }


def lines(tree: Mapping[str, Any], reference: str) -> Iterator[str]:
    """Yield a difference, as ``as_json`` gives it, for people.

    ``reference`` is what the first server is called.
    """
    why = f" ({tree['change']})" if tree["change"] else ""
    blamed = f", at {tree['at_fault']}" if tree["at_fault"] else ""
    yield f"{tree['name']} {tree['type']}: {tree['class']}{why}{blamed}"
    yield f"    {reference}: {_content(tree['reference'])}"
    yield f"    {tree['server']}: {_content(tree['answer'])}"


def _content(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return ""
    return "; ".join(outcome["records"]) or outcome["reason"] or outcome["failure"]
