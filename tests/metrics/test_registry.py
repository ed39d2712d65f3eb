import pytest

from minidns.metrics.registry import TIME_BUCKETS, Metrics


def test_families_without_labels_exist_from_the_start() -> None:
    metrics = Metrics()
    metrics.counter("panics_total", "Panics.")
    metrics.histogram("health_seconds", "Health.", (), (1.0, 2.0))
    assert metrics.value("panics_total") == 0
    assert metrics.value("health_seconds") == 0


def test_a_name_always_returns_the_same_family() -> None:
    metrics = Metrics()
    metrics.counter("a_total", "A.", ("zone",)).inc((".",))
    metrics.counter("a_total", "A.", ("zone",)).inc((".",), 2)
    assert metrics.value("a_total", {"zone": "."}) == 3
    with pytest.raises(TypeError, match="a_total is a counter"):
        metrics.gauge("a_total", "A.")


def test_buckets_hold_their_upper_bound() -> None:
    metrics = Metrics()
    family = metrics.histogram("seconds", "Seconds.", ("server",), TIME_BUCKETS)
    for value in (0.0001, 0.00025, 0.0003, 100.0):
        family.observe(("s",), value)
    family.observe(("s",), 1.0, times=5)
    cells = family.values["s",]
    assert cells[0] == 2
    assert cells[1] == 1
    assert cells[len(TIME_BUCKETS)] == 1
    assert sum(cells[:-1]) == 9
    assert cells[-1] == pytest.approx(105.00065)


def test_gauges_are_cleared_and_before_scrape_is_called() -> None:
    metrics = Metrics()
    gauge = metrics.gauge("entries", "Entries.", ("type",))
    gauge.set(("success",), 3)
    gauge.clear()
    metrics.before_scrape.append(lambda: gauge.set(("denial",), 1))
    (family,) = metrics.families()
    assert family.values == {("denial",): 1}
