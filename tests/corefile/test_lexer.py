import re
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minidns.corefile.errors import ConfigError
from minidns.corefile.lexer import Token, expand, scan
from tests.table import table

SCANS = [
    ("words-and-spaces", "a  b\tc\n", ["1:a", "1:b", "1:c"]),
    ("lines-are-counted", "a\n\nb\n", ["1:a", "3:b"]),
    ("no-line-end-at-end", "a", ["1:a"]),
    ("empty", "", []),
    ("only-space", " \n\t\n", []),
    ("bom-is-skipped", "\ufeffa", ["1:a"]),
    ("bom-elsewhere-is-a-letter", "a \ufeffb", ["1:a", "1:\ufeffb"]),
    ("cr-is-dropped", "a b\r\nc\r\n", ["1:a", "1:b", "2:c"]),
    ("cr-separates-nothing", "a\rb", ["1:ab"]),
    ("cr-in-quotes-stays", '"a\r\nb"', ["1:a\r\nb"]),
    ("unicode-space-separates", "a\u00a0b\u3000c\u0085d", ["1:a", "1:b", "1:c", "1:d"]),
    ("information-separator-does-not", "a\x1cb", ["1:a\x1cb"]),
    ("no-break-zero-width-does-not", "a\u200bb", ["1:a\u200bb"]),
    ("quoted", 'a "b c" d', ["1:a", "1:b c", "1:d"]),
    ("quoted-empty", 'a "" b', ["1:a", "1:", "1:b"]),
    ("quoted-over-lines", '"a\nb" c\nd', ["1:a\nb", "2:c", "3:d"]),
    ("quoted-hash", '"a # b"', ["1:a # b"]),
    ("quoted-brace-looks-bare", '"{"', ["1:{"]),
    ("escaped-quote", r'"say \"hi\""', ['1:say "hi"']),
    ("other-backslashes-stay", r'"(.*)\.foo\.$"', [r"1:(.*)\.foo\.$"]),
    ("double-backslash-stays", r'"a\\" b', [r"1:a\\", "1:b"]),
    ("backslash-outside-quotes", r"a\ b\" c", [r"1:a" + "\\", r"1:b\"", "1:c"]),
    ("quote-within-word", 'a"b c"', ['1:a"b', '1:c"']),
    ("word-after-quoted", '"a"b', ["1:a", "1:b"]),
    ("quoted-after-quoted", '"a""b"', ["1:a", "1:b"]),
    ("unclosed-quote", 'a "b c\nd', ["1:a", "1:b c\nd"]),
    ("unclosed-quote-empty", 'a "', ["1:a"]),
    ("unclosed-quote-backslash", '"a\\', ["1:a"]),
    ("comment", "a # b c\nd", ["1:a", "2:d"]),
    ("comment-whole-line", "# a\nb", ["2:b"]),
    ("comment-at-end", "a #", ["1:a"]),
    ("comment-within-word", "a#b\nc", ["1:a", "2:c"]),
    ("comment-within-word-ends-at-space", "a#b c\nd", ["1:a", "1:c", "2:d"]),
    ("comment-after-quoted", '"a"#b c\nd', ["1:a", "2:d"]),
    ("comment-with-quote", 'a # "\nb', ["1:a", "2:b"]),
    ("comment-takes-brace", "a {# x\n}", ["1:a", "1:{", "1:x", "2:}"]),
    ("braces-within-words", "a{ }b {c}", ["1:a{", "1:}b", "1:{c}"]),
    ("no-continuation", "a \\\nb", ["1:a", "1:\\", "2:b"]),
    ("nul-is-a-letter", "a\0b", ["1:a\0b"]),
]


@table(("text", "expected"), [row[1:] for row in SCANS], ids=[row[0] for row in SCANS])
def test_scan(text: str, expected: list[str]) -> None:
    tokens = scan(text, "Corefile")
    assert [f"{token.line}:{token.text}" for token in tokens] == expected


@given(st.text())
def test_any_text_can_be_scanned(text: str) -> None:
    tokens = list(scan(text, "Corefile"))
    assert all(token.file == "Corefile" for token in tokens)
    assert sum(len(token.text) for token in tokens) <= len(text)
    lines = [token.line for token in tokens]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_quoted_words_are_scanned_unchanged(words: list[str]) -> None:
    for word in words:
        # a backslash before a quote cannot be written: it would escape the quote
        assume(not re.search(r'(?<!\\)(?:\\\\)*\\("|\Z)', word))
    quoted = ['"' + word.replace('"', '\\"') + '"' for word in words]
    assert [token.text for token in scan(" ".join(quoted), "x")] == words


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"#'), min_size=1)


