from minidns.kubernetes.watch_metrics import ReflectorMetrics
from minidns.metrics.registry import Metrics
from tests.kubernetes.scripts import Kept, Scripted, reflector
from tests.world import Clock

LISTS = "minidns_kubernetes_lists_total"
SKIPPED = "minidns_kubernetes_skipped_objects_total"
OF_SERVICES = {"resource": "services"}


def test_what_is_told_twice_counts_once_and_what_ends_is_kept() -> None:
    clock, metrics = Clock(), Metrics()
    counts = ReflectorMetrics(metrics)
    one, two = (reflector(Scripted(clock), clock, Kept()) for _ in range(2))
    one.lists, two.lists, two.skipped = 1, 2, 5
    for _ in range(2):
        counts.update(one)
        counts.update(two)
    assert metrics.value(LISTS, OF_SERVICES) == 3
    two.lists = 4
    counts.end(two)
    counts.end(two)
    assert metrics.value(LISTS, OF_SERVICES) == 5
    assert metrics.value(SKIPPED, OF_SERVICES) == 5
