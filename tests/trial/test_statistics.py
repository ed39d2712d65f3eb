"""The statistics of trials, against exact sums and simulations of their own models."""

from math import comb, exp, inf, log
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minidns.trial.statistics import (
    Count,
    Episodes,
    Hypothesis,
    compare_rates,
    e_value,
    lookups_needed,
    posterior,
    rate_bound,
    rates_below,
    rates_from,
)
from tests.table import table

RUNS = 1000


def boundary(alpha: float, most: int) -> list[float]:
    """Return per number of episodes how many the accused must have for a conviction."""
    least, result = 0, []
    for total in range(most + 1):
        while least <= total and e_value(least, total - least) < 1 / alpha:
            least += 1
        result.append(least if least <= total else inf)
    return result


def stopping(ratio: float, alpha: float) -> list[float]:
    """Return exactly the chance of a conviction within n episodes, for every n."""
    chance, most = ratio / (1 + ratio), 600
    needed = boundary(alpha, most)
    open_, convicted, chances = {0: 1.0}, 0.0, [0.0]
    for total in range(1, most + 1):
        following: dict[int, float] = {}
        for accused, weight in open_.items():
            following[accused + 1] = following.get(accused + 1, 0.0) + weight * chance
            following[accused] = following.get(accused, 0.0) + weight * (1 - chance)
        done = [accused for accused in following if accused >= needed[total]]
        convicted += sum(following.pop(accused) for accused in done)
        chances.append(convicted)
        open_ = {a: weight for a, weight in following.items() if weight > 1e-12}
    return chances


# mean and 95th percentile of the failures until a conviction, as published with the method
@pytest.mark.slow
@table(
    ("ratio", "alpha", "mean", "percentile"),
    [
        pytest.param(10, 0.05, 10, 17, id="10:1"),
        pytest.param(10, 0.00625, 15.5, 28, id="10:1 among 8"),
        pytest.param(5, 0.05, 15.5, 35, id="5:1"),
        pytest.param(5, 0.00625, 25, 48, id="5:1 among 8"),
        pytest.param(3, 0.05, 27.5, 68, id="3:1"),
        pytest.param(3, 0.00625, 43, 90, id="3:1 among 8"),
    ],
)
def test_failures_until_conviction(ratio: float, alpha: float, mean: float, percentile: int) -> None:
    chances = stopping(ratio, alpha)
    assert sum(chances[-1] - chance for chance in chances) == pytest.approx(mean, rel=0.15)
    assert chances[percentile] == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("alpha", "failures"), [(0.05, 7), (0.00625, 10)])
def test_failures_until_conviction_if_the_other_arm_is_clean(alpha: float, failures: int) -> None:
    assert e_value(failures - 1, 0) < 1 / alpha <= e_value(failures, 0)


@pytest.mark.parametrize("alpha", [0.05, 0.00625])
def test_an_innocent_arm_is_blamed_at_any_time_with_at_most_alpha(alpha: float) -> None:
    assert stopping(1.0, alpha)[-1] <= alpha  # exact, up to 600 episodes


def test_no_more_than_5_percent_of_equal_arms_are_blamed_at_any_stopping_time() -> None:
    rng, blamed, needed = Random(1), 0, boundary(0.05, 400)
    for _ in range(RUNS):
        accused = 0
        for total in range(1, 400):
            accused += rng.random() < 0.5
            if accused >= needed[total]:
                blamed += 1
                break
    assert blamed / RUNS <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("mean_burst", [1, 8])
def test_bursts_do_not_blame_an_innocent_arm(mean_burst: int) -> None:
    rng, blamed, needed = Random(2), 0, boundary(0.05, 400)
    for _ in range(RUNS):
        episodes, burst = Episodes(), {"A": 0, "M": 0}
        failures = {"A": 0, "M": 0}
        for tick in range(500):
            for arm in burst:
                if not burst[arm] and rng.random() < 0.006:
                    burst[arm] = 1 + int(rng.expovariate(1 / (mean_burst - 1))) if mean_burst > 1 else 1
                kind = "no reply" if burst[arm] else None
                burst[arm] -= bool(burst[arm])
                failures[arm] += episodes.count(arm, kind, tick / 10).episodes
            if failures["A"] >= needed[sum(failures.values())]:
                blamed += 1
                break
    assert blamed / RUNS <= 0.05


@pytest.mark.slow
def test_bursts_counted_singly_would_blame_an_innocent_arm() -> None:
    rng, blamed, needed = Random(3), 0, boundary(0.05, 2000)
    for _ in range(300):
        failures = {"A": 0, "M": 0}
        for _ in range(40):
            failures[rng.choice("AM")] += 1 + int(rng.expovariate(1 / 7))
            if failures["A"] >= needed[sum(failures.values())]:
                blamed += 1
                break
    assert blamed / 300 > 0.15  # so episodes are the unit


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.05, 0.95))
def test_e_value_is_the_mean_likelihood_ratio(accused: int, others: int, share: float) -> None:
    steps = 4000
    width = (1 - share) / steps
    points = (share + (step + 0.5) * width for step in range(steps))
    ratios = ((q / share) ** accused * ((1 - q) / (1 - share)) ** others for q in points)
    assert e_value(accused, others, share) == pytest.approx(sum(ratios) / steps, rel=1e-2)


