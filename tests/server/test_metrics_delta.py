import msgspec
from hypothesis import given
from hypothesis import strategies as st

from minidns.metrics.registry import Metrics
from minidns.server.workers import metrics_delta
from minidns.server.workers.metrics_delta import Delta, DeltaTracker

BOUNDS = (1.0, 2.0)


class Process:
    """Two processes' numbers, and what goes from one to the other."""

    def __init__(self, main: Metrics, pid: int) -> None:
        self.own = Metrics()
        self.requests = self.own.counter("requests_total", "R.", ("zone",))
        self.seconds = self.own.histogram("seconds", "S.", ("zone",), BOUNDS)
        self.entries = self.own.gauge("coredns_cache_entries", "E.", ("type",))
        self._main, self._pid = main, pid
        self._tracker = DeltaTracker(self.own)

    def report(self) -> tuple[Delta, ...]:
        deltas = self._tracker.changes()
        sent = msgspec.msgpack.encode(deltas)
        received = msgspec.msgpack.decode(sent, type=tuple[Delta, ...])
        metrics_delta.add(self._main, self._pid, received)
        return deltas


def test_counters_add_up() -> None:
    main = Metrics()
    main.counter("requests_total", "R.", ("zone",)).inc((".",), 5)
    one, two = Process(main, 1), Process(main, 2)
    one.requests.inc((".",), 2)
    two.requests.inc(("org.",))
    for each in (one, two, one):
        each.report()
    one.requests.inc((".",))
    one.report()
    assert main.value("requests_total", {"zone": "."}) == 8
    assert main.value("requests_total", {"zone": "org."}) == 1


def test_histograms_add_up_bucket_by_bucket() -> None:
    main = Metrics()
    process = Process(main, 1)
    own = main.histogram("seconds", "S.", ("zone",), BOUNDS)
    own.observe((".",), 0.5)
    process.seconds.observe((".",), 1.5)
    process.report()
    process.seconds.observe((".",), 3.0)
    process.report()
    assert own.cells((".",)) == [1, 1, 1, 5.0]


def test_gauges_that_add_up_are_those_of_the_living() -> None:
    main = Metrics()
    own = main.gauge("coredns_cache_entries", "E.", ("type",))
    own.set(("success",), 1)
    one, two = Process(main, 1), Process(main, 2)
    one.entries.set(("success",), 10)
    two.entries.set(("success",), 20)
    one.report()
    two.report()
    one.entries.set(("success",), 7)
    one.report()
    assert main.value("coredns_cache_entries", {"type": "success"}) == 28
    own.set(("success",), 2)  # ours go on, whatever theirs are
    metrics_delta.forget(main, 1)
    assert main.value("coredns_cache_entries", {"type": "success"}) == 22


def test_counts_of_an_ended_process_stay() -> None:
    main = Metrics()
    process = Process(main, 1)
    process.requests.inc((".",), 4)
    process.report()
    metrics_delta.forget(main, 1)
    assert main.value("requests_total", {"zone": "."}) == 4


def test_gauges_that_do_not_add_up_are_not_sent() -> None:
    main = Metrics()
    process = Process(main, 1)
    process.own.gauge("coredns_build_info", "B.").set((), 1)
    assert "coredns_build_info" not in {each.name for each in process.report()}


def test_histograms_of_the_same_changes_in_every_process_are_not_sent() -> None:
    process = Process(Metrics(), 1)
    name = "coredns_kubernetes_dns_programming_duration_seconds"
    process.own.histogram(name, "D.", ("service_kind",), BOUNDS).observe(("x",), 1)
    assert name not in {each.name for each in process.report()}


def test_without_changes_nothing_is_sent() -> None:
    process = Process(Metrics(), 1)
    process.requests.inc((".",))
    assert process.report()
    assert process.report() == ()


def test_families_that_only_a_worker_has_are_there() -> None:
    main = Metrics()
    process = Process(main, 1)
    process.own.counter("panics_total", "Panics.")
    process.report()
    assert main.value("panics_total") == 0


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(("count", "report")), st.integers(1, 5)))


@given(STEPS)
def test_the_sum_is_what_was_counted_however_often_it_was_reported(steps: list[tuple[int, str, int]]) -> None:
    main = Metrics()
    processes = [Process(main, pid) for pid in range(3)]
    counted = 0
    for number, step, times in steps:
        if step == "count":
            processes[number].requests.inc((".",), times)
            counted += times
        else:
            processes[number].report()
    for each in processes:
        each.report()
    main.counter("requests_total", "R.", ("zone",))
    assert main.value("requests_total", {"zone": "."}) == counted
