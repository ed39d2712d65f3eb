"""Every row of the tables of hostile input is somebody's test.

U: datagrams (tests/survival/datagrams.py). T: streams. R: upstreams. H: HTTP and files.
"""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
SOURCES = "\n".join(
    path.read_text()
    for path in TESTS.rglob("*.py")
    if path.name.startswith("test_") or path.name == "datagrams.py"
)
ROWS = [
    f"{letter}{number:0{width}}"
    for letter, last, width in (("U", 126, 2), ("T", 24, 2), ("R", 24, 2), ("H", 13, 2))
    for number in range(1, last + 1)
]
ELSEWHERE = {"U126": "_formerr"}


@pytest.mark.parametrize("row", ROWS)
def test_a_test_names_it(row: str) -> None:
    text = ELSEWHERE.get(row, row)
    assert re.search(
        rf"(?<![A-Za-z0-9]){text}(?!\d)|_{text}(?!\d)", SOURCES, re.IGNORECASE
    )
