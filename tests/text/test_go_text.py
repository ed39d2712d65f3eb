import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.text.go_text import duration, format_duration, integer, nanoseconds, quote
from tests.table import table

S = 10**9
DURATIONS = [
    ("0", 0),
    ("5s", 5 * S),
    ("30s", 30 * S),
    ("1478s", 1478 * S),
    ("-5s", -5 * S),
    ("+5s", 5 * S),
    ("-0", 0),
    ("+0", 0),
    ("5.0s", 5 * S),
    ("5.6s", 5_600_000_000),
    ("5.s", 5 * S),
    ("0.9806932672330554537h", 3_530_495_762_038),
    ("0.9877407986686111080h", 3_555_866_875_206),
    (".5s", S // 2),
    ("1.004s", 1_004_000_000),
    ("100.00100s", 100_001_000_000),
    ("10ns", 10),
    ("11us", 11_000),
    ("12µs", 12_000),
    ("12μs", 12_000),
    ("13ms", 13_000_000),
    ("15m", 900 * S),
    ("16h", 57_600 * S),
    ("3h30m", 12_600 * S),
    ("10.5s4m", 250_500_000_000),
    ("-2m3.4s", -123_400_000_000),
    ("1h2m3s4ms5us6ns", 3_723_004_005_006),
    ("39h9m14.425s", 140_954_425_000_000),
    ("0.3333333333333333333h", 1200 * S),
    ("0.830103483285477580700h", 2_988_372_539_827),
    ("0.9999999999999999999s", S),
    ("9007199254740993ns", 9007199254740993),
    ("9223372036854775807ns", 9223372036854775807),
    ("-9223372036854775808ns", -9223372036854775808),
    ("0.100000000000000000000h", 360 * S),
]


@table(("text", "expected"), DURATIONS)
def test_durations(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected
    assert duration(text) == expected / S


NOT_DURATIONS = [
    ("", 'time: invalid duration ""'),
    ("3", 'time: missing unit in duration "3"'),
    ("5", 'time: missing unit in duration "5"'),
    ("5s3", 'time: missing unit in duration "5s3"'),
    ("-", 'time: invalid duration "-"'),
    ("s", 'time: invalid duration "s"'),
    ("x", 'time: invalid duration "x"'),
    (".", 'time: invalid duration "."'),
    ("-.", 'time: invalid duration "-."'),
    (".s", 'time: invalid duration ".s"'),
    ("+.s", 'time: invalid duration "+.s"'),
    ("--5s", 'time: invalid duration "--5s"'),
    ("1d", 'time: unknown unit "d" in duration "1d"'),
    ("1w", 'time: unknown unit "w" in duration "1w"'),
    ("5S", 'time: unknown unit "S" in duration "5S"'),
    ("5 s", 'time: unknown unit " s" in duration "5 s"'),
    ("5s ", 'time: unknown unit "s " in duration "5s "'),
    ('1"', r'time: unknown unit "\"" in duration "1\""'),
    ("1é", r'time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9"'),
    ("1\n", r'time: unknown unit "\x0a" in duration "1\x0a"'),
    ("\u0665s", r'time: invalid duration "\xd9\xa5s"'),
    ("3000000h", 'time: invalid duration "3000000h"'),
    ("9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'),
    ("99999999999999999999s", 'time: invalid duration "99999999999999999999s"'),
    ("2562047h47m16.9s", 'time: invalid duration "2562047h47m16.9s"'),
    # a number that is too large is found before its unit
    ("9223372036854775808", 'time: missing unit in duration "9223372036854775808"'),
    ("9223372036854775809", 'time: invalid duration "9223372036854775809"'),
    ("99999999999999999999", 'time: invalid duration "99999999999999999999"'),
    ("9999999999999999999d", 'time: invalid duration "9999999999999999999d"'),
]


@table(("text", "error"), NOT_DURATIONS)
def test_not_durations(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=r"^time: ") as caught:
        duration(text)
    assert str(caught.value) == error


FORMATS = [
    (0, "0s"),
    (1e-9, "1ns"),
    (1.1e-6, "1.1µs"),
    (2.2e-3, "2.2ms"),
    (0.5, "500ms"),
    (3.3, "3.3s"),
    (5, "5s"),
    (30, "30s"),
    (60, "1m0s"),
    (300, "5m0s"),
    (245, "4m5s"),
    (245.001, "4m5.001s"),
    (3600, "1h0m0s"),
    (18367.001, "5h6m7.001s"),
    (480.000000001, "8m0.000000001s"),
    (-5, "-5s"),
    (-0.5, "-500ms"),
    (90000, "25h0m0s"),
]


@table(("seconds", "expected"), FORMATS)
def test_format_duration(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected


@given(st.integers(-(10**15), 10**15))
def test_formatted_duration_parses_to_the_same_value(amount: int) -> None:
    assert nanoseconds(format_duration(amount / S)) == amount


@given(st.text("0123456789.smhnuµd+- x"))
def test_any_text_is_a_duration_or_an_error(text: str) -> None:
    try:
        seconds = duration(text)
    except ValueError as error:
        message = str(error)
    else:
        message = ""
        assert abs(seconds) <= 2**63 / S
    assert not message or message.startswith("time: ")


INTEGERS = [
    ("0", 0),
    ("30", 30),
    ("-5", -5),
    ("+5", 5),
    ("007", 7),
    ("0" * 5000, 0),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
]


@table(("text", "expected"), INTEGERS, ids=lambda value: str(value)[:9])
def test_integers(text: str, expected: int) -> None:
    assert integer(text) == expected


@table(
    ("text", "why"),
    [
        ("", "invalid syntax"),
        ("x", "invalid syntax"),
        ("3.0", "invalid syntax"),
        ("1_000", "invalid syntax"),
        (" 1", "invalid syntax"),
        ("1\n", "invalid syntax"),
        ("0x10", "invalid syntax"),
        ("\u0665", "invalid syntax"),
        ("--1", "invalid syntax"),
        ("9223372036854775808", "value out of range"),
        ("-9223372036854775809", "value out of range"),
        ("9" * 5000, "value out of range"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_not_integers(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^strconv\.Atoi") as caught:
        integer(text)
    assert str(caught.value) == f"strconv.Atoi: parsing {quote(text)}: {why}"


@table(
    ("text", "quoted"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\0\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("é☺", '"é☺"'),
        ("\u00a0\u200b", r'"\u00a0\u200b"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("'", '"\'"'),
    ],
)
def test_quote(text: str, quoted: str) -> None:
    assert quote(text) == quoted
