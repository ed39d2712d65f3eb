"""What a trial in a cluster says at its end."""

from random import Random

import pytest

from minidns.kubernetes.documents import Documents
from minidns.second_dns.session import Session
from minidns.trial.arms import NameKind
from minidns.trial.integrity import Seal
from minidns.trial.ledger import Ledger
from minidns.trial.live.conduct import Conduct, Pace
from minidns.trial.live.names import Checked
from minidns.trial.live.objects import Design
from minidns.trial.lookup import Expected, Subject
from minidns.trial.run import interval_s
from minidns.trial.verdict import Court
from sim.scenario import clock
from tests.table import table
from tests.trial.model import ADDRESSES, CAUSES, Model, layout

RATE, SEAL = 0.1, Seal("2001:db8::5")
SUBJECTS = [
    Subject(name, kind, expected=Expected.addresses(ADDRESSES))
    for name, kind in (("web.shop.svc.cluster.local.", NameKind.CLUSTER), ("a.test.", NameKind.EXTERNAL))
]


async def nothing(*args: object) -> bool:
    return True


def conduct(seed: int) -> Conduct:
    """Return a trial of a tenant, who may create nothing beside CoreDNS, after its end."""
    service = {"metadata": {"name": "kube-dns", "namespace": "kube-system"}}
    design = Design("t", "image", 60, service, None, {}, {}, "shop", SEAL)
    session = Session(Documents.__new__(Documents), print, print, nothing, lambda: 0.0, nothing)  # type: ignore[arg-type]
    pace = Pace(RATE, 1e4, interval_s(RATE, 2, 10))
    trial = Conduct(session, design, (), pace, Random(seed))
    model = Model(CAUSES["software"], RATE, RATE / 10, seed, seal=SEAL)
    clock.run(trial.look_up(layout(), model, Checked(tuple(SUBJECTS), ())))
    return trial


def test_the_verdict_that_ends_a_trial_stands_whatever_the_last_lookups_add() -> None:
    trial = conduct(4)
    assert trial.verdict is not None
    assert trial.ledger is not None
    assert trial.verdict.is_decided
    # with this seed they lower the odds again; another one will do if this fails
    assert not Court.of(trial.ledger).verdict(trial.ledger).is_decided


@table(
    ("image", "release"),
    [
        pytest.param("registry.k8s.io/coredns/coredns:v1.11.3", "1.11.3", id="a release"),
        pytest.param("registry.example.org/coredns:mine", "", id="a build of one's own"),
        pytest.param("", "", id="no arm V"),
    ],
)
def test_a_report_names_the_release_that_the_image_does(image: str, release: str) -> None:
    service = {"metadata": {"name": "kube-dns", "namespace": "kube-system"}}
    design = Design("t", "image", 60, service, None, {}, {}, "shop", SEAL, other=image)
    assert (design.release, design.other_release) == ("", release)


def test_a_trial_without_a_lookup_has_not_begun() -> None:
    trial = conduct(4)
    assert trial.has_begun
    assert trial.ledger is not None
    trial.ledger = Ledger(trial.ledger.layout, RATE)
    assert not trial.has_begun
    trial.ledger = None
    assert not trial.has_begun
