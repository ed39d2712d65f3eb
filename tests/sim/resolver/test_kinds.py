from random import Random

import pytest

from minidns.stub.protocol import Status
from sim.resolver import kinds
from tests.stub.script import Play

CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\n"
    "nameserver 10.96.0.10\nnameserver 10.96.0.20\n"
    "options ndots:5 timeout:1 attempts:2\n"
)


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    "does",
    [
        "OK",
        "NODATA",
        "NXDOMAIN",
        "SERVFAIL",
        "REFUSED",
        "FORMERR",
        "LAME",
        "TC",
        "REFUSE",
        "CLOSE",
        "RESET",
        "",
    ],
)
def test_every_lookup_ends(kind: kinds.Kind, does: str) -> None:
    """Whatever servers do, a lookup ends, and says why it failed."""
    play = Play({"10.96.0.10": does, "10.96.0.20": does})
    outcome = play.run(kind.make(CLUSTER_FIRST, Random(1)), "kubernetes.default")
    assert play.now < 1000
    assert (outcome.status is Status.ANSWERED) == (not outcome.error)


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_names_and_second_names_are_found(kind: kinds.Kind) -> None:
    assert kinds.find(kind.name) is kind
    assert not kind.also or kinds.find(kind.also) is kind


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(kinds.UnknownResolver) as error:
        kinds.find("uclibc")
    assert all(kind.name in str(error.value) for kind in kinds.KINDS)
