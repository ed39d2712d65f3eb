"""The results of a lookup that count as a failure."""

import pytest

from minidns.dns.model import Rcode
from minidns.trial.lookup import LATE_S, Expected, FailureKind, Outcome, Result, failure_of, is_doubtful

ONE, TWO = frozenset(("10.0.0.1",)), frozenset(("10.0.0.1", "10.0.0.2"))


def replied(addresses: frozenset[str] = ONE, rcode: int = Rcode.NOERROR, latency_s: float = 0.001) -> Result:
    return Result(0.0, latency_s, Outcome.REPLIED, rcode, addresses)


@pytest.mark.parametrize(
    ("result", "expected", "kind"),
    [
        pytest.param(replied(), Expected(), None, id="any addresses will do"),
        pytest.param(replied(), Expected.addresses(ONE), None, id="these addresses"),
        pytest.param(replied(), Expected.addresses(TWO, ONE), None, id="one of two sets, during a change"),
        pytest.param(replied(ONE), Expected.addresses(TWO), FailureKind.MISSING, id="an address is missing"),
        pytest.param(replied(frozenset()), Expected(), FailureKind.MISSING, id="no address at all"),
        pytest.param(replied(TWO), Expected.addresses(ONE), FailureKind.EXTRA, id="an address too many"),
        pytest.param(replied(ONE), Expected.addresses(("10.0.0.9",)), FailureKind.EXTRA, id="another address"),
        pytest.param(replied(frozenset()), Expected.addresses(()), None, id="a name without addresses"),
        pytest.param(replied(frozenset()), Expected(may_be_empty=True), None, id="a type that a name may lack"),
        pytest.param(replied(frozenset(), Rcode.SERVFAIL), Expected(may_be_empty=True), FailureKind.SERVFAIL, id="and none is known"),
        pytest.param(replied(frozenset(), Rcode.NXDOMAIN), Expected(), FailureKind.NXDOMAIN, id="NXDOMAIN for a name that exists"),
        pytest.param(replied(frozenset(), Rcode.NXDOMAIN), Expected(rcode=Rcode.NXDOMAIN), None, id="NXDOMAIN as it should be"),
        pytest.param(replied(), Expected(rcode=Rcode.NXDOMAIN), FailureKind.RCODE, id="an answer for a name that does not exist"),
        pytest.param(replied(frozenset(), Rcode.SERVFAIL), Expected(), FailureKind.SERVFAIL, id="SERVFAIL"),
        pytest.param(replied(frozenset(), Rcode.REFUSED), Expected(), FailureKind.REFUSED, id="REFUSED"),
        pytest.param(replied(frozenset(), Rcode.FORMERR), Expected(), FailureKind.RCODE, id="FORMERR"),
        pytest.param(replied(latency_s=LATE_S), Expected(), FailureKind.LATE, id="late"),
        pytest.param(replied(latency_s=LATE_S * 0.99), Expected(), None, id="just in time"),
        pytest.param(Result(0, 5, Outcome.SILENT), Expected(), FailureKind.NO_REPLY, id="silence"),
        pytest.param(replied(latency_s=5.001), Expected(), FailureKind.NO_REPLY, id="silence, and asked again"),
        pytest.param(Result(0, 0, Outcome.UNREACHABLE), Expected(), FailureKind.UNREACHABLE, id="ICMP"),
        pytest.param(Result(0, 0, Outcome.TRUNCATED), Expected(), FailureKind.TRUNCATED, id="TC, and no TCP"),
        pytest.param(Result(0, 0, Outcome.MISMATCHED), Expected(), FailureKind.WRONG_NAME, id="another name"),
    ],
)  # fmt: skip
def test_failure_of(result: Result, expected: Expected, kind: FailureKind | None) -> None:
    assert failure_of(result, expected) is kind


@pytest.mark.parametrize(
    ("latency_s", "late_s", "outcome", "doubtful"),
    [
        pytest.param(0.9, 0.8, Outcome.REPLIED, False, id="no failure"),
        pytest.param(1.2, 0.1, Outcome.REPLIED, False, id="late by itself"),
        pytest.param(1.2, 0.3, Outcome.REPLIED, True, id="in time but for the client"),
        pytest.param(5.0, 0.5, Outcome.SILENT, False, id="silence that the client's lateness does not explain"),
        pytest.param(5.0, 4.5, Outcome.SILENT, True, id="a client that hardly ran while it waited"),
        pytest.param(0.0, 0.0, Outcome.UNREACHABLE, False, id="ICMP"),
    ],
)
def test_a_failure_is_doubtful_if_the_client_was_late(
    latency_s: float, late_s: float, outcome: Outcome, doubtful: bool
) -> None:
    result = Result(0.0, latency_s, outcome, addresses=ONE, late_s=late_s)
    assert is_doubtful(result, Expected()) is doubtful
