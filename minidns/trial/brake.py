"""The brake of a trial: it stops if CoreDNS gets slower or fails more while it runs.

Each CoreDNS pod is watched through the lookups that it gets directly. Its first lookups
are the measure for later ones, so that the failures which the trial is made for do not
stop it: only what has become worse since the start does.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from minidns.dns.model import Rcode
from minidns.trial.arms import D, Target
from minidns.trial.lookup import Outcome, Result

LOOKUPS = 100
"""Lookups of a pod that are the measure, and later ones that are compared with it."""
FACTOR, SLACK_S = 3.0, 0.02
"""A median latency above FACTOR times the first one and SLACK_S is harm."""
MORE_FAILURES = 0.2
"""A share of failures that is higher by this much is harm."""


@dataclass(slots=True)
class _Pod:
    first: list[Result] = field(default_factory=list)
    last: deque[Result] = field(default_factory=lambda: deque(maxlen=LOOKUPS))


@dataclass(slots=True)
class Brake:
    """Watches CoreDNS's pods; `reason` says why a trial must stop."""

    reason: str = ""
    """Empty as long as nothing has become worse."""
    _pods: dict[Target, _Pod] = field(default_factory=dict)

    def watch(self, target: Target, result: Result) -> None:
        """Take note of a lookup."""
        if target.arm != D or self.reason:
            return
        pod = self._pods.setdefault(target, _Pod())
        if len(pod.first) < LOOKUPS:
            pod.first.append(result)
            return
        pod.last.append(result)
        if len(pod.last) == LOOKUPS:
            self.reason = _harm(target.replica, pod)
            if not self.reason:
                pod.last.clear()


def _harm(name: str, pod: _Pod) -> str:
    failed, before = _failed(pod.last), _failed(pod.first)
    if failed > before + MORE_FAILURES:
        return f"{name} fails {failed:.0%} of lookups, {before:.0%} at the start"
    latency_s, was_s = _median_s(pod.last), _median_s(pod.first)
    if latency_s > FACTOR * was_s + SLACK_S:
        return (
            f"{name} answers in {1000 * latency_s:.0f} ms, "
            f"in {1000 * was_s:.0f} ms at the start"
        )
    return ""


def _failed(results: Iterable[Result]) -> float:
    """Return the share of lookups without an answer from the server."""
    failures = [
        result.outcome is not Outcome.REPLIED or result.rcode == Rcode.SERVFAIL
        for result in results
    ]
    return sum(failures) / len(failures)


def _median_s(results: Iterable[Result]) -> float:
    """Return the median latency of the replies; 0 without one."""
    replied = [r.latency_s for r in results if r.outcome is Outcome.REPLIED]
    return median(replied) if replied else 0.0