@given(st.integers(1, 30), st.floats(0.05, 0.95))
def test_e_value_has_the_expectation_1_for_an_innocent_group(total: int, share: float) -> None:
    chances = (comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(total + 1))
    mean = sum(p * e_value(k, total - k, share) for k, p in enumerate(chances))
    assert mean == pytest.approx(1.0)


@table(
    ("accused", "others", "result"),
    [
        pytest.param(0, 0, None, id="nothing is known"),
        pytest.param(5, 4, None, id="too few"),
        pytest.param(12, 12, False, id="alike: not 3 times as many"),
        pytest.param(20, 2, True, id="10 times as many"),
        pytest.param(0, 6, False, id="only the others"),
    ],
)
def test_compare_rates(accused: int, others: int, result: bool | None) -> None:
    assert compare_rates(accused, others) is result


@pytest.mark.parametrize(("chance", "guilty"), [(0.5, False), (0.75, True)])
def test_compare_rates_errs_in_at_most_alpha(chance: float, guilty: bool) -> None:
    rng, wrong = Random(4), 0
    for _ in range(RUNS):
        accused, total, result = 0, 0, None
        while result is None:
            total += 1
            accused += rng.random() < chance
            result = compare_rates(accused, total - accused)
        wrong += result is not guilty
    assert wrong / RUNS <= 0.055


@given(st.integers(0, 200), st.integers(0, 10**6))
@example(0, 0)
def test_rate_bound_leaves_5_percent_below(episodes: int, lookups: int) -> None:
    bound = rate_bound(episodes, lookups)
    assert 0 < bound <= 1
    if bound < 1:
        mean, term = bound * lookups, exp(-bound * lookups)
        total = term
        for k in range(1, episodes + 1):
            term *= mean / k
            total += term
        assert total == pytest.approx(0.05, rel=1e-3)


@table(("rate", "lookups"), [(1e-2, 1570), (1e-3, 15700), (1e-4, 157000)])
def test_lookups_needed_per_arm(rate: float, lookups: int) -> None:
    assert lookups_needed(rate, 10) == pytest.approx(lookups, rel=0.01)


@table(
    ("observations", "total"),
    [
        pytest.param([("A", None, 0), ("A", None, 1)], Count(2, 0), id="successes count"),
        pytest.param([("A", "lost", 0), ("A", "lost", 4.9)], Count(1, 1), id="one episode"),
        pytest.param([("A", "lost", 0), ("A", None, 1)], Count(1, 1), id="a success within an episode does not count"),
        pytest.param([("A", "lost", 0), ("A", "lost", 5)], Count(2, 2), id="two episodes"),
        pytest.param([("A", "lost", 0), ("A", "late", 1)], Count(2, 2), id="another kind"),
        pytest.param([("A", "lost", 0), ("M", "lost", 1)], Count(2, 2), id="another source"),
        pytest.param([("A", "lost", t / 10) for t in range(100)], Count(2, 2), id="an outage of 10 s is two episodes"),
    ],
)
def test_episodes(observations: list[tuple[str, str | None, float]], total: Count) -> None:
    episodes, counts = Episodes(), Count()
    for source, kind, at in observations:
        counts = counts.plus(episodes.count(source, kind, at))
    assert counts == total


@pytest.mark.slow
def test_episodes_do_not_bias_the_rate() -> None:
    rng, episodes, counts = Random(5), Episodes(), Count()
    for tick in range(200_000):
        kind = "lost" if rng.random() < 0.01 else None
        counts = counts.plus(episodes.count("A", kind, tick / 10))
    assert counts.episodes / counts.lookups == pytest.approx(0.01, rel=0.05)


def hypothesis(suspect: str, cells: str) -> Hypothesis[str, str]:
    return Hypothesis(suspect, 0.25, lambda cell: float(cell in cells), rates_from(0.001))


SUSPECTS = [
    hypothesis("first", "a"),
    hypothesis("second", "ab"),
    hypothesis("all", "abcd"),
    Hypothesis("none", 0.25, lambda cell: 1.0, rates_below(0.001), (0.0,)),
]


@table(
    ("episodes", "suspect"),
    [
        pytest.param((8, 0, 0, 1), "first", id="one cell fails"),
        pytest.param((9, 8, 1, 0), "second", id="two cells fail"),
        pytest.param((9, 8, 10, 9), "all", id="every cell fails"),
        pytest.param((0, 0, 0, 0), "none", id="nothing fails"),
        pytest.param((0, 1, 0, 0), "none", id="one failure in all"),
    ],
)
def test_posterior(episodes: tuple[int, ...], suspect: str) -> None:
    counts = {cell: Count(8000, k) for cell, k in zip("abcd", episodes, strict=True)}
    logs = posterior(SUSPECTS, counts)
    best, second, *_ = logs
    assert best == suspect
    assert logs[best] - logs[second] > log(20)
    assert sum(map(exp, logs.values())) == pytest.approx(1.0)


def test_posterior_without_lookups_is_the_prior() -> None:
    assert [round(exp(value), 9) for value in posterior(SUSPECTS, {}).values()] == [0.25] * 4


@table("rate", [1e-4, 1e-2, 0.3, 0.9])
def test_probabilities_of_rates(rate: float) -> None:
    assert sum(chance for _, chance in rates_from(rate)) == pytest.approx(1.0)
    assert sum(chance for _, chance in rates_below(rate)) == pytest.approx(1.0)
    assert max(r for r, _ in rates_below(rate)) < rate <= min(r for r, _ in rates_from(rate))
