"""Tests over tables: one test checks every row, and names all rows that fail.

A test of pytest costs some milliseconds besides its own work, in each worker and again
where the results are gathered. So a table of cheap rows is one test. A row that takes
long, has a mark, or needs a fixture or an event loop of its own, belongs into
``pytest.mark.parametrize``.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import pytest

Test: TypeAlias = Callable[..., Any]
Row: TypeAlias = tuple[str, dict[str, Any]]
"""The id of a row, and its arguments by name."""
_PARAM = type(pytest.param())


def table(
    names: str | Sequence[str], rows: Iterable[Any], ids: Iterable[Any] | Callable[[Any], Any] | None = None
) -> Callable[[Test], Test]:
    """Make a test check all rows; takes what ``pytest.mark.parametrize`` takes."""
    found = list(_rows(names, list(rows), ids))

    def over_rows(test: Test) -> Test:
        def run(**fixtures: Any) -> None:
            with _failures() as failing:
                for name, values in found:
                    with failing(name):
                        test(**values, **fixtures)

        async def run_async(**fixtures: Any) -> None:
            with _failures() as failing:
                for name, values in found:
                    with failing(name):
                        await test(**values, **fixtures)

        made = functools.wraps(test)(run_async if inspect.iscoroutinefunction(test) else run)
        signature = inspect.signature(test)
        others = [each for name, each in signature.parameters.items() if name not in found[0][1]]
        made.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return made

    return over_rows


def _rows(
    names: str | Sequence[str], rows: list[Any], ids: Iterable[Any] | Callable[[Any], Any] | None
) -> Iterator[Row]:
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    given: list[Any] = [None] * len(rows) if ids is None or callable(ids) else list(ids)
    for row, own in zip(rows, given, strict=True):
        if isinstance(row, _PARAM):
            assert not row.marks, "a row with a mark belongs into pytest.mark.parametrize"
            own, row = own or row.id, row.values
        elif len(fields) == 1:
            row = (row,)
        shown = [ids(value) if callable(ids) else value for value in row]
        yield str(own or "-".join(map(str, shown))), dict(zip(fields, row, strict=True))


@contextlib.contextmanager
def _failures() -> Iterator[Callable[[str], contextlib.AbstractContextManager[None]]]:
    failed: dict[str, Exception] = {}

    @contextlib.contextmanager
    def failing(row: str) -> Iterator[None]:
        try:
            yield
        except pytest.skip.Exception:
            pass
        except (Exception, pytest.fail.Exception) as error:
            failed[row] = error if isinstance(error, Exception) else AssertionError(str(error))
            failed[row].add_note(f"row: {row}")

    yield failing
    if failed:
        raise ExceptionGroup(f"rows that fail: {', '.join(failed)}", list(failed.values()))
