from collections import Counter
from random import Random

import pytest

from minidns.dns.model import RRset
from minidns.dns.rdata import AAAA, A, a, aaaa
from minidns.plugins.loadbalance.weights import choose, parse
from tests.table import table

FILE = """
# a comment
www.Example.org
  192.0.2.1 3
192.0.2.2\t255
2001:db8::1 1

other.example.org.
192.0.2.1 7
www.example.org
192.0.2.1 9
"""


def test_parse() -> None:
    assert parse(FILE, "weights") == {
        "www.example.org.": {a("192.0.2.1"): 3, a("192.0.2.2"): 255, aaaa("2001:db8::1"): 1},
        "other.example.org.": {a("192.0.2.1"): 7},
    }


REFUSED = {
    "address-as-name": ("192.0.2.1", 1),
    "no-address": ("a\nSECRET 3", 2),
    "weight-0": ("a\n192.0.2.1 0", 2),
    "weight-256": ("a\n\n192.0.2.1 256", 3),
    "weight-negative": ("a\n192.0.2.1 -1", 2),
    "weight-no-number": ("a\n192.0.2.1 SECRET", 2),
    "no-name": ("192.0.2.1 1", 1),
    "three-words": ("a\n 192.0.2.1 1 SECRET ", 2),
}


@table(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_refused_with_the_line_but_not_its_text(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"line {line} of weight file w") as caught:
        parse(text, "w")
    assert "SECRET" not in str(caught.value)


def test_choose_follows_the_weights() -> None:
    rrset = RRset("WWW.example.org.", A, 30, (a("192.0.2.1"), a("192.0.2.2")))
    other = RRset("www.example.org.", AAAA, 30, (aaaa("2001:db8::1"),))
    weights = parse("www.example.org\n192.0.2.1 8\n2001:db8::1 1", "w")
    random = Random(1)
    counts = Counter(choose((rrset, other), weights, random) for _ in range(10_000))
    assert set(counts) == {(0, 0), (0, 1), (1, 0)}
    assert 0.77 < counts[0, 0] / 10_000 < 0.83
    assert 0.08 < counts[0, 1] / 10_000 < 0.12, "who is not named has the weight 1"


def test_choose_without_weights_is_even() -> None:
    rrset = RRset("a.", A, 30, (a("192.0.2.1"), a("192.0.2.2")))
    random = Random(1)
    counts = Counter(choose((rrset,), {}, random) for _ in range(10_000))
    assert 0.47 < counts[0, 0] / 10_000 < 0.53
