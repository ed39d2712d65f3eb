import re

import pytest

from minidns.text import go_text
from tests.table import table

NUMBERS = [
    ("0", 10, 8, 0),
    ("255", 10, 8, 255),
    ("7b", 16, 8, 123),
    ("7B", 16, 8, 123),
    ("0xffee", 0, 16, 0xFFEE),
    ("0XFFEE", 0, 16, 0xFFEE),
    ("0b101", 0, 16, 5),
    ("0o17", 0, 16, 15),
    ("017", 0, 16, 15),
    ("65001", 0, 16, 65001),
    ("18446744073709551615", 10, 0, 2**64 - 1),
    ("zz", 36, 64, 1295),
]


@table(("text", "base", "bits", "expected"), NUMBERS)
def test_number(text: str, base: int, bits: int, expected: int) -> None:
    assert go_text.parse_uint(text, base, bits) == expected


REFUSED = [
    ("", 10, 64, "invalid syntax"),
    ("-1", 10, 64, "invalid syntax"),
    ("+1", 10, 64, "invalid syntax"),
    ("1.5", 10, 64, "invalid syntax"),
    ("8", 8, 64, "invalid syntax"),
    ("0x", 0, 64, "invalid syntax"),
    ("²", 10, 64, "invalid syntax"),
    ("256", 10, 8, "value out of range"),
    ("18446744073709551616", 10, 64, "value out of range"),
    ("1" * 5000, 10, 64, "value out of range"),
    ("1", 1, 64, "invalid base 1"),
    ("1", 37, 64, "invalid base 37"),
    ("1", 10, 65, "invalid bit size 65"),
]


@table(("text", "base", "bits", "why"), REFUSED)
def test_refused_in_the_words_of_go(text: str, base: int, bits: int, why: str) -> None:
    message = f'strconv.ParseUint: parsing "{text}": {why}'
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        go_text.parse_uint(text, base, bits)
