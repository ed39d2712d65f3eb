from collections.abc import Sequence
from random import Random

import pytest

from minidns.dns.rdata import A
from minidns.stub.protocol import Status
from minidns.stub.single import Settings, Single
from tests.stub.script import Does, Play
from tests.table import table

TWO = ("192.0.2.1", "192.0.2.2")


@table(
    ("answers", "expected", "status"),
    [
        pytest.param({"A": "OK"}, ["0 1"], Status.ANSWERED, id="one-query"),
        pytest.param({"A": "NXDOMAIN"}, ["0 1"], Status.NXDOMAIN, id="nxdomain-counts"),
        pytest.param({"192.0.2.1": "SERVFAIL", "A": "OK"}, ["0 1", "0 2"], Status.ANSWERED, id="servfail-next-server"),
        pytest.param({"A": "SERVFAIL"}, ["0 1", "0 2"], Status.SERVFAIL, id="servfail-everywhere"),
        pytest.param({"A": ""}, ["0 1", "2 2", "4 1", "6 2"], Status.SILENT, id="silence"),
        pytest.param({"A": "REFUSE"}, ["0 1", "0 2"] * 2, Status.REFUSED, id="nobody-listens"),
        pytest.param({"A": "TC"}, ["0 1", "0 1 TCP"], Status.ANSWERED, id="truncated"),
    ],
)
def test_who_is_asked_when(answers: dict[str, Does | Sequence[Does]], expected: list[str], status: Status) -> None:
    play = Play(answers)
    single = Single(Settings(TWO, timeout_s=2), Random(1))
    assert play.run(single, "a.example", (A,)).status is status
    lines = [line.replace("192.0.2.", "").replace(" a.example. A", "") for line in play.log]
    assert lines == expected


def test_every_transmission_has_a_socket_of_its_own() -> None:
    play = Play({"A": ""})
    play.run(Single(Settings(TWO), Random(1)), "a.example", (A,))
    assert len({send.source for send in play.sent}) == len(play.sent) == 4


def test_no_search_list_and_no_name() -> None:
    with pytest.raises(ValueError, match="label"):
        Play({}).run(Single(Settings(TWO), Random(1)), "a..b", (A,))
