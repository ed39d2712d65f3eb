"""The counts of a ledger."""

from collections import Counter

import pytest

from minidns.trial import ledger as ledgers
from minidns.trial.arms import Client, D, NameKind, R, Target
from minidns.trial.ledger import Ledger
from minidns.trial.lookup import FailureKind, Outcome, Result, Subject
from tests.table import table

from .model import layout

SUBJECT = Subject("a.b.", NameKind.CLUSTER)
NOBODY = Client("prober", "node-1")
LOST = Outcome.SILENT


def result(at: float, outcome: Outcome = Outcome.REPLIED, replica: str = "") -> Result:
    return Result(at, 0.001, outcome, addresses=frozenset(("10.0.0.1",)), replica=replica)


def test_a_burst_is_one_episode_and_each_failure_is_listed() -> None:
    ledger, target = Ledger(layout(), 0.01), layout().targets[0]
    for tick in range(20):
        ledger.record(target, NOBODY, SUBJECT, result(tick / 10, LOST if tick > 9 else Outcome.REPLIED))
    assert [f.begins_episode for f in ledger.failures] == [True] + [False] * 9
    assert ledger.of_arm("A") == (11, 1)
    record = ledger.targets[target]
    assert (record.lookups, record.failures, record.episodes) == (20, 10, 1)
    assert record.kinds == Counter({FailureKind.NO_REPLY: 10})


def test_lost_queries_are_one_kind_whether_they_are_asked_again_or_not() -> None:
    ledger, target = Ledger(layout(), 0.01), layout().targets[0]
    asked_again = Result(0.1, 5.01, Outcome.REPLIED, addresses=frozenset(("10.0.0.1",)))
    for one in (result(0.0, LOST), asked_again):
        ledger.record(target, NOBODY, SUBJECT, one)
    assert [failure.is_asked_again for failure in ledger.failures] == [False, True]
    record = ledger.targets[target]
    assert (record.kinds, record.episodes) == (Counter({FailureKind.NO_REPLY: 2}), 1)


@table(
    ("target", "named", "replica"),
    [
        pytest.param(Target(D, "10.244.0.2", "coredns-a"), "", "coredns-a", id="directly"),
        pytest.param(Target(R, "10.96.0.11"), "coredns-b", "coredns-b", id="the relay names it"),
        pytest.param(Target(R, "10.96.0.11"), "minidns-x", "", id="not one of CoreDNS's pods"),
        pytest.param(layout().targets[0], "", "", id="nobody knows behind a ClusterIP"),
    ],
)
def test_the_replica_of_a_cell(target: Target, named: str, replica: str) -> None:
    ledger = Ledger(layout(), 0.01)
    ledger.record(target, NOBODY, SUBJECT, result(0, replica=named))
    assert [cell.replica for cell in ledger.counts] == [replica]


def test_its_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST_FAILURES", 10)
    ledger = Ledger(layout(), 0.01)
    for tick in range(25):
        ledger.record(layout().targets[0], NOBODY, SUBJECT, result(tick * 10, LOST))
    assert len(ledger.failures) == 10
    assert ledger.unlisted == 15
    assert ledger.of_arm("A").episodes == 25
