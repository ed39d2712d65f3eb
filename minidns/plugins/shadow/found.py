"""What *shadow* found: counts for metrics, and the last differences in full."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from minidns.metrics.registry import Metrics
from minidns.probe.differences import Class

MAX_RECORDS, MAX_LETTERS = 20, 300
"""Records kept of one answer, and letters of each: an answer may have 64 KB."""


class Found:
    """Counts of a *shadow*, and at most ``keep`` differences."""

    def __init__(self, keep: int, metrics: Metrics) -> None:
        self.questions = 0
        """Questions that were asked of at least one server, all rounds over."""
        self.differing = 0
        """Questions in which a server differs otherwise than by TTL or order."""
        self.skipped: Counter[str] = Counter()
        """Replies that no question was taken from, by the reason."""
        self.classes: Counter[Class] = Counter()
        self.kept: deque[Mapping[str, Any]] = deque(maxlen=keep)
        """Differences as JSON, the newest last."""
        self._questions = metrics.counter(
            "minidns_shadow_questions_total",
            "Questions of clients that were also asked of the servers of shadow.",
        )
        self._differences = metrics.counter(
            "minidns_shadow_differences_total",
            "Differences between our answers and those of the servers of shadow.",
            ("class",),
        )
        self._skipped = metrics.counter(
            "minidns_shadow_skipped_total",
            "Due replies that shadow took no question from.",
            ("reason",),
        )

    def skip(self, reason: str) -> None:
        """Count a reply that no question is taken from."""
        self.skipped[reason] += 1
        self._skipped.inc((reason,))

    def add_question(self, *, differs: bool) -> None:
        """Count a question whose rounds are over."""
        self.questions += 1
        self.differing += differs
        self._questions.inc()

    def count(self, kind: Class) -> None:
        """Count a difference of class ``kind``."""
        self.classes[kind] += 1
        self._differences.inc((str(kind),))

    def keep(self, difference: Mapping[str, Any]) -> None:
        """Keep a difference, as JSON, in place of the oldest if there is no room."""
        sides = {side: _shortened(difference[side]) for side in ("reference", "answer")}
        self.kept.append({**difference, **sides})


def _shortened(outcome: Mapping[str, Any]) -> Mapping[str, Any]:
    records = outcome["records"]
    shown = [record[:MAX_LETTERS] for record in records[:MAX_RECORDS]]
    if more := len(records) - len(shown):
        shown.append(f"... and {more} more")
    return {**outcome, "records": shown}