@given(st.lists(st.lists(WORD, max_size=4), max_size=6))
def test_plain_words_are_scanned_with_their_lines(lines: list[list[str]]) -> None:
    text = "\n".join(" ".join(words) for words in lines)
    assert [(token.line, token.text) for token in scan(text, "x")] == [
        (number, word) for number, words in enumerate(lines, 1) for word in words
    ]


LINES = [
    ("next-line", "a\nb", True, False),
    ("same-line", "a b", False, True),
    ("after-multi-line-quote", '"a\n\nb" c', False, True),
    ("below-multi-line-quote", '"a\nb"\nc', True, False),
]


@table(("text", "begins", "continues"), [row[1:] for row in LINES], ids=[row[0] for row in LINES])
def test_lines(text: str, begins: bool, continues: bool) -> None:
    first, second = scan(text, "x")
    assert second.begins_line(first) is begins
    assert second.continues(first) is continues


def test_another_file_is_another_line() -> None:
    here, there = Token("a", "x", 1), Token("b", "y", 1)
    assert there.begins_line(here)
    assert not there.continues(here)


def test_an_earlier_line_neither_continues_nor_begins() -> None:
    here, there = Token("a", "x", 7), Token("b", "x", 2)
    assert not there.begins_line(here)
    assert not there.continues(here)


ENVIRON = {"A": "1", "B": "{$A}", "C": "two words", "LOOP": "{$LOOP}", "GROW": "{$GROW}{$GROW}", "BRACE": "{"}
EXPANDS = [
    ("unix", "{$A}", "1"),
    ("windows", "{%A%}", "1"),
    ("inside", "x{$A}y{%A%}z", "x1y1z"),
    ("twice", "{$A}{$A}", "11"),
    ("unset-is-empty", "x{$NONE}y", "xy"),
    ("value-is-expanded-again", "{$B}", "1"),
    ("windows-first", "{%B%}", "1"),
    ("value-with-space", "{$C}", "two words"),
    ("value-with-brace", "{$BRACE}", "{"),
    ("no-name-stays", "{$}", "{$}"),
    ("no-name-stops", "{$}{$A}", "{$}{$A}"),
    ("no-name-windows", "{%%}", "{%%}"),
    ("opening-closes-itself", "{%}{%A%}", "{%}{%A%}"),
    ("unclosed", "{$A", "{$A"),
    ("shell-form-stays", "${A} $A", "${A} $A"),
    ("template-with-blank", "{{ $x }}", "{{ $x }}"),
    ("template-without-blank-is-eaten", "{{$x}}", "{}"),
    ("no-default-syntax", "{$NONE:-x}", ""),
]


@table(("text", "expected"), [row[1:] for row in EXPANDS], ids=[row[0] for row in EXPANDS])
def test_expand(text: str, expected: str) -> None:
    assert expand(text, ENVIRON) == expected


@pytest.mark.parametrize("name", ["LOOP", "GROW"])
def test_a_value_that_refers_to_itself_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^environment variable {name} refers to it"):
        expand(f"{{${name}}}", ENVIRON)


MIB = 1 << 20


@pytest.mark.parametrize("size", [MIB, MIB + 1])
def test_a_text_has_at_most_1_mib(size: int) -> None:
    if size <= MIB:
        assert [len(token.text) for token in scan("a" * size, "F")] == [size]
        return
    with pytest.raises(ConfigError, match="1 MiB"):
        list(scan("a" * size, "F"))


@pytest.mark.parametrize("size", [MIB, MIB + 1])
def test_an_expanded_text_has_at_most_1_mib(size: int) -> None:
    environ = {"A": "a" * size}
    if size <= MIB:
        assert len(expand("{$A}", environ)) == size
        return
    with pytest.raises(ValueError, match="A"):
        expand("{$A}", environ)


@given(st.text("{}$%AB"), st.dictionaries(st.sampled_from("AB"), st.text("{}$%AB")))
def test_expansion_ends(text: str, environ: dict[str, str]) -> None:
    with suppress(ValueError):  # a value that holds itself
        assert not re.search(r"\{%[AB]%\}", expand(text, environ))
