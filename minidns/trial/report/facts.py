"""The facts of a report as values; every format shows the same ones."""

from dataclasses import dataclass
from typing import NamedTuple

from minidns.dns.model import Rcode
from minidns.dns.rdata import rcode_name
from minidns.text.moments import rfc3339
from minidns.trial.arms import ARMS, Arm, Layout, Manner, NameKind, Target, V
from minidns.trial.ledger import Failure, Ledger, TargetRecord
from minidns.trial.report.sentences import headline, next_steps, ranked_words
from minidns.trial.statistics import rate_bound
from minidns.trial.suspects import Suspect, inseparable, separating
from minidns.trial.verdict import Court, Ranked, Verdict

EXIT_STATUS = {
    Suspect.NONE: 0,
    Suspect.UNDECIDED: 3,
    Suspect.SOFTWARE: 10,
    Suspect.VERSION: 11,
    Suspect.CONFIGURATION: 12,
    Suspect.REPLICA: 13,
    Suspect.PATH: 20,
    Suspect.SERVICE: 21,
    Suspect.NODE: 22,
    Suspect.UPSTREAM: 23,
    Suspect.STALE: 24,
    Suspect.CLIENT: 25,
    Suspect.INTERCEPTOR: 26,
    Suspect.MINIDNS: 27,
    Suspect.EVERYTHING: 28,
}
"""Exit statuses of a trial: 10 to 19 blame CoreDNS, 20 to 29 something else."""


class Setup(NamedTuple):
    """What a report says besides the ledger."""

    started: float
    """Seconds since the epoch."""
    repeat: str
    """The command that repeats the trial."""
    cluster: str = ""
    """The cluster, for people."""


class ArmRow(NamedTuple):
    """The counts of one target."""

    arm: str
    way: str
    target: str
    """The address, with the replica if it is one."""
    lookups: int
    failures: int
    episodes: int
    rate: float
    """Episodes per lookup."""
    bound: float
    """Upper bound of the rate with 95 % confidence."""
    median_s: float | None
    p99_s: float | None
    kinds: str


class FailureRow(NamedTuple):
    """One failed lookup."""

    seconds: float
    """Since the start."""
    time: str
    """UTC, ISO 8601."""
    arm: str
    pod: str
    node: str
    name: str
    names: str
    """The kind of name."""
    manner: str
    kind: str
    latency_ms: float
    rcode: str
    answer: str
    replica: str
    transport: str
    source_port: int
    ident: int
    objects: str
    begins_episode: bool


