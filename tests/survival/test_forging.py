"""The short form of ``python -m tests.survival forged``."""

import contextlib
from random import Random

import dns.exception
import dns.message
import pytest

from tests.survival.forging import FORGED, PER_QUERY, TRUE, forged, forgeries, reply
from tests.survival.world import query

pytestmark = pytest.mark.slow


def test_no_forged_reply_is_believed() -> None:
    sent, believed, true, other = forged(3000)
    assert sent >= 3000
    assert (believed, other) == (0, 0)
    asked = sent // PER_QUERY  # once to see whether it is ready, too
    assert 0 < true <= asked <= true + 2


def test_each_is_wrong_in_something_and_would_be_right_without() -> None:
    """The attack is one: who does not look at all of a reply believes a forged one."""
    wire = query(7, "n1.forged.test.")
    asked = dns.message.from_wire(wire)
    assert asked.is_response(dns.message.from_wire(reply(wire, TRUE)))
    made = list(forgeries(wire, Random(1)))
    assert len(made) == PER_QUERY
    for each in made:
        assert FORGED in each
        with contextlib.suppress(dns.exception.DNSException):  # no question to point at
            assert not asked.is_response(dns.message.from_wire(each))
