"""Label selectors: what is accepted, as it is sent to the API server, and what is refused.

What is accepted was compared with CoreDNS 1.14.7.
"""

import re

import pytest
from hypothesis import given
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
    # rule: text, the reason
    "not-equal-is-no-operator-of-label-selectors": ("app!=web", '"!=" is not a valid label selector operator'),
    "nor-is-greater-than": ("tier>0", '"gt" isn\'t supported in label selectors'),
    "nor-is-less-than": ("a=b,tier<0", '"lt" isn\'t supported in label selectors'),
    "two-words": ("a b", "at 'a b'"),
    "comma-at-the-end": ("a,", "at 'a,'"),
    "comma-at-the-start": (",a", "at ',a'"),
    "two-commas": ("a,,b", "at ',b'"),
    "operator-without-key": ("=b", "at '=b'"),
    "not-without-key": ("!", "at '!'"),
    "not-with-value": ("!a=b", "at '!a=b'"),
    "two-values": ("x,a=b c", "at 'a=b c'"),
    "symbol-for-value": ("a=!b", "at 'a=!b'"),
    "set-without-parenthesis": ("a in b", "at 'a in b'"),
    "set-without-end": ("a in (b", "at 'a in (b'"),
    "set-with-symbol": ("a in (b!c)", "at 'a in (b!c)'"),
    "key-of-other-letters": ("a~b", "'a~b' is not a valid key"),
    "two-slashes": ("x/y/z", "'x/y/z' is not a valid key"),
    "prefix-is-empty": ("/y", "'/y' is not a valid key"),
    "prefix-has-capitals": ("X/y", "'X/y' is not a valid key"),
    "prefix-is-long": (f"{'x' * 254}/y", "is not a valid key"),
    "name-is-long": ("k" * 64, "is not a valid key"),
    "value-is-long": (f"a={'v' * 64}", "is not a valid value"),
    "value-of-other-letters": ("a=-b", "'-b' is not a valid value"),
    "one-value-of-a-set": ("a in (b,-c)", "'-c' is not a valid value"),
}  # fmt: skip


@table(("text", "sent"), ACCEPTED.items())
def test_accepted(text: str, sent: str) -> None:
    assert parse(text) == sent
    assert parse(sent) == sent


@table(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(text)


@given(st.lists(st.sampled_from(["a", "in", "notin", "=", "==", "!=", "!", "(", ")", ",", "<", ">", " ", "x/y", "-", "1", "é"])).map("".join))  # fmt: skip
def test_any_text_is_accepted_or_refused_in_words(text: str) -> None:
    try:
        sent = parse(text)
    except ValueError:
        return
    assert parse(sent) == sent
    assert "!=" not in text
