"""Figures as a table: a row for each measurement, a column for each server."""

from collections.abc import Iterator, Sequence

from bench.figures import CPU, ECHO, OURS, RATE, Figure, Figures
from bench.goals import GOALS, Goal
from bench.workloads import DOT, WORKLOADS

TITLES = {
    "repeated": "repeated cluster names",
    "repeated-9000": "the same, 9,000 names",
    "never-repeated": "never-repeated names (NXDOMAIN)",
    "new-endpoints": "never-repeated endpoints, by the chain",
    "external-cached": "external names in the cache",
    "external-new": "external names not in the cache",
    "external-alias": "the same, each an alias",
    "external-denied": "the same, none exists (NXDOMAIN)",
    "external-nodata": "the same, no records (NODATA)",
    "chain-a": "A through the chain",
    "chain-srv": "SRV through the chain",
    "chain-ptr": "PTR through the chain",
    "chain-headless": "A of a headless Service through the chain",
    "chain-alias": "ExternalName through the chain",
    "many-a": "A of 10,000 endpoints, UDP",
    "many-srv": "SRV of 10,000 endpoints, UDP",
    "many-a-tcp": "A of 10,000 endpoints, TCP",
    "many-srv-tcp": "SRV of 10,000 endpoints, TCP",
    "expiring": "the same, 1,000 external names expire together every 5 s",
    "mix": "the mix of a real cluster",
    "tcp": "the mix over TCP, 20 connections",
    "nodelocal": "the mix over TCP, 100 connections with one query in flight",
    "tcp-once": "the mix over TCP, a connection per query",
    "dot": "the mix over TLS (DoT), 20 connections",
    "mix-beside": "the mix beside 100 writes a second that do not affect DNS",
    "mix-changing": "the mix with 100 changes a second",
    "half-capacity": "latency at half of its own capacity",
    "same-rate": "latency at half of the slowest's capacity",
    "memory-ready": "memory when ready",
    "memory-asked": "memory after 100,000 queries",
    "memory-peak": "peak in a relist (streaming)",
    "memory-peak-pages": "peak in a relist (pages)",
    "stall": "longest stall in it (streaming)",
    "stall-pages": "longest stall in it (pages)",
    "start": "start to ready",
    "start-small": "start to ready, small cluster",
    "memory-small": "memory, small cluster",
    "rest-small": "CPU at rest with probes every 10 s, small cluster",
    "simulation": "start of the simulated cluster (minidns-sim up)",
    "change-1": "change to answer after the write, 1 a second",
    "change-100": "change to answer after the write, 100 a second",
    "event-1": "change to answer after the event, 1 a second",
    "event-100": "change to answer after the event, 100 a second",
    "relist": "work for it (streaming)",
    "relist-pages": "work for it (pages)",
}


_BY_TCP = frozenset(load.name for load in (*WORKLOADS, DOT) if load.transport != "udp")


def rows(figures: Figures) -> list[list[str]]:
    """Return the table, its head first; every goal has a row."""
    servers = figures.servers
    head = ["", "", *servers]
    head += ["x C"] if ECHO in servers else []
    table = [[*head, "goal", ""]]
    measured = dict.fromkeys((figure.what, figure.unit) for figure in figures.figures)
    for what, unit in measured:
        cells = [_cell(figures.get(what, unit, server)) for server in servers]
        row = [TITLES.get(what, what), unit, *cells]
        if ECHO in servers:
            row.append(_ratio(figures, what, unit))
        goals = [goal for goal in GOALS if (goal.what, goal.unit) == (what, unit)]
        table += _with_goals(row, goals, figures)
    return table


def _with_goals(
    row: list[str], goals: Sequence[Goal], figures: Figures
) -> Iterator[list[str]]:
    if not goals:
        yield [*row, "", ""]
    for goal in goals:
        yield [*row, goal.text.replace("  ", " "), goal.verdict(figures)]
        row = [""] * len(row)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    text = str(figure)
    if figure.lost:
        text += f", {figure.lost} lost"
    return f"INVALID: {figure.wrong} wrong" if figure.wrong else text


def _ratio(figures: Figures, what: str, unit: str) -> str:
    """Return the cost of minidns as a multiple of the echo's."""
    if unit not in (CPU, RATE) or what in _BY_TCP:
        return ""
    ours = figures.median(what, unit, OURS)
    echo = figures.median(what, unit, ECHO) or figures.median("repeated", unit, ECHO)
    return f"{ours / echo:.2f}" if ours and echo else ""


def text(figures: Figures) -> str:
    """Return the table for a terminal."""
    table = rows(figures)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    )


def markdown(figures: Figures) -> str:
    """Return the table for a document."""
    head, *body = rows(figures)
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
