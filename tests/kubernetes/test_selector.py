"""Label selectors: what Kubernetes's parser accepts, and what it says of the rest.

The expected texts were compared with what CoreDNS 1.14.7 says of the same words.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.kubernetes.selector import parse
from tests.table import table

ACCEPTED = {
    # text: what is sent to the API server
    "a=b": "a=b",
    "a==b": "a=b",
    "a = b , c": "a=b,c",
    "c,b,a": "a,b,c",
    "!a": "!a",
    "! a": "!a",
    "a in (c,b,c)": "a in (b,c)",
    "a in(b)": "a in (b)",
    "a notin (b)": "a notin (b)",
    "a in ()": "a in ()",
    "a in (,)": "a in ()",
    "a in (,b)": "a in (,b)",
    "a in (b,,c)": "a in (,b,c)",
    "a in (b,)": "a in (,b)",
    "in in (in,notin)": "in in (in,notin)",
    "notin": "notin",
    "!in": "!in",
    "a=": "a=",
    "a=,b": "a=,b",
    "x.y/z_1-2.3=1.2": "x.y/z_1-2.3=1.2",
    f"{'k' * 63}={'v' * 63}": f"{'k' * 63}={'v' * 63}",
    "a\tin\t(b)": "a in (b)",
    "a=b,a=c": "a=c",
    "a=b,a in (b),!a": "a=b,a in (b),!a",
    "": "",
}
REFUSED = {
    # rule: text, the end of what is said
    "not-equal-is-no-operator-of-label-selectors": ("app!=web", '"!=" is not a valid label selector operator'),
    "nor-is-greater-than": ("tier>0", '"gt" isn\'t supported in label selectors'),
    "nor-is-less-than": ("tier<0", '"lt" isn\'t supported in label selectors'),
    "not-even-beside-others": ("a=b,app!=web", '"!=" is not a valid label selector operator'),
    "the-first-key-is-said": ("b>1,a!=1", '"!=" is not a valid label selector operator'),
    "number-is-an-integer": ("a>b", "values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer"),
    "integer-has-64-bits": ("a>9223372036854775808", "the value must be an integer"),
    "two-words": ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    "key-of-other-letters": ("a~b", "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"),
    "comma-at-the-end": ("a,", "found '', expected: identifier after ','"),
    "comma-at-the-start": (",a", "found ',', expected: !, identifier, or 'end of string'"),
    "two-commas": ("a,,b", "found ',', expected: identifier after ','"),
    "operator-without-key": ("=b", "found '=', expected: !, identifier, or 'end of string'"),
    "not-without-key": ("!", "unable to parse requirement: found '', expected: identifier"),
    "not-with-value": ("!a=b", "found '=', expected: ',' or 'end of string'"),
    "two-values": ("a=b c", "found 'c', expected: ',' or 'end of string'"),
    "symbol-for-value": ("a=!b", "found '!', expected: identifier"),
    "set-without-parenthesis": ("a in b", "found 'b' expected: '('"),
    "set-without-end": ("a in (b", "found '', expected: ',' or ')'"),
    "set-with-symbol": ("a in (b!c)", "found '!', expected: ',' or ')'"),
    "set-of-nothing": ("a in (", "found '', expected: ',', ')' or identifier"),
    "set-with-open-end": ("a in (b,", "found '', expected: ',', or identifier"),
    "two-slashes": ("x/y/z", "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"),
    "prefix-is-empty": ("/y", "prefix part must be non-empty"),
    "prefix-has-capitals": ("X/y", "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"),
    "name-is-long": ("k" * 64, "name part must be no more than 63 bytes"),
    "value-is-long": (f"a={'v' * 64}", "must be no more than 63 bytes"),
    "value-of-other-letters": ("a=-b", "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"),
    "every-wrong-value-is-said": ("a in (-b,-c)", "values[1][a]: Invalid value: \"-c\""),
}  # fmt: skip


@table(("text", "sent"), ACCEPTED.items())
def test_accepted(text: str, sent: str) -> None:
    assert parse(text) == sent
    assert parse(sent) == sent


@table(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "in", "notin", "=", "==", "!=", "!", "(", ")", ",", "<", ">", " ", "x/y", "-", "1", "é", "\0"])).map("".join))  # fmt: skip
def test_any_text_is_accepted_or_refused_in_words(text: str) -> None:
    try:
        sent = parse(text)
    except ValueError:
        return
    assert parse(sent) == sent
    assert "!=" not in text.partition("\0")[0]
