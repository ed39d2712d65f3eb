"""`table` names every row that fails, and only those."""

import pytest

from tests.table import table


def test_every_row_that_fails_is_named() -> None:
    @table(("number", "is_even"), [pytest.param(1, True, id="one"), (2, True), pytest.param(3, True, id="three")])
    def check(number: int, is_even: bool) -> None:
        assert (number % 2 == 0) == is_even

    with pytest.raises(ExceptionGroup, match="rows that fail: one, three") as caught:
        check()
    assert len(caught.value.exceptions) == 2


async def test_rows_of_a_coroutine_are_awaited() -> None:
    seen = []

    @table("left", "ab")
    @table("right", [1, 2], ids=str)
    async def check(left: str, right: int, fixture: str) -> None:
        seen.append(f"{left}{right}{fixture}")
        with pytest.raises(ValueError, match="never"):
            raise ValueError("never")

    await check(fixture="f")
    assert seen == ["a1f", "a2f", "b1f", "b2f"]


def test_what_does_not_raise_is_a_row_that_fails() -> None:
    @table("number", [1, 2])
    def check(number: int) -> None:
        with pytest.raises(ZeroDivisionError):
            1 / number

    with pytest.raises(ExceptionGroup, match="rows that fail: 1, 2"):
        check()
