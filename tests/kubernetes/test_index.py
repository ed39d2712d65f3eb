from hypothesis import given
from hypothesis import strategies as st

from minidns.kubernetes.objects import Key
from minidns.kubernetes.store import Index

keys = st.sampled_from([Key("a", name) for name in "xyz"])
places = st.frozensets(st.sampled_from("123"))


@given(st.lists(st.tuples(keys, places)))
def test_the_order_of_moves_leaves_no_trace(moves: list[tuple[Key, frozenset[str]]]) -> None:
    index: Index[str] = Index()
    at: dict[Key, frozenset[str]] = {}
    for key, places in moves:
        before = at.get(key, frozenset())
        assert index.move(key, before, places) == before ^ places
        at[key] = places
    for place in "123":
        assert index.get(place) == tuple(sorted(k for k in at if place in at[k]))
    assert len(index) == len(frozenset().union(*at.values()))
