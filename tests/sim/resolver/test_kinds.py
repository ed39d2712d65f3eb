from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.stub.protocol import Status
from sim.resolver import kinds
from tests.stub.script import Play
from tests.table import table

CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\n"
    "nameserver 10.96.0.10\nnameserver 10.96.0.20\n"
    "options ndots:5 timeout:1 attempts:2\n"
)


@table("kind", kinds.KINDS, ids=lambda kind: kind.name)
@table(
    "does", ["OK", "NODATA", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "LAME", "TC", "REFUSE", "CLOSE", "RESET", ""]
)
def test_every_lookup_ends(kind: kinds.Kind, does: str) -> None:
    """Whatever servers do, a lookup ends, and says why it failed."""
    play = Play({"10.96.0.10": does, "10.96.0.20": does})
    outcome = play.run(kind.make(CLUSTER_FIRST, Random(1)), "kubernetes.default")
    assert play.now < 1000
    assert (outcome.status is Status.ANSWERED) == (not outcome.error)


@table("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_names_and_second_names_are_found(kind: kinds.Kind) -> None:
    assert kinds.find(kind.name) is kind
    assert not kind.also or kinds.find(kind.also) is kind


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(kinds.UnknownResolver) as error:
        kinds.find("uclibc")
    assert all(kind.name in str(error.value) for kind in kinds.KINDS)


WORDS = st.sampled_from(
    [
        "nameserver",
        "search",
        "domain",
        "options",
        "10.96.0.10",
        "::1",
        "ndots:5",
        "timeout:0",
        "timeout:1",
        "attempts:0",
        "attempts:-1",
        "rotate",
        "use-vc",
        "single-request",
        "svc.cluster.local",
        ".",
        "..",
        "#",
        "x" * 70,
        "\r",
        "\u00e9",
    ]
)
FILES = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=8).map("\n".join)
NAMES = st.text("ab.-_1:\\ \u00e9", max_size=12) | st.sampled_from(["", ".", "web", "a.b."])
DOES = st.sampled_from(["OK", "NODATA", "NXDOMAIN", "SERVFAIL", "TC", "REFUSE", ""])


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
@given(text=FILES | st.text(max_size=60), name=NAMES, does=st.lists(DOES, min_size=1))
def test_no_file_and_no_name_break_a_machine(kind: kinds.Kind, text: str, name: str, does: list[str]) -> None:
    play = Play({"A": does, "AAAA": does})
    outcome = play.run(kind.make(text, Random(1)), name)
    assert outcome.status is Status.ANSWERED or outcome.error
    assert len(play.sent) < 500
