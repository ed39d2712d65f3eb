import pytest

from minidns.dns.model import Response, Reuse, also_depends_on, combine, joined, replace
from tests.table import table

BOTH = [
    pytest.param(None, Reuse(), None, id="not-one"),
    pytest.param(Reuse(), None, None, id="not-the-other"),
    pytest.param(Reuse(), Reuse(), Reuse(), id="both-forever"),
    pytest.param(
        Reuse(5.0, ("a",)), Reuse(3.0, ("b", "c")), Reuse(3.0, ("a", "b", "c")), id="the-shorter-time-and-all-keys"
    ),
    pytest.param(Reuse(ttls_true_at=7.0), Reuse(ttls_true_at=7.0), Reuse(ttls_true_at=7.0), id="of-the-same-age"),
    pytest.param(Reuse(ttls_true_at=7.0), Reuse(), None, id="only-one-counts-down"),
    pytest.param(Reuse(rotates=True), Reuse(), Reuse(rotates=True), id="one-is-to-be-turned"),
]


@table(("one", "other", "expected"), BOTH)
def test_combine(one: Reuse | None, other: Reuse | None, expected: Reuse | None) -> None:
    assert combine(one, other) == expected


def test_reuse_depends_on_the_plugin_that_passed_the_query_on() -> None:
    response = also_depends_on(Response(reuse=Reuse(9.0, ("below",))), "above")
    assert response.reuse == Reuse(9.0, ("below", "above"))


def test_a_reply_that_is_not_reused_stays_so() -> None:
    assert also_depends_on(Response(), "above").reuse is None


@table("limit", ["tc", "client_specific"])
@table("at", [0, 1])
def test_what_limits_one_part_limits_the_joined_answer(limit: str, at: int) -> None:
    parts = [Response(), Response()]
    parts[at] = replace(parts[at], **{limit: True})
    assert getattr(joined(parts[0], parts[1]), limit)
    assert not getattr(joined(Response(), Response()), limit)


@pytest.mark.parametrize("at", [0, 1])
def test_a_joined_answer_is_reused_only_if_both_parts_are(at: int) -> None:
    parts = [Response(reuse=Reuse()), Response(reuse=Reuse())]
    assert joined(parts[0], parts[1]).reuse
    parts[at] = Response()
    assert joined(parts[0], parts[1]).reuse is None
