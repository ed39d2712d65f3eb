"""Rules are values: an id that is written once, and a sentence."""

import re

from minidns import plugins
from minidns.dns.rules import AnswerRule
from minidns.dns.zone import ZoneRule
from tests.table import table

SPECS = plugins.registry()  # imports every plugin, and with it its rules
RULES = [rule for kind in AnswerRule.__subclasses__() for rule in kind]


@table("rule", RULES, ids=str)
def test_a_rule_has_an_id_and_a_sentence(rule: AnswerRule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(/[a-z-]+)?", rule)
    assert " " in rule.cause
    assert not rule.cause.endswith(".")


def test_no_id_means_two_rules() -> None:
    assert len(set(RULES)) == len(RULES)


def test_ids_begin_with_the_name_of_their_plugin() -> None:
    names = {spec.name for spec in SPECS}
    others = [rule for rule in RULES if rule.partition("/")[0] not in names]
    assert others == list(ZoneRule)
