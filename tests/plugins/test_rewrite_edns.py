from dataclasses import dataclass

import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns.model import Opt, Query, replace
from minidns.plugins.rewrite.edns import EdnsRule, edns_rule
from tests.table import table
from tests.world import query

CLIENT = replace(query("Example.org", "AAAA", peer="192.0.2.77"), local=("192.0.2.1", 53))
CLIENT6 = replace(CLIENT, peer=("2001:db8:1:2:3::77%eth0", 40000))


def nothing(query: Query, label: str) -> str:
    return ""


def rule(args: str) -> EdnsRule:
    return edns_rule(args.split(), nothing)


@dataclass
class Row:
    """An option list before and after a rule; None when it does not apply."""

    args: str
    before: list[tuple[int, bytes]]
    after: list[tuple[int, bytes]] | None


L, M = 0xFFEE, 0xFFED
ROWS = [
    Row("local set 0xffee abcd", [], [(L, b"abcd")]),
    Row("local set 0xffee 0x61626364", [], [(L, b"abcd")]),
    Row("local set 65518 abcd", [], [(L, b"abcd")]),
    Row("LOCAL SET 0xffee abcd", [], [(L, b"abcd")]),
    Row("local set 0xffee new", [(M, b"m"), (L, b"old")], [(M, b"m"), (L, b"new")]),
    Row("local replace 0xffee new", [(L, b"old")], [(L, b"new")]),
    Row("local replace 0xffee new", [(M, b"m")], None),
    Row("local append 0xffee new", [], [(L, b"new")]),
    Row("local append 0xffee new", [(L, b"old")], [(L, b"old"), (L, b"new")]),
    Row("local append 0xffee {qname}", [(L, b"old")], None),
    Row("local unset 0xffee", [(L, b"1"), (M, b"m"), (L, b"2")], [(M, b"m")]),
    Row("local unset 0xffee", [], []),
    Row("nsid set", [], [(3, b"")]),
    Row("nsid set", [(3, b"x")], [(3, b"")]),
    Row("nsid append", [], [(3, b"")]),
    Row("nsid replace", [], None),
    Row("nsid replace", [(3, b"x")], [(3, b"")]),
    Row("nsid unset", [(3, b"x")], []),
    Row("subnet set 24 56", [], [(8, b"\0\1\x18\0\xc0\0\2")]),
    Row("subnet set 32 56", [], [(8, b"\0\1\x20\0\xc0\0\2\x4d")]),
    Row("subnet set 20 56", [], [(8, b"\0\1\x14\0\xc0\0\0")]),
    Row("subnet set 0 0", [], [(8, b"\0\1\0\0")]),
    Row("subnet set 24 56", [(8, b"x")], [(8, b"\0\1\x18\0\xc0\0\2")]),
    Row("subnet append 24 56", [(8, b"x")], None),
    Row("subnet replace 24 56", [], None),
    Row("subnet unset", [(8, b"x"), (L, b"y")], [(L, b"y")]),
    Row("local set 0xffee {qname}", [], [(L, b"Example.org.")]),
    Row("local set 0xffee {qtype}", [], [(L, b"\0\x1c")]),
    Row("local set 0xffee {client_ip}", [], [(L, b"\xc0\0\2\x4d")]),
    Row("local set 0xffee {client_port}", [], [(L, b"\x9c\x40")]),
    Row("local set 0xffee {protocol}", [], [(L, b"udp")]),
    Row("local set 0xffee {server_ip}", [], [(L, b"\xc0\0\2\1")]),
    Row("local set 0xffee {server_port}", [], [(L, b"\0\x35")]),
    Row("local set 0xffee {some/label}", [], None),
]


@table("row", ROWS, ids=lambda row: f"{row.args}-{len(row.before)}")
def test_options(row: Row) -> None:
    sent = replace(CLIENT, opt=Opt(1232, options=tuple(row.before)))
    changed = rule(row.args).apply(sent)
    if row.after is None:
        assert changed is None
    else:
        assert changed
        assert changed.query.opt == Opt(1232, options=tuple(row.after))


def test_ipv6_client() -> None:
    changed = rule("subnet set 24 56").apply(CLIENT6)
    assert changed
    assert changed.query.opt == Opt(4096, options=((8, b"\0\2\x38\0\x20\1\x0d\xb8\0\1\0"),))


def test_a_query_without_opt_gets_one() -> None:
    changed = rule("local set 0xffee a").apply(CLIENT)
    assert changed
    assert changed.query.opt == Opt(4096, options=((L, b"a"),))


def test_label() -> None:
    tested = edns_rule(
        ["local", "set", "0xffee", "{kubernetes/namespace}"], lambda query, label: f"{label} of {query.question.qname}"
    )
    changed = tested.apply(CLIENT)
    assert changed
    assert changed.query.opt
    assert changed.query.opt.options == ((L, b"kubernetes/namespace of example.org."),)


FLAGS = [
    ("local set 0xffee a", True, True, False),
    ("local set 0xffee a revert", True, True, True),
    ("local set 0xffee {qname} revert", False, True, True),
    ("nsid set revert", True, False, True),
    ("subnet set 24 56 revert", False, False, True),
]


@table(("args", "literal", "local", "revert"), FLAGS)
def test_what_a_rule_says_of_itself(args: str, literal: bool, local: bool, revert: bool) -> None:
    tested = rule(args)
    assert (tested.literal, tested.local, tested.revert) == (literal, local, revert)


SYNTAX = 'strconv.ParseUint: parsing "{}": invalid syntax'
ERRORS = [
    ("", "too few arguments for an EDNS0 rule"),
    ("local", "too few arguments for an EDNS0 rule"),
    ("local frob 1 a", 'invalid action: "frob"'),
    ("cookie set 1 a", 'invalid rule type "cookie"'),
    ("cookie unset", 'invalid rule type "cookie"'),
    ("local set 0xffee", "EDNS0 local rules require three or four args"),
    ("local set 0xffee a b", "EDNS0 local rules require three or four args"),
    ("local set 0xffee revert", "EDNS0 local rules require three or four args"),
    ("nsid set a", "EDNS0 NSID rules can accept no more than one arg"),
    ("subnet set 24", "EDNS0 subnet rules require three or four args"),
    ("local unset", "local unset action requires exactly two arguments"),
    ("local unset 1 revert", "local unset action requires exactly two arguments"),
    ("nsid unset 1", "nsid unset action requires exactly one argument"),
    ("subnet unset 1", "subnet unset action requires exactly one argument"),
    ("local set x a", SYNTAX.format("x")),
    ("local set 65536 a", 'strconv.ParseUint: parsing "65536": value out of range'),
    ("local set 1 0xzz", "encoding/hex: invalid byte: U+007A 'z'"),
    ("local set 1 0xabc", "encoding/hex: odd length hex string"),
    ("local set 1 {foo}", 'unsupported variable name "{foo}"'),
    ("local set 1 {/foo}", 'unsupported variable name "{/foo}"'),
    ("local set 1 {foo/}", 'unsupported variable name "{foo/}"'),
    ("subnet set x 56", SYNTAX.format("x")),
    ("subnet set 33 56", "invalid IPv4 bit mask length 33"),
    ("subnet set 24 129", "invalid IPv6 bit mask length 129"),
]


@table(("args", "message"), ERRORS)
def test_error(args: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        rule(args)
    assert str(error.value) == message
