from minidns.kubernetes.watch_metrics import statuses
from tests.kubernetes.scripts import Kept, Scripted, reflector
from tests.world import Clock


def test_a_life_at_zero_is_one() -> None:
    clock = Clock()
    silent, alive = (reflector(Scripted(clock), clock, Kept()) for _ in range(2))
    alive.proof_of_life, alive.synced, alive.last_error = 0.0, True, "down"
    first, second = statuses([silent, alive], now=30.0, start=10.0)
    assert (first.synced, first.silent_s, first.age_s) == (False, None, 20.0)
    assert (second.synced, second.silent_s, second.age_s) == (True, 30.0, 30.0)
    assert second.error == "down"
