"""The live view of a trial: what is known so far, and what is still needed."""

import asyncio
from collections.abc import Iterator
from typing import TextIO

from minidns.text import foreign
from minidns.text.go_text import format_duration
from minidns.trial.ledger import Ledger
from minidns.trial.live.conduct import Conduct
from minidns.trial.report.facts import Setup, report
from minidns.trial.report.formats import aligned
from minidns.trial.report.sentences import percent
from minidns.trial.report.tables import tables
from minidns.trial.statistics import lookups_needed
from minidns.trial.verdict import ODDS, Court

EVERY_S, LINE_EVERY_S = 1.0, 30.0
"""Seconds between two pictures on a terminal, and between two lines elsewhere."""
EPISODES = 10
"""Failures of one arm alone that convict somebody."""
_SUSPECTS = 4


async def follow(conduct: Conduct, terminal: TextIO | None) -> None:
    """Show a trial until cancelled: a picture on ``terminal``, or else plain lines."""
    height = 0
    while True:
        await asyncio.sleep(LINE_EVERY_S if terminal is None else EVERY_S)
        if conduct.ledger is None:
            continue
        if terminal is None:
            conduct.session.tell(line(conduct))
            continue
        picture = [foreign.escaped(text) for text in lines(conduct)]
        # back to the first line of the last picture, and clear what is below
        back = f"\x1b[{height}A\x1b[J" if height else ""
        print(back + "\n".join(picture), file=terminal, flush=True)
        height = len(picture)


def line(conduct: Conduct) -> str:
    """Return one line about a trial that runs."""
    ledger = conduct.ledger
    assert ledger is not None
    return f"{_clock(conduct, ledger)}: {_likeliest(conduct)}"


def lines(conduct: Conduct) -> Iterator[str]:
    """Yield the lines of a picture: the arms, the suspects, and what is needed."""
    ledger = conduct.ledger
    assert ledger is not None
    yield _clock(conduct, ledger)
    verdict = conduct.verdict or Court.of(ledger).verdict(ledger)
    facts = report(ledger, verdict, Setup(conduct.started, ""), failures=False)
    yield from aligned(tables(facts)[0])
    yield f"likeliest: {_likeliest(conduct)}"
    if facts.separating:
        yield facts.separating
    yield _needed(conduct, ledger)


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
    now = f"odds 1:{odds:.0f} of 1:{ODDS:.0f}" if odds is not None else ""
    return (
        f"needed: {now or f'odds of 1:{ODDS:.0f}'}; about {max(left, 0)} more lookups "
        f"show a rate of {percent(conduct.pace.rate)}"
    )
