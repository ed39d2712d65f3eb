"""Statistics of trials: episodes, a test of two groups, and the odds of many suspects.

Theory of operation. Failures come in bursts, so the unit is the *episode*: failures of
one source and one kind within 5 s count once, and the lookups of that source in these
seconds do not count (they could not have begun another episode).

*Two groups of lookups.* Given that a failure happened, the group that had it is a coin,
whatever the rate of failures. If the accused group fails no more often than the others,
it has the failure with at most its share of the lookups. `e_value` is the likelihood
ratio of all larger probabilities, mixed evenly, against that share. Its expectation is
at most 1 whenever one looks, so it reaches 1/alpha with probability alpha at most
(Ville's inequality): the trial may stop as soon as it does. `compare_rates` is Wald's
sequential test: alike against a factor.

*Many suspects.* A lookup falls into a cell: arm, replica, kind of name, and so on. A
hypothesis says for every cell which share of the fault it gets. The number of episodes
in a cell is Poisson: lookups x rate x (share + background). The unknown rate and
background are mixed over; `posterior` compares the suspects by what is left.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, exp, inf, lgamma, log, log1p
from operator import mul
from typing import Generic, NamedTuple, TypeVar

Cell = TypeVar("Cell", bound=Hashable)
Blamed = TypeVar("Blamed", bound=Hashable)

EPISODE_S = 5.0
"""Seconds in which failures of one source and kind count once."""
BACKGROUNDS = (0.003, 0.01, 0.03, 0.1)
"""Background failures per lookup, as shares of the rate of the fault."""


class Count(NamedTuple):
    """Lookups that could begin an episode, and the episodes that began."""

    lookups: int = 0
    episodes: int = 0

    def plus(self, other: "Count") -> "Count":
        """Return the sum."""
        return Count(self.lookups + other.lookups, self.episodes + other.episodes)


@dataclass(slots=True)
class Episodes:
    """Groups failures into episodes; lookups are given in the order of their times."""

    length_s: float = EPISODE_S
    _ends: dict[Hashable, float] = field(default_factory=dict)
    """The end of the last episode by source, and by source and kind."""

    def count(self, source: Hashable, kind: Hashable, at: float) -> Count:
        """Return what a lookup of ``source`` at second ``at`` adds to the counts.

        ``kind`` is the kind of the failure, or None for a success.
        """
        if kind is None:
            return Count(int(at >= self._ends.get(source, -inf)))
        if at < self._ends.get((source, kind), -inf):
            return Count()
        self._ends[source] = self._ends[source, kind] = at + self.length_s
        return Count(1, 1)


def e_value(accused: int, others: int, share: float = 0.5) -> float:
    """Return the evidence that the accused lookups fail more often than the others.

    ``accused`` and ``others`` are numbers of episodes, ``share`` is the part of the
    lookups that is accused. The value is the mean over all q between ``share`` and 1 of
    the likelihood ratio of q against ``share``. A value of 1/alpha or more convicts
    with an error of at most alpha.
    """
    total = accused + others
    log_beta = lgamma(accused + 1) + lgamma(others + 1) - lgamma(total + 2)
    log_value = (
        log_beta
        + log(_binomial_cdf(accused, total + 1, share))
        - accused * log(share)
        - (others + 1) * log1p(-share)
    )
    return exp(min(log_value, 700.0))


def _binomial_cdf(most: int, trials: int, chance: float) -> float:
    """Return the probability of at most ``most`` successes."""
    log_p, log_q = log(chance), log1p(-chance)
    log_all = lgamma(trials + 1)
    terms = (
        log_all
        - lgamma(k + 1)
        - lgamma(trials - k + 1)
        + k * log_p
        + (trials - k) * log_q
        for k in range(most + 1)
    )
    return min(max(sum(map(exp, terms)), 1e-300), 1.0)


def compare_rates(
    accused: int, others: int, factor: float = 3.0, alpha: float = 0.05
) -> bool | None:
    """Return whether the accused fail ``factor`` times as often as the others.

    Both groups have the same number of lookups. None means that the episodes do not
    suffice. Both errors are at most about ``alpha`` (Wald's bounds).
    """
    chance = factor / (1 + factor)
    log_ratio = accused * log(2 * chance) + others * log(2 * (1 - chance))
    bound = log((1 - alpha) / alpha)
    return None if abs(log_ratio) < bound else log_ratio > 0


def rate_bound(episodes: int, lookups: int, confidence: float = 0.95) -> float:
    """Return the upper confidence bound of a rate: about 3/n without an episode.

    >>> round(rate_bound(0, 1000), 6), round(rate_bound(1, 1000), 6)
    (0.002996, 0.004744)
    """
    if not lookups:
        return 1.0
    low, high = 0.0, 10.0 + 3.0 * episodes
    while high - low > 1e-9 * high:
        mean = (low + high) / 2
        terms = (k * log(mean) - mean - lgamma(k + 1) for k in range(episodes + 1))
        if sum(map(exp, terms)) > 1 - confidence:
            low = mean
        else:
            high = mean
    return min(high / lookups, 1.0)


def lookups_needed(rate: float, episodes: int, power: float = 0.95) -> int:
    """Return the lookups after which ``episodes`` failures have come with ``power``.

    >>> lookups_needed(0.01, 10)
    1571
    """
    low, high = 0.0, 10.0 + 4.0 * episodes
    while high - low > 1e-6 * high:
        mean = (low + high) / 2
        terms = (k * log(mean) - mean - lgamma(k + 1) for k in range(episodes))
        low, high = (mean, high) if sum(map(exp, terms)) > 1 - power else (low, mean)
    return ceil(high / rate)


@dataclass(frozen=True, slots=True)
class Hypothesis(Generic[Cell, Blamed]):
    """One way in which a suspect causes failures."""

    suspect: Blamed
    prior: float
    """Probability of the hypothesis before the trial."""
    share: Callable[[Cell], float]
    """The part of the fault's rate that lookups of a cell get, 0 to 1."""
    rates: tuple[tuple[float, float], ...]
    """Possible rates of the fault per lookup, each with its probability."""
    backgrounds: tuple[float, ...] = BACKGROUNDS

    def log_likelihood(self, counts: Mapping[Cell, Count]) -> float:
        """Return the logarithm of the probability of ``counts``, less a constant."""
        lookups = [count.lookups for count in counts.values()]
        accused = sum(map(mul, lookups, map(self.share, counts)))
        failed: dict[float, int] = {}
        for cell, count in counts.items():
            if count.episodes:
                share = self.share(cell)
                failed[share] = failed.get(share, 0) + count.episodes
        episodes, asked = sum(failed.values()), sum(lookups)
        terms = []
        for background in self.backgrounds:
            weight = -log(len(self.backgrounds))
            weight += sum(n * log(share + background) for share, n in failed.items())
            exposure = accused + background * asked
            terms += [
                weight + log(chance) + episodes * log(rate) - rate * exposure
                for rate, chance in self.rates
            ]
        return log_sum(terms)


def posterior(
    hypotheses: Iterable[Hypothesis[Cell, Blamed]], counts: Mapping[Cell, Count]
) -> dict[Blamed, float]:
    """Return the logarithm of the probability of every suspect, the likeliest first."""
    terms: dict[Blamed, list[float]] = {}
    for hypothesis in hypotheses:
        value = log(hypothesis.prior) + hypothesis.log_likelihood(counts)
        terms.setdefault(hypothesis.suspect, []).append(value)
    logs = {suspect: log_sum(values) for suspect, values in terms.items()}
    total = log_sum(list(logs.values()))
    order = sorted(logs, key=lambda suspect: -logs[suspect])
    return {suspect: logs[suspect] - total for suspect in order}


def mean_e_value(
    hypotheses: Iterable[Hypothesis[Cell, Blamed]], counts: Mapping[Cell, Count]
) -> float:
    """Return the evidence that cells of full share fail more often than clean ones.

    It is the mean over ``hypotheses`` by their priors, so it is an e-value as well.
    Cells with other shares do not count; without clean cells the evidence is 1.
    """
    total, weights = 0.0, 0.0
    for hypothesis in hypotheses:
        shares = list(map(hypothesis.share, counts))
        accused, others = (_total(counts, shares, share) for share in (1.0, 0.0))
        weights += hypothesis.prior
        if accused.lookups and others.lookups:
            share = accused.lookups / (accused.lookups + others.lookups)
            total += hypothesis.prior * e_value(
                accused.episodes, others.episodes, share
            )
        else:
            total += hypothesis.prior
    return total / weights


def _total(
    counts: Mapping[Cell, Count], shares: Sequence[float], wanted: float
) -> Count:
    """Return the sum of ``counts`` over the cells whose share is ``wanted``."""
    chosen = [
        count
        for count, share in zip(counts.values(), shares, strict=True)
        if share == wanted
    ]
    lookups, episodes = (sum(column) for column in zip(Count(), *chosen, strict=True))
    return Count(lookups, episodes)


def rates_from(least: float) -> tuple[tuple[float, float], ...]:
    """Return possible rates of a fault whose rate is expected to be ``least`` or more.

    Half of the probability is at ``least``, the rest on steps of a factor 2 up to 1.
    """
    above = [least * 2**step for step in range(1, 64) if least * 2**step < 1] or [1.0]
    return ((least, 0.5), *((rate, 0.5 / len(above)) for rate in above))


def rates_below(least: float) -> tuple[tuple[float, float], ...]:
    """Return rates of failures that are too rare to be the fault that is looked for."""
    steps = (1e-3, 1e-2, 3e-2, 0.1, 0.2)
    return tuple((least * step, 1 / len(steps)) for step in steps)


def log_sum(terms: Sequence[float]) -> float:
    """Return the logarithm of the sum of the exponentials of ``terms``."""
    most = max(terms)
    return most + log(sum(exp(term - most) for term in terms))
