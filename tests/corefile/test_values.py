import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.corefile import values
from tests.table import table


def test_durations_and_integers_are_here_too() -> None:
    assert values.duration("1m") == 60
    assert values.format_duration(60) == "1m0s"
    assert values.integer("7") == 7
    assert values.quote("a") == '"a"'


@table(
    ("args", "expected"),
    [
        ([], ("example.org.", "0.10.in-addr.arpa.", "1.10.in-addr.arpa.")),
        (["."], (".",)),
        (["Cluster.Local", "a"], ("cluster.local.", "a.")),
        (["10.0.0.0/8"], ("10.in-addr.arpa.",)),
        (["a..b", "a"], ("a.",)),
        (["a..b"], ()),
    ],
)
def test_zones(args: list[str], expected: tuple[str, ...]) -> None:
    assert values.zones(args, ["Example.org", "10.0.0.0/15"]) == expected


@table(
    ("args", "expected"),
    [
        ([], (".",)),
        (["in-addr.arpa", "ip6.arpa"], ("in-addr.arpa.", "ip6.arpa.")),
        (["10.0.0.0/8"], ("10.in-addr.arpa.",)),
    ],
)
def test_fallthrough(args: list[str], expected: tuple[str, ...]) -> None:
    assert values.fallthrough(args) == expected


@table(
    ("zones", "name", "expected"),
    [
        ([], "a.", None),
        (["."], "a.", "."),
        (["a."], "a.", "a."),
        (["a."], "b.a.", "a."),
        (["a."], "ba.", None),
        (["a.", "b.a.", "."], "c.b.a.", "b.a."),
        (["b.a.", "a."], "cb.a.", "a."),
    ],
)
def test_the_longest_zone_wins(zones: list[str], name: str, expected: str | None) -> None:
    assert values.longest(zones, name) == expected
    assert values.covers(zones, name) is (expected is not None)


FINDS = [
    ("anywhere", "b", "abc", True),
    ("start", "^b", "abc", False),
    ("end-is-the-end-of-text", "c$", "abc\n", False),
    ("named", "(?P<x>b)", "abc", True),
    ("named-short", "(?<x>b)", "abc", True),
    ("posix-class", "^[[:alpha:]]+$", "abc", True),
    ("end-of-text", r"c\z", "abc", True),
    ("quoted", r"\Qa.c\E", "abc", False),
    ("digits-are-ascii", r"\d", "\u0665", False),
    ("words-are-ascii", r"^\w+$", "é", False),
    ("unicode-class", r"\pL", "é", True),
    ("case", "(?i)ABC", "abc", True),
    ("empty-group", "a(x)?b", "ab", True),
]


@table(("pattern", "text", "matches"), [row[1:] for row in FINDS], ids=[row[0] for row in FINDS])
def test_patterns(pattern: str, text: str, matches: bool) -> None:
    assert (values.pattern(pattern).search(text) is not None) is matches


def test_groups() -> None:
    compiled = values.pattern(r"(?P<host>[^.]+)\.(x)?example")
    match = compiled.search("www.example.org.")
    assert match is not None
    assert (match.group(), match.group(1), match.group("host")) == ("www.example", "www", "www")
    assert match.groups() == ("www", None)
    assert match.groupdict() == {"host": "www"}
    assert (compiled.groups, compiled.pattern) == (2, r"(?P<host>[^.]+)\.(x)?example")


BAD = [
    ("(a", "missing closing ): `(a`"),
    ("a)", "unexpected ): `a)`"),
    ("[a", "missing closing ]: `[a`"),
    ("*a", "missing argument to repetition operator: `*`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a{2000}", "invalid repeat count: `{2000}`"),
    ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    (r"(a)\1", r"invalid escape sequence: `\1`"),
    (r"a\Z", r"invalid escape sequence: `\Z`"),
    ("[z-a]", "invalid character class range: `z-a`"),
    ("a\\", "trailing backslash at end of expression: ``"),
]


@table(("text", "error"), BAD)
def test_bad_patterns(text: str, error: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"^error parsing regexp: ") as caught:
        values.pattern(text)
    assert str(caught.value) == f"error parsing regexp: {error}"
    assert capfd.readouterr().err == ""


def test_length_of_a_pattern_is_limited() -> None:
    assert values.pattern("a" * 10_000).search("b") is None
    with pytest.raises(ValueError, match=r"^regex pattern too long: 10001 > 10000$"):
        values.pattern("a" * 10_001)


@given(st.text(max_size=30))
def test_any_text_is_a_pattern_or_an_error(text: str) -> None:
    try:
        values.pattern(text).search("example.org.")
    except ValueError as error:
        message = str(error)
    else:
        message = "error parsing regexp: none"
    assert message.startswith("error parsing regexp: ")
