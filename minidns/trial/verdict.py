"""The verdict: which suspect the observations of a trial accuse, and how surely.

A suspect is convicted if it is `ODDS` times as likely as the next one, if the lookups
that it accuses fail more often than the others with an error of `ALPHA` at most (of
`ALPHA_COREDNS` if that blames CoreDNS), and if they failed at `MOMENTS` different
times. "Not reproduced" needs the same odds against every fault of the rate that was
looked for. An interceptor needs no statistics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

from minidns.trial.arms import Cell
from minidns.trial.ledger import Ledger, Tally
from minidns.trial.statistics import (
    Hypothesis,
    compare_rates,
    e_value,
    log_sum,
    mean_e_value,
    posterior,
    rate_bound,
)
from minidns.trial.suspects import Accusation, Suspect, hypotheses

ODDS = 200.0
"""Likelihood of the best suspect over the second: with 11 suspects an error of 5 %."""
ALPHA = 0.05
ALPHA_COREDNS = 0.01
"""The error of blaming CoreDNS, which is what a trial is asked about."""
CERTAIN = ODDS
"""E-value from which chance alone is no explanation any more: alpha for 10 suspects."""
MOMENTS = 5
"""Different times at which the accused lookups must have failed."""
MOST_ODDS = 1e6
"""Odds are not stated beyond this: no model is that true."""

_Hypothesis = Hypothesis[Cell, Accusation]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A suspect with its probability after the trial."""

    accusation: Accusation
    """The likeliest accusation of the suspect."""
    probability: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """CoreDNS over kube-dns (arm A) against minidns over kube-dns-2 (arm M)."""

    coredns: int
    """Episodes of arm A."""
    minidns: int
    evidence: float
    """E-value: 1/alpha or more shows that A fails more often, with the error alpha."""
    is_three_times: bool | None
    """Whether A fails three times as often as M (Wald); None: not known yet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trial says."""

    suspect: Suspect
    """The class; UNDECIDED if the observations do not suffice."""
    ranking: tuple[Ranked, ...]
    """All suspects, the likeliest first; empty for an interceptor."""
    odds: float | None
    """Probability of the first suspect over the second; None for an interceptor."""
    evidence: float | None
    """E-value of the accused lookups against the others; None if all are accused."""
    accused: Tally
    """Lookups that the best accusation accuses, and how many of them failed."""
    bound: float
    """Upper bound of the rate of failures of arm A, with 95 % confidence."""
    comparison: Comparison

    @property
    def is_decided(self) -> bool:
        """Whether a trial may stop."""
        return self.suspect is not Suspect.UNDECIDED

    @property
    def best(self) -> Ranked | None:
        """The likeliest suspect, also if the verdict is open."""
        return self.ranking[0] if self.ranking else None

    @property
    def runner_up(self) -> Ranked | None:
        """The second likeliest suspect."""
        return self.ranking[1] if len(self.ranking) > 1 else None


@dataclass(frozen=True, slots=True)
class Court:
    """Reaches verdicts about the ledgers of one trial."""

    hypotheses: tuple[_Hypothesis, ...]
    by_accusation: Mapping[Accusation, _Hypothesis]

    @classmethod
    def of(cls, ledger: Ledger) -> "Court":
        """Return the court for a trial with the layout and rate of ``ledger``."""
        compared = hypotheses(ledger.layout, ledger.rate)
        return cls(compared, {h.suspect: h for h in compared})

    def verdict(self, ledger: Ledger) -> Verdict:
        """Return what the observations say so far."""
        if ledger.intercepted:
            return Verdict(
                Suspect.INTERCEPTOR,
                (),
                None,
                None,
                Tally(ledger.integrity_probes, len(ledger.intercepted)),
                _bound(ledger),
                _comparison(ledger),
            )
        ranking = self._without_chance(self._ranking(ledger), ledger)
        best, second, *_ = ranking
        evidence = self._evidence(best.accusation.suspect, ledger)
        odds = best.probability / max(second.probability, 1e-300)
        decided = odds >= ODDS and self._is_confirmed(best.accusation, evidence, ledger)
        share = self.by_accusation[best.accusation].share
        # behind a ClusterIP only a part of the lookups reaches a bad replica
        least = 1.0 if best.accusation.suspect is Suspect.REPLICA else 0.5
        accused = [cell for cell in ledger.tallies if share(cell) >= least]
        return Verdict(
            best.accusation.suspect if decided else Suspect.UNDECIDED,
            ranking,
            min(odds, MOST_ODDS),
            evidence,
            _total(ledger, accused),
            _bound(ledger),
            _comparison(ledger),
        )

    def _ranking(self, ledger: Ledger) -> tuple[Ranked, ...]:
        """Return the suspects by probability, each with its likeliest accusation."""
        best: dict[Suspect, Accusation] = {}
        logs: dict[Suspect, list[float]] = {}
        for accusation, value in posterior(self.hypotheses, ledger.counts).items():
            best.setdefault(accusation.suspect, accusation)
            logs.setdefault(accusation.suspect, []).append(value)
        ranked = [Ranked(best[s], exp(log_sum(values))) for s, values in logs.items()]
        return tuple(sorted(ranked, key=lambda entry: -entry.probability))

    def _without_chance(
        self, ranking: tuple[Ranked, ...], ledger: Ledger
    ) -> tuple[Ranked, ...]:
        """Drop NONE if the accused lookups plainly fail more often than the others.

        This is so if the fault is there, and rarer than the trial was made to find.
        """
        guilty = [r for r in ranking if r.accusation.suspect is not Suspect.NONE]
        evidence = self._evidence(guilty[0].accusation.suspect, ledger)
        return tuple(guilty) if evidence and evidence >= CERTAIN else ranking

    def _evidence(self, suspect: Suspect, ledger: Ledger) -> float | None:
        """Return the e-value of a suspect; None if it accuses all lookups."""
        if suspect in (Suspect.EVERYTHING, Suspect.NONE):
            return None
        of_suspect = [h for h in self.hypotheses if h.suspect.suspect is suspect]
        return mean_e_value(of_suspect, ledger.counts)

    def _is_confirmed(
        self, best: Accusation, evidence: float | None, ledger: Ledger
    ) -> bool:
        """Return whether what must hold besides the odds holds."""
        if best.suspect is Suspect.NONE:
            # a fault that is rarer than the trial looks for, but plainly there
            others = {h.suspect.suspect for h in self.hypotheses}
            return all(
                (self._evidence(suspect, ledger) or 0.0) < 1 / ALPHA
                for suspect in others
            )
        moments: set[int] = set()
        share = self.by_accusation[best].share
        for cell, spans in ledger.moments.items():
            if share(cell) > 0:
                moments |= spans
        alpha = ALPHA_COREDNS if best.suspect.is_coredns else ALPHA
        return len(moments) >= MOMENTS and (evidence is None or evidence >= 1 / alpha)


def _total(ledger: Ledger, cells: list[Cell]) -> Tally:
    total = Tally()
    for cell in cells:
        total = total.plus(ledger.tallies[cell])
    return total


def _bound(ledger: Ledger) -> float:
    lookups = sum(r.lookups for t, r in ledger.targets.items() if t.arm.name == "A")
    return rate_bound(ledger.of_arm("A").episodes, lookups)


def _comparison(ledger: Ledger) -> Comparison:
    coredns, minidns = ledger.of_arm("A").episodes, ledger.of_arm("M").episodes
    return Comparison(
        coredns,
        minidns,
        e_value(coredns, minidns),
        compare_rates(coredns, minidns),
    )
