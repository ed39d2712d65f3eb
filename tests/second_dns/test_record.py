import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.second_dns import record
from minidns.second_dns.changes import Change
from minidns.second_dns.record import ANNOTATION, Record
from minidns.second_dns.refusal import Refusal

SHORT = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | SHORT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.text("abc", min_size=1, max_size=3)
PATHS = st.lists(WORDS, max_size=3).map(lambda words: ("spec", *words))
CHANGES = st.builds(Change, PATHS, JSON, JSON)
RECORDS = st.builds(
    Record,
    dns=SHORT,
    service=SHORT,
    id=SHORT,
    until=st.sampled_from(["", "2026-01-02T03:04:05Z"]),
    changes=st.lists(CHANGES, max_size=3).map(tuple),
    twin=SHORT,
    of=SHORT,
).filter(lambda made: made.dns and made.service)


@settings(deadline=None)
@given(RECORDS)
def test_what_is_written_is_read(made: Record) -> None:
    obj = record.recorded({"kind": "Deployment", "metadata": {"name": "web"}}, made)
    assert record.of(obj) == made
    assert record.recorded(obj, None) == {
        "kind": "Deployment",
        "metadata": {"name": "web"},
    }


def test_the_order_of_keys_is_kept() -> None:
    """Byte for byte: what is put back is what stood there, in its order."""
    before = {"options": [], "nameservers": ["a"]}
    made = Record("10.96.0.20", "a/b", changes=(Change(("spec",), before, None),))
    read = record.of(record.recorded({"metadata": {}}, made))
    assert read is not None
    assert list(read.changes[0].before) == ["options", "nameservers"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"dns": "10.96.0.20"}',
        '{"dns": 1, "service": "a/b"}',
        '{"dns": "a", "service": "b", "until": "soon"}',
        '{"dns": "a", "service": "b", "changes": [{"path": "/spec"}]}',
        '{"dns": "a", "service": "b", "changes": [{"path": "/metadata/name", "before": 1, "after": 2}]}',
        '{"dns": "a", "service": "b", "changes": [{"path": 3, "before": 1, "after": 2}]}',
    ],
)
def test_what_was_edited_is_refused_and_not_undone_by(text: str) -> None:
    meta = {"name": "web", "namespace": "shop", "annotations": {ANNOTATION: text}}
    with pytest.raises(Refusal, match=r"Deployment shop/web: .* cannot be read"):
        record.of({"kind": "Deployment", "metadata": meta})


@pytest.mark.parametrize(
    ("until", "is_over"),
    [("", False), (record.timestamp(999), True), (record.timestamp(1001), False)],
)
def test_time_runs_out(until: str, is_over: bool) -> None:
    assert Record("a", "b", until=until).is_over(1000.0) is is_over


@settings(deadline=None)
@given(st.integers(0, 2**33))
def test_times(at: int) -> None:
    assert record.seconds(record.timestamp(at)) == at
