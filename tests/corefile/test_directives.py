from hypothesis import given
from hypothesis import strategies as st

from minidns.corefile.directives import Directive, occurrences
from minidns.corefile.lexer import scan
from tests.table import table


def read(text: str) -> list[Directive]:
    return list(occurrences("name", list(scan(text, "F"))))


def show(directive: Directive) -> str:
    lines = "; ".join(
        " ".join(token.text for token in line.tokens) + (" <" if line.closed else "") for line in directive.block
    )
    block = f" [{lines}]" if directive.has_block else ""
    return " ".join([f"{directive.line}:", *directive.args]) + block


READS = [
    ("bare", "a", ["1:"]),
    ("arguments", "a b c", ["1: b c"]),
    ("empty-argument", 'a "" c', ["1:  c"]),
    ("repeated", "a b\na c", ["1: b", "2: c"]),
    ("empty-block", "a {\n}", ["1: []"]),
    ("empty-block-on-a-line", "a { }", ["1: []"]),
    ("block", "a b {\n c d\n e\n}", ["1: b [c d; e]"]),
    ("repeated-with-blocks", "a {\n b\n}\na {\n c\n}", ["1: [b]", "4: [c]"]),
    ("option-after-brace", "a { b c\n d\n}", ["1: [b c; d]"]),
    ("brace-on-the-options-line", "a {\n b c }", ["1: [b c <]"]),
    ("all-on-a-line", "a b { c d }", ["1: b [c d <]"]),
    ("lonely-brace-is-an-occurrence", "a\n{\n}", ["1:", "2:", "3:"]),
    ("lonely-brace-and-option", "a\n{\n b\n}", ["1:", "2:", "3:", "4:"]),
    ("words-after-the-block", "a {\n b\n} c d", ["1: [b]", "3: d"]),
    ("inner-brace-begins-a-line", "a {\n b {\n c\n }\n}", ["1: [b; {; c]", "5:"]),
    ("argument-after-multi-line-quote", 'a "b\nc" d', ["1: b\nc d"]),
    ("option-after-multi-line-quote", 'a {\n b "c\nd" e\n}', ["1: [b c\nd e]"]),
    ("nothing", "", []),
]


@table(("text", "expected"), [row[1:] for row in READS], ids=[row[0] for row in READS])
def test_occurrences(text: str, expected: list[str]) -> None:
    assert [show(directive) for directive in read(text)] == expected


@given(st.lists(st.sampled_from(["a", "b", "{", "}", "\n", '"x\ny"'])).map(" ".join))
def test_no_token_is_lost(text: str) -> None:
    tokens = [token for directive in read(text) for token in directive.tokens]
    assert tokens == list(scan(text, "F"))


def test_errors_of_a_directive() -> None:
    first, second = read('a b\n"c\nd" {\n x y\n}')
    assert str(first.error("no")) == "F:1 - Error during parsing: no"
    assert str(second.end_error("no")) == "F:5 - Error during parsing: no"
    assert str(first.arg_error()) == (
        "F:1 - Error during parsing: Wrong argument count or unexpected line ending after 'b'"
    )
    assert str(first.syntax_error("e")) == ("F:1 - Syntax error: Unexpected token 'name', expecting 'e'")


def test_a_lonely_brace_is_no_argument() -> None:
    _, brace, _ = read("a\n{\n}")
    assert str(brace.arg_error()) == ("F:2 - Error during parsing: Unexpected token '{', expecting argument")


def test_errors_of_a_directive_without_tokens() -> None:
    directive = Directive("a", ("b",), "F", 3)
    assert str(directive.arg_error()).endswith(":3 - Error during parsing: " + WRONG + "'b'")
    assert str(directive.end_error("no")) == "F:3 - Error during parsing: no"


WRONG = "Wrong argument count or unexpected line ending after "


def test_errors_of_a_line() -> None:
    (directive,) = read('a {\n b c\n d "e\nf"\n g }')
    first, second, third = directive.block
    assert (first.name, first.args, first.file, first.line) == ("b", ("c",), "F", 2)
    assert str(first.error("no")) == "F:2 - Error during parsing: no"
    assert str(first.arg_error()) == f"F:2 - Error during parsing: {WRONG}'c'"
    assert str(second.arg_error()) == f"F:3 - Error during parsing: {WRONG}'e\nf'"
    assert str(third.arg_error()) == f"F:5 - Error during parsing: {WRONG}'}}'"
    assert str(first.syntax_error("e")) == ("F:2 - Syntax error: Unexpected token 'b', expecting 'e'")
