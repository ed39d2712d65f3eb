"""An index of flat arrays against a dict of lists."""

from hypothesis import given
from hypothesis import strategies as st

from minidns.plugins.hosts.table import CompactIndex

KEYS = st.binary(max_size=3)


@given(st.lists(st.tuples(KEYS, st.integers(0, 2**32 - 1))), st.lists(KEYS))
def test_it_is_a_dict_of_lists(pairs: list[tuple[bytes, int]], more: list[bytes]) -> None:
    index, expected = CompactIndex(1), dict[bytes, list[int]]()
    for key, value in pairs:
        number = index.add_key(key)
        assert index.key(number) == key
        assert index.append(number, value)
        expected.setdefault(key, []).append(value)
    for key in [*expected, *more]:
        assert list(index.get(key)) == expected.get(key, [])


def test_keys_without_values_have_numbers_too() -> None:
    index = CompactIndex()
    assert [index.add_key(key) for key in (b"a", b"b", b"a")] == [0, 1, 0]
    assert not list(index.get(b"a"))
