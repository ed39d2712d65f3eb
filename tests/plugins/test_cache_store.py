"""A mapping within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.model import Response
from minidns.plugins.cache.store import Bounded, Entry

ENTRIES, BYTES = 4, 20


def bounded() -> Bounded[str, bytes]:
    return Bounded(ENTRIES, BYTES, len)


def test_the_oldest_goes_first() -> None:
    values = bounded()
    for key in "abcd":
        assert values.put(key, b"1") == 0
    assert values.put("e", b"1") == 1
    assert values.get("a") is None
    assert [values.get(key) for key in "bcde"] == [b"1"] * 4


def test_putting_again_makes_young() -> None:
    values = bounded()
    for key in "abcda":
        values.put(key, b"1")
    values.put("e", b"1")
    assert values.get("a") == b"1"
    assert values.get("b") is None


def test_bytes_are_bounded_too() -> None:
    values = bounded()
    values.put("a", b"123456789")
    values.put("b", b"123456789")
    assert values.put("c", b"123") == 1
    assert (values.get("a"), values.bytes, len(values)) == (None, 12, 2)


def test_a_value_as_large_as_the_bound_takes_all_of_it() -> None:
    values = bounded()
    values.put("a", b"1")
    assert values.put("b", bytes(BYTES)) == 1
    assert (values.get("b"), values.bytes) == (bytes(BYTES), BYTES)


def test_what_is_too_big_is_not_kept_and_costs_nobody() -> None:
    values = bounded()
    values.put("a", b"1")
    values.put("b", b"1")
    assert values.put("b", bytes(BYTES + 1)) == 0
    assert values.get("a") == b"1"
    assert values.get("b") is None  # what it was to replace is old


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.binary(max_size=25)))))
def test_never_more_than_the_bounds_and_always_the_last_value(steps: list[tuple[str, bytes | None]]) -> None:
    values = bounded()
    last: dict[str, bytes | None] = {}
    for key, value in steps:
        if value is None:
            values.drop(key)
        else:
            values.put(key, value)
        last[key] = value
        held = [result for item in "abcdefgh" if (result := values.get(item)) is not None]
        assert len(held) == len(values) <= ENTRIES
        assert sum(map(len, held)) == values.bytes <= BYTES
        for item in "abcdefgh":
            assert values.get(item) in (None, last.get(item))


def test_hits_with_a_longer_gap_between_them_are_counted_anew() -> None:
    entry = Entry(Response(), 300, 0.0)
    assert [entry.hit(at, 60.0) for at in (0.0, 60.0, 61.0, 121.5, 130.0)] == [1, 2, 3, 1, 2]
