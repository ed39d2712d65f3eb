import pytest

from minidns.dns.model import Repeat, Response
from minidns.dns.reuse import both, until_changed

BOTH = [
    pytest.param(None, Repeat(), None, id="not-one"),
    pytest.param(Repeat(), None, None, id="not-the-other"),
    pytest.param(Repeat(), Repeat(), Repeat(), id="both-forever"),
    pytest.param(
        Repeat(5.0, ("a",)),
        Repeat(3.0, ("b", "c")),
        Repeat(3.0, ("a", "b", "c")),
        id="the-shorter-time-and-all-keys",
    ),
    pytest.param(
        Repeat(ages=7.0), Repeat(ages=7.0), Repeat(ages=7.0), id="of-the-same-age"
    ),
    pytest.param(Repeat(ages=7.0), Repeat(), None, id="only-one-counts-down"),
    pytest.param(
        Repeat(turns=True), Repeat(), Repeat(turns=True), id="one-is-to-be-turned"
    ),
]


@pytest.mark.parametrize(("one", "other", "expected"), BOTH)
def test_both(
    one: Repeat | None, other: Repeat | None, expected: Repeat | None
) -> None:
    assert both(one, other) == expected


def test_leave_ends_with_what_passed_the_query_on() -> None:
    response = until_changed(Response(repeat=Repeat(9.0, ("below",))), "above")
    assert response.repeat == Repeat(9.0, ("below", "above"))


def test_no_leave_stays_no_leave() -> None:
    assert until_changed(Response(), "above").repeat is None
