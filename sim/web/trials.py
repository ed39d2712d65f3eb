"""Trials that the page starts: `minidns-sim trial` with its live odds."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

from minidns.text.arguments import not_one_of
from minidns.trial.report.facts import Setup, report
from minidns.trial.run import Event, Progress
from minidns.web.source import Document, Publish, Wrong, text_of

from ..node import fault_words
from ..trial.causes import CAUSES
from ..trial.play import play

RAREST = Fraction(1, 1000)
"""A page waits for the verdict; rarer causes take minutes."""


class _Stopped(Exception):
    """The page server ends."""


class Trials:
    """At most one trial at a time, in a thread of its own."""

    def __init__(self, publish: Publish) -> None:
        """Send its progress to ``publish``, from the thread of the trial."""
        self._publish = publish
        self._thread = ThreadPoolExecutor(1, "trial")
        self._running = False
        self._stopping = False
        self._last: Document | None = None
        self._seed = 0

    def state(self) -> Mapping[str, Any]:
        """Return the last event, for pages that open later."""
        return {} if self._last is None else {"trial": self._last}

    def stop(self) -> None:
        """End the trial that runs, at its next event."""
        self._stopping = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def start(self, document: Document) -> Document:
        """Start a trial; its events follow.

        Raises:
            Wrong: another one runs, or there is no such cause or rate.

        """
        cause, words = text_of(document, "plant"), text_of(document, "rate")
        if cause not in CAUSES:
            raise Wrong(not_one_of(cause, CAUSES))
        try:
            rate = fault_words.rate(words)
        except ValueError as error:
            raise Wrong(str(error)) from None
        if not RAREST <= rate <= Fraction(1, 2):
            raise Wrong(f"{words}: a rate from {RAREST} to 1/2 is needed")
        if self._running:
            raise Wrong("A trial is running already; it ends by itself")
        self._running = True
        self._seed += 1
        self._tell(f"Looking for {cause} at {rate}: the first lookups", [])
        loop = asyncio.get_running_loop()
        loop.run_in_executor(self._thread, self._play, cause, rate, self._seed)
        return {}

    # -- in the thread of the trial

    def _play(self, cause: str, rate: Fraction, seed: int) -> None:
        try:
            played = play(cause, rate, seed, tell=self._progress)
            repeat = f"minidns-sim trial --plant {cause} --rate {rate} --seed {seed}"
            setup = Setup(played.started, repeat, f"simulated, with {cause} planted")
            facts = report(played.ledger, played.verdict, setup)
            said = f"{facts.sentence} Planted: {cause}. Repeat: {repeat}"
            self._tell(said, _odds(played.verdict.ranking))
        except _Stopped:
            pass
        finally:
            self._running = False

    def _progress(self, event: Event) -> None:
        if self._stopping:
            raise _Stopped
        if isinstance(event, Progress):
            plural = "round" if event.ticks == 1 else "rounds"
            said = f"{event.ticks} {plural} of lookups in {event.seconds:.0f} s"
            self._tell(said, _odds(event.verdict.ranking))

    def _tell(self, said: str, odds: list[tuple[str, float]]) -> None:
        self._last = {"said": said, "odds": odds}
        self._publish("trial", self._last)


def _odds(ranking: Any) -> list[tuple[str, float]]:  # noqa: ANN401
    return [
        (str(each.accusation.suspect.value), round(each.probability, 4))
        for each in ranking
    ]
