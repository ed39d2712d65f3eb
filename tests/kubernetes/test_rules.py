"""Rules as values: each has an id, an rcode, a cause and a reference."""

import re
from pathlib import Path

from minidns.dns.model import Rcode
from minidns.kubernetes.rules import COVERS_MANY_NAMES, INNER_NODES, Rule
from tests.kubernetes.cluster import CLUSTER
from tests.kubernetes.test_answers import ROWS as NAMES
from tests.kubernetes.test_answers_apex import ROWS as OTHERS
from tests.table import table


@table("rule", Rule)
def test_a_rule_is_complete(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z-]+(/[a-z-]+)?", rule)
    assert rule.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN)
    assert rule.cause
    assert rule.reference


def test_ids_are_unique() -> None:
    assert len({str(rule) for rule in Rule}) == len(Rule.__members__)


def test_sets_of_rules_agree_with_their_rcodes() -> None:
    assert all(rule.exists for rule in INNER_NODES)
    assert not any(rule.exists for rule in COVERS_MANY_NAMES)


@table(("name", "qtype", "expected"), [*NAMES.values(), *OTHERS.values()])
def test_the_rcode_of_an_answer_is_that_of_its_rule(name: str, qtype: str, expected: str) -> None:
    answer = CLUSTER.answer(name, qtype)
    assert isinstance(answer.rule, Rule)
    assert (answer.rule.rcode == Rcode.NXDOMAIN) == (expected == "NXDOMAIN")


def test_the_page_lists_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs/why.md").read_text()
    rows = re.findall(r"^\| `([a-z/-]+)` \| (\w+) \| (.+?) \| (.+?) \|$", page, re.M)
    assert {row[0]: row[1:] for row in rows} == {
        str(rule): (Rcode(rule.rcode).name, rule.cause, rule.reference) for rule in Rule
    }
