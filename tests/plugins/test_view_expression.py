"""Expressions of *view*: what CoreDNS 1.14.7 (expr-lang 1.17.8) says of each of them.

Results and errors were taken from CoreDNS for a query of ``www.example.org. A`` over UDP
without EDNS, from 127.0.0.1.
"""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.plugins.view.expression import BOOL, INT, STRING, ExpressionError, Function, compiled
from tests.table import table

FUNCTIONS = {
    "name": Function((), STRING, lambda _: "www.example.org."),
    "type": Function((), STRING, lambda _: "A"),
    "client_ip": Function((), STRING, lambda _: "127.0.0.1"),
    "size": Function((), INT, lambda _: 33),
    "bufsize": Function((), INT, lambda _: 512),
    "do": Function((), BOOL, lambda _: False),
    "incidr": Function((STRING, STRING), BOOL, lambda _, a, b: True),
}

TRUE = """\
type() == 'A'
type() in ['A', 'AAAA']
type() in ['A', 'AAAA',]
type() not in ['MX', "TXT"]
not (type() == 'MX')
!do()
not do() and true
name() matches '^www\\\\..*\\\\.org\\\\.$'
name() matches 'example'
name() not matches '^example'
name() startsWith 'www.' && name() endsWith '.org.'
name() startsWith 'x' or name() endsWith '.'
name() contains "example"
name() not contains 'test'
type() == 'A' || type() == 'B' && false
(type() == 'A' && name() == 'example.com.') || client_ip() == '127.0.0.1'
'a' < 'b'
len(name()) > 3
upper('x') == 'X' and lower('X') == 'x'
1_000 == 1000
hasPrefix(name(), 'www') and hasSuffix(name(), 'org.')
incidr(client_ip(), '127.0.0.0/24')
'it\\'s' == "it's"
`back\\slash` == 'back\\\\slash'
type() != 'AAAA' != false
false == false"""

FALSE = """\
type() == 'AAAA'
type() not in ['A', 'AAAA']
name() == 'WWW.example.org.'
do()
not true
type() == 'a'
name() matches '^example'
false and true or false
bufsize() >= 1232
true == false"""

NO_CONDITION = ["name()", "1", "[true]", "'true'"]
"""Expressions that are neither true nor false: they choose nothing."""

ERRORS = {
    "name() ==": "unexpected token EOF (1:9)",
    "": "unexpected token EOF (1:1)",
    "invalid expression": 'unexpected token Identifier("expression") (1:9)',
    "name() x": 'unexpected token Identifier("x") (1:8)',
    "1 <": "unexpected token EOF (1:3)",
    "foo()": "unknown name foo (1:1)",
    "name( == 'x'": 'unexpected token Operator("==") (1:7)',
    "name() == 'x' &&": "unexpected token EOF (1:16)",
    "type() in ['A'": "unexpected token EOF (1:14)",
    "'unterminated": "literal not terminated (1:14)",
    "name() matches '('": "error parsing regexp: missing closing ): `(` (1:8)",
    "name() == 5": "invalid operation: == (mismatched types string and int) (1:8)",
    "incidr('1.2.3.4')": "not enough arguments to call incidr (1:1)",
    "incidr('1', '2', '3')": "too many arguments to call incidr (1:1)",
    "incidr(1, 2)": "cannot use int as argument (type string) to call incidr  (1:8)",
    "bogus == 'x'": "unknown name bogus (1:1)",
    "size() > 'a'": "invalid operation: > (mismatched types int and string) (1:8)",
    "not name()": "invalid operation: not (mismatched type string) (1:1)",
    "not type() == 'A'": "invalid operation: not (mismatched type string) (1:1)",
    "name() and true": "invalid operation: and (mismatched types string and bool) (1:8)",
    "name() contains 5": (
        "invalid operation: contains (mismatched types string and int) (1:8)"
    ),
    "type() in 'A'": "invalid operation: in (mismatched types string and string) (1:8)",
    "@": "unrecognized character: U+0040 '@' (1:1)",
    "name() === 'x'": 'unexpected token Operator("=") (1:10)',
    "(true": "unexpected token EOF (1:5)",
    "true)": 'unexpected token Bracket(")") (1:5)',
    "foo(1, bar) ==": "unexpected token EOF (1:14)",
    "foo(1, bar)": "unknown name foo (1:1)",
}  # fmt: skip


@table("text", TRUE.splitlines())
def test_true(text: str) -> None:
    assert compiled(text, FUNCTIONS)(None) is True


@table("text", FALSE.splitlines())
def test_false(text: str) -> None:
    assert compiled(text, FUNCTIONS)(None) is False


@table("text", NO_CONDITION)
def test_what_is_no_condition_is_an_expression(text: str) -> None:
    assert not isinstance(compiled(text, FUNCTIONS)(None), bool)


@table(("text", "message"), ERRORS.items())
def test_a_wrong_expression_is_refused_as_coredns_does(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled(text, FUNCTIONS)
    assert str(caught.value).splitlines()[0] == message


@table("text", ["name() ==", "name() == 5", "'x"])
def test_an_error_points_at_the_place(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled(text, FUNCTIONS)
    first, shown, pointer = str(caught.value).splitlines()
    column = int(first.rpartition(":")[2].rstrip(")"))
    assert shown == f" | {text}"
    assert pointer.index("^") == len(" | ") + column - 1


NOT_SUPPORTED = [
    "size() + 1 > 3",
    "size() in 1..100",
    "true ? true : false",
    "[1, 2][0] == 1",
    "nil == nil",
    "1.5 < size()",
    "0x10 == 16",
    "-1 < size()",
    "split(name(), '.') == []",
    r"'\x41' == 'A'",
]


@table("text", NOT_SUPPORTED)
def test_the_rest_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        compiled(text, FUNCTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["(", "[", "not ", "!"])
def test_depth_is_bounded(sign: str) -> None:
    with pytest.raises(ExpressionError, match="nested too deeply"):
        compiled(sign * 100_000, FUNCTIONS)


def test_length_is_bounded() -> None:
    """A chain of operators is as deep as it is long when it is evaluated."""
    text = " or ".join(["type() == 'MX'"] * 199 + ["type() == 'A'"])
    assert compiled(text, FUNCTIONS)(None) is True
    with pytest.raises(ExpressionError, match="too many operators"):
        compiled(" or ".join(["true"] * 1000), FUNCTIONS)


PIECES = st.sampled_from(
    [
        "name()",
        "type()",
        "size()",
        "do()",
        "incidr(",
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "..",
        "'",
        '"',
        "`",
        "'A'",
        "'x",
        "1",
        "2.5",
        "0x",
        "1e",
        "9_",
        "==",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "^",
        "??",
        "?",
        ":",
        "and",
        "or",
        "not",
        "in",
        "matches",
        "contains",
        "startsWith",
        "endsWith",
        "&&",
        "||",
        "!",
        "nil",
        "true",
        "false",
        "foo",
        "len(",
        "split(",
        "#",
        "{",
        "}",
        "|",
        ";",
        "\\",
        "é",
        "\x00",
    ]
)


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        evaluate = compiled(text, FUNCTIONS)
    except ExpressionError:
        return
    with contextlib.suppress(ValueError, TypeError, ArithmeticError):
        evaluate(None)
