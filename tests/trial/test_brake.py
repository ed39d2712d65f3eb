"""A trial stops if CoreDNS has become worse since its start, and only then."""

from collections.abc import Callable
from random import Random

import pytest

from minidns.dns.model import Rcode
from minidns.trial.arms import A, D, Target
from minidns.trial.brake import LOOKUPS, Brake
from minidns.trial.lookup import Outcome, Result
from tests.table import table

POD = Target(D, "10.244.0.2", "coredns-a")
Make = Callable[[Random], Result]


def ok(latency_s: float) -> Make:
    return lambda rng: Result(0, latency_s * rng.uniform(0.8, 1.2), Outcome.REPLIED)


def failing(share: float, outcome: Outcome = Outcome.SILENT, rcode: int = Rcode.NOERROR) -> Make:
    def make(rng: Random) -> Result:
        return Result(0, 5, outcome, rcode) if rng.random() < share else ok(0.001)(rng)

    return make


@table(
    ("first", "later", "stops"),
    [
        pytest.param(ok(0.001), ok(0.001), False, id="steady"),
        pytest.param(ok(0.001), ok(0.01), False, id="10 ms harm nobody"),
        pytest.param(ok(0.001), ok(0.05), True, id="50 ms instead of 1 ms"),
        pytest.param(ok(0.1), ok(0.15), False, id="slow from the start"),
        pytest.param(ok(0.1), ok(0.5), True, id="slow, and slower"),
        pytest.param(failing(0.3), failing(0.3), False, id="the failures that the trial is made for"),
        pytest.param(failing(0.01), failing(0.5), True, id="queries get lost"),
        pytest.param(ok(0.001), failing(0.5, Outcome.REPLIED, Rcode.SERVFAIL), True, id="SERVFAIL"),
        pytest.param(failing(0.5), ok(0.001), False, id="it gets better"),
    ],
)  # fmt: skip
def test_brake(first: Make, later: Make, stops: bool) -> None:
    brake, rng = Brake(), Random(1)
    for make, number in ((first, LOOKUPS), (later, 5 * LOOKUPS)):
        for _ in range(number):
            brake.watch(POD, make(rng))
    assert bool(brake.reason) is stops


def test_other_arms_do_not_count() -> None:
    brake, rng = Brake(), Random(1)
    for make in (ok(0.001), ok(1.0)):
        for _ in range(3 * LOOKUPS):
            brake.watch(Target(A, "10.96.0.10"), make(rng))
    assert not brake.reason


def test_each_pod_has_its_own_measure() -> None:
    brake, rng = Brake(), Random(1)
    for _ in range(3 * LOOKUPS):
        brake.watch(POD, ok(0.001)(rng))
        brake.watch(Target(D, "10.244.0.3", "coredns-b"), ok(0.2)(rng))
    assert not brake.reason
