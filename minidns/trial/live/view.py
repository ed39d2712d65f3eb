"""The live view of a trial: what is known so far, and what is still needed."""

import asyncio
import os
import textwrap
from collections.abc import Iterator
from typing import TextIO

from minidns.text import foreign
from minidns.text.go_text import format_duration
from minidns.trial.arms import D
from minidns.trial.ledger import Ledger
from minidns.trial.live.conduct import Conduct
from minidns.trial.report.facts import ArmRow, Setup, report
from minidns.trial.report.formats import aligned
from minidns.trial.report.sentences import percent
from minidns.trial.report.tables import Table, milliseconds
from minidns.trial.statistics import lookups_needed
from minidns.trial.verdict import ODDS, Court

EVERY_S, LINE_EVERY_S = 1.0, 30.0
"""Seconds between two pictures on a terminal, and between two lines elsewhere."""
EPISODES = 10
"""Failures of one arm alone that convict somebody."""
_SUSPECTS = 4
_HEAD = ("arm", "way", "failed", "median", "p99", "failures")


async def follow(conduct: Conduct, terminal: TextIO | None) -> None:
    """Show a trial until cancelled: a picture on ``terminal``, or else plain lines."""
    height, has_begun = 0, False
    while True:
        await asyncio.sleep(LINE_EVERY_S if terminal is None else EVERY_S)
        if conduct.ledger is None and conduct.step is None:
            continue
        if terminal is None:
            conduct.session.tell(line(conduct))
            continue
        if conduct.ledger is not None and not has_begun:
            # the remarks on the names are below the last picture, and stay
            height, has_begun = 0, True
        picture = list(lines(conduct, os.get_terminal_size(terminal.fileno()).columns))
        # back to the first line of the last picture, and clear what is below
        back = f"\x1b[{height}A\x1b[J" if height else ""
        print(back + "\n".join(picture), file=terminal, flush=True)
        height = len(picture)


def line(conduct: Conduct) -> str:
    """Return one line about a trial that runs, or that its names are looked up."""
    if conduct.ledger is None:
        return str(conduct.step)
    return f"{_clock(conduct, conduct.ledger)}: {_likeliest(conduct)}"


def lines(conduct: Conduct, width: int) -> Iterator[str]:
    """Yield the lines of a picture: the arms, the suspects, and what is needed.

    Each line has less than ``width`` characters: the picture is overwritten by the
    next one, and a line that the terminal breaks would shift it.
    """
    ledger = conduct.ledger
    if ledger is None:
        yield from _wrapped(line(conduct), width)
        return
    verdict = conduct.verdict or Court.of(ledger).verdict(ledger)
    facts = report(ledger, verdict, Setup(conduct.started, ""), failures=False)
    yield from _wrapped(_clock(conduct, ledger), width)
    yield from _table(list(map(_row, facts.arms)), width)
    yield from _wrapped(f"likeliest: {_likeliest(conduct)}", width)
    if conduct.verdict and facts.separating:
        yield from _wrapped(facts.separating, width)
    yield from _wrapped(_needed(conduct, ledger), width)


def _table(rows: list[tuple[str, ...]], width: int) -> list[str]:
    """Return the table of the arms with as many columns as fit, two at least."""
    for columns in range(len(_HEAD), 1, -1):
        table = Table("", _HEAD[:columns], [row[:columns] for row in rows])
        shown = [row.rstrip() for row in aligned(table)]
        if max(map(len, shown)) < width:
            break
    return [row[: width - 1] for row in shown]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(foreign.escaped(text), width - 1, subsequent_indent="  ")


def _row(row: ArmRow) -> tuple[str, ...]:
    """Return the cells of an arm; a single CoreDNS pod is named by its pod."""
    _, _, replica = row.target.partition(" ")
    is_single = row.arm == D.name and replica
    return (
        row.arm,
        replica if is_single else row.way,
        f"{row.failures} of {row.lookups}",
        milliseconds(row.median_s),
        milliseconds(row.p99_s),
        row.kinds,
    )


def _clock(conduct: Conduct, ledger: Ledger) -> str:
    return (
        f"{format_duration(round(ledger.seconds))} of at most "
        f"{format_duration(conduct.pace.limit_s)}, {ledger.ticks} lookups over each "
        f"arm, {ledger.episodes} failures"
        + (f", {ledger.discarded} left out: late clients" if ledger.discarded else "")
    )


def _likeliest(conduct: Conduct) -> str:
    verdict = conduct.verdict
    if verdict is None or not verdict.ranking:
        return "no suspect yet"
    entries = verdict.ranking[:_SUSPECTS]
    return ", ".join(
        f"{r.accusation.suspect} {r.accusation.part}".strip()
        + f" {percent(r.probability)}"
        for r in entries
    )


def _needed(conduct: Conduct, ledger: Ledger) -> str:
    """Return what is still needed for a verdict."""
    left = lookups_needed(conduct.pace.rate, EPISODES) - ledger.ticks
    odds = conduct.verdict.odds if conduct.verdict else None
    needs = f"odds of 1:{ODDS:.0f}"
    if odds is not None:
        needs += f" (now 1:{odds:.0f})"
        if odds >= ODDS:
            needs += ", and failures at more moments"
    return (
        f"needed for a verdict: {needs}; about {max(left, 0)} more lookups over each "
        f"arm show a rate of {percent(conduct.pace.rate)}"
    )