class SuspectRow(NamedTuple):
    """A suspect with its probability."""

    suspect: str
    part: str
    probability: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says."""

    verdict: Suspect
    sentence: str
    part: str
    probability: float | None
    odds: float | None
    runner_up: str | None
    evidence: float | None
    bound: float
    rate_to_find: float
    seconds: float
    lookups: int
    """Lookups of each target."""
    discarded: int
    """Lookups of each target that do not count, as their client was late itself."""
    started: str
    comparison: str
    arms: tuple[ArmRow, ...]
    suspects: tuple[SuspectRow, ...]
    failures: tuple[FailureRow, ...]
    unlisted: int
    stopped: str
    """Why the trial stopped itself before its end; empty if it did not."""
    separating: str
    not_tested: tuple[str, ...]
    next_steps: tuple[str, ...]
    repeat: str
    cluster: str


def report(
    ledger: Ledger, verdict: Verdict, setup: Setup, *, failures: bool = True
) -> Report:
    """Return the report of a trial, whether it is over, was interrupted or goes on.

    Without ``failures`` the single failures are left out.
    """
    best, second = verdict.best, verdict.runner_up
    return Report(
        verdict.suspect,
        headline(verdict, ledger),
        best.accusation.part if best and verdict.is_decided else "",
        best.probability if best else None,
        verdict.odds,
        str(second.accusation.suspect) if second else None,
        verdict.evidence,
        verdict.bound,
        ledger.rate,
        round(ledger.seconds, 3),
        ledger.ticks,
        ledger.discarded,
        rfc3339(setup.started),
        _comparison(verdict),
        tuple(_arm_row(ledger, target) for target in ledger.layout.targets),
        tuple(map(_suspect_row, verdict.ranking)),
        tuple(
            _failure_row(failure, setup)
            for failure in (ledger.failures if failures else ())
        ),
        ledger.unlisted,
        ledger.brake.reason,
        _separating(ledger, best, second) if best and second else "",
        tuple(not_tested(ledger.layout)),
        next_steps(verdict),
        setup.repeat,
        setup.cluster,
    )


def _arm_row(ledger: Ledger, target: Target) -> ArmRow:
    record = ledger.targets.get(target, TargetRecord())
    kinds = ", ".join(f"{n} x {kind}" for kind, n in record.kinds.most_common())
    return ArmRow(
        target.arm.name,
        _way(ledger.layout, target.arm),
        f"{target.address} {target.replica}".strip(),
        record.lookups,
        record.failures,
        record.episodes,
        record.episodes / record.lookups if record.lookups else 0.0,
        rate_bound(record.episodes, record.lookups),
        _percentile_s(record, 50),
        _percentile_s(record, 99),
        kinds,
    )


def _way(layout: Layout, arm: Arm) -> str:
    """Return the way of an arm, with the release of CoreDNS where it matters."""
    if arm == V and layout.other_release:
        return f"CoreDNS {layout.other_release}"
    return arm.way


def _percentile_s(record: TargetRecord, percent: float) -> float | None:
    """Return a percentile of the latencies in seconds, None without a reply."""
    latencies = record.latencies
    return latencies.percentile(percent) if latencies.count else None


def _suspect_row(entry: Ranked) -> SuspectRow:
    accusation = entry.accusation
    return SuspectRow(str(accusation.suspect), accusation.part, entry.probability)


def _failure_row(failure: Failure, setup: Setup) -> FailureRow:
    result, subject = failure.result, failure.subject
    replied = result.rcode != Rcode.NOERROR or bool(result.addresses)
    return FailureRow(
        round(failure.at_s, 3),
        rfc3339(setup.started + failure.at_s),
        failure.target.arm.name,
        failure.client.pod,
        failure.client.node,
        subject.name,
        str(subject.kind),
        str(subject.manner),
        f"{failure.kind}{', asked again' if failure.is_asked_again else ''}",
        round(1000 * result.latency_s, 3),
        rcode_name(result.rcode) if replied else "",
        " ".join(sorted(result.addresses)),
        failure.target.replica or result.replica,
        result.transport,
        result.source_port,
        result.ident,
        subject.objects,
        failure.begins_episode,
    )


def _comparison(verdict: Verdict) -> str:
    """Return CoreDNS against minidns in words, with both sequential tests."""
    pair = verdict.comparison
    text = f"CoreDNS over kube-dns failed {pair.coredns} times, minidns {pair.minidns}"
    if pair.evidence >= 20:
        return f"{text}: CoreDNS fails more often (e-value {pair.evidence:.3g} >= 20)."
    if pair.is_three_times is False:
        return f"{text}: CoreDNS does not fail three times as often (Wald, 5 %)."
    return f"{text}: this alone decides nothing (e-value {pair.evidence:.3g} < 20)."


def _separating(ledger: Ledger, best: Ranked, second: Ranked) -> str:
    """Return which lookups tell the two likeliest suspects apart."""
    court = Court.of(ledger)
    pair = (best.accusation, second.accusation)
    cells = separating(ledger.layout, *(court.by_accusation[one] for one in pair))
    names = f"{ranked_words(best)} and {ranked_words(second)}"
    if not cells:
        return f"No lookup of this trial tells {names} apart."
    arms = dict.fromkeys(cell.arm.name for cell in cells)
    text = f"What tells {names} apart: arms {', '.join(arms)}"
    kinds = {cell.names for cell in cells}
    if len(kinds) < len(ledger.layout.names):
        text += f", {' and '.join(sorted(kinds))} names"
    if {cell.manner for cell in cells} == {Manner.LIBC}:
        text += ", libc-like lookups"
    return f"{text}."


def not_tested(layout: Layout) -> list[str]:
    """Return what a trial with ``layout`` cannot find out, in sentences."""
    present = {target.arm.name for target in layout.targets}
    result = [
        f"Arm {arm.name} ({arm.way}) was not there."
        for arm in ARMS
        if arm.name not in present
    ]
    if len(layout.nodes) < 2:
        result.append("All clients were on one node: its faults look like everyone's.")
    if len(layout.replicas) < 2:
        result.append("CoreDNS had one replica: a bad replica looks like bad software.")
    result += [
        f"No {kind} names were looked up."
        for kind in NameKind
        if kind not in layout.names
    ]
    result += [
        f"These cannot be told apart: {', '.join(group)}."
        for group in inseparable(layout)
        if len(group) > 1
    ]
    result.append("Only the names, types and clients of this trial were tested.")
    return result
