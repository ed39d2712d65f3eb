"""Percentiles in constant memory, beside those of the sorted list."""

from random import Random

import pytest

from minidns.probe.latencies import Latencies
from tests.table import table


@table("percent", [1, 50, 90, 99, 99.9, 100])
def test_a_percentile_is_that_of_the_sorted_list_within_2_5_percent(percent: float) -> None:
    rng = Random(1)
    values = [rng.lognormvariate(-6, 1.5) for _ in range(20_000)]
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    exact = sorted(values)[min(len(values) - 1, -(-int(len(values) * percent) // 100) - 1)]
    assert latencies.percentile(percent) == pytest.approx(exact, rel=0.026)


def test_without_latencies_every_percentile_is_zero() -> None:
    assert Latencies().percentile(99) == 0.0
