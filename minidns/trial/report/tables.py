"""The tables and lines of a report as cells of text, the same for all formats."""

from typing import NamedTuple

from minidns.trial.report.facts import ArmRow, FailureRow, Report
from minidns.trial.report.sentences import percent

MOST_ROWS = 20
"""Failures that text and Markdown show; JSON has all of the ledger."""
_ARM_HEAD = (
    "arm",
    "way",
    "target",
    "lookups",
    "failed",
    "episodes",
    "episode rate",
    "at most",
    "median",
    "p99",
    "kinds",
)
_FAILURE_HEAD = (
    "time",
    "arm",
    "pod",
    "node",
    "name",
    "lookup",
    "failure",
    "latency",
    "rcode",
    "answer",
    "replica",
    "objects",
)


class Table(NamedTuple):
    """A table with its title."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(report: Report, most: int = MOST_ROWS) -> list[Table]:
    """Return the tables of a report, with at most ``most`` failures."""
    return [
        Table(
            "Arms",
            _ARM_HEAD,
            [_arm(row) for row in report.arms],
        ),
        Table(
            "Suspects",
            ("suspect", "part", "probability"),
            [(s.suspect, s.part, percent(s.probability)) for s in report.suspects],
        ),
        Table(
            _failures_title(report, most),
            _FAILURE_HEAD,
            [_failure(row) for row in report.failures[:most]],
        ),
    ]


def _failures_title(report: Report, most: int) -> str:
    total = len(report.failures) + report.unlisted
    shown = min(most, len(report.failures))
    if shown < total:
        return f"Failures (the first {shown} of {total})"
    return f"Failures ({total})"


def _arm(row: ArmRow) -> tuple[str, ...]:
    return (
        row.arm,
        row.way,
        row.target,
        str(row.lookups),
        str(row.failures),
        str(row.episodes),
        percent(row.rate),
        percent(row.bound),
        milliseconds(row.median_s),
        milliseconds(row.p99_s),
        row.kinds,
    )


def milliseconds(seconds: float | None) -> str:
    """Return a time with three digits that count; empty for None."""
    return "" if seconds is None else f"{float(f'{1000 * seconds:.3g}'):g} ms"


def _failure(row: FailureRow) -> tuple[str, ...]:
    return (
        row.time,
        row.arm,
        row.pod,
        row.node,
        row.name,
        f"{row.names} {row.manner}",
        row.kind + ("" if row.begins_episode else " (same episode)"),
        milliseconds(row.latency_ms / 1000),
        row.rcode,
        row.answer,
        row.replica,
        row.objects,
    )


def facts(report: Report) -> list[str]:
    """Return the facts below the sentence, one line each."""
    result = [
        f"{report.lookups} lookups over each arm in {report.seconds:.0f} s from "
        f"{report.started}, to find a rate of failures of "
        f"{percent(report.rate_to_find)}.",
        report.comparison,
    ]
    if report.discarded:
        result.append(
            f"{report.discarded} lookups over each arm do not count: the client's own "
            "machine was late then, which looks like a late reply."
        )
    if report.stopped:
        result.append(f"The trial stopped itself before its end: {report.stopped}.")
    if report.evidence is not None:
        result.append(
            "The accused lookups fail more often than the others: e-value "
            f"{min(report.evidence, 1e6):.0f} (20 means an error of at most 5 %)."
        )
    if report.separating:
        result.append(report.separating)
    if report.cluster:
        result.append(f"Cluster: {report.cluster}.")
    return result
