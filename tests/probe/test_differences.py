"""The class of a difference follows from all rounds of a question."""

from minidns.dns.model import Question
from minidns.probe.differences import Class, classify, is_settled
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Answer, LookupResult
from tests.table import table

QUESTION = Question("web.default.svc.cluster.local.", 1)


def outcome(text: str) -> LookupResult:
    """Return an outcome: records ``a b``, ``!`` and an rcode, ``-`` for silence, ``x`` for
    a refused port; ``~`` before records for a truncated answer, ``@5`` after them a TTL."""
    if text == "-":
        return LookupResult(Kind.NO_REPLY, None, 5.0)
    if text == "x":
        return LookupResult(Kind.REFUSED, None, 0.0)
    if text.startswith("!"):
        return LookupResult(Kind.REPLY, Answer(int(text[1:])), 0.0)
    records, _, ttl = text.removeprefix("~").partition("@")
    order = tuple((QUESTION.qname, 1, word.encode().ljust(4)) for word in records.split())
    answer = Answer(0, frozenset(order), order, tuple(int(ttl or 30) for _ in order), text.startswith("~"))
    return LookupResult(Kind.REPLY, answer, 0.0)


ROWS = [
    # answers of the reference in each round | of the other; class; at fault; outside
    ("a b", "a b", None, None, False),
    ("a b", "b a", Class.TTL_OR_ORDER, None, False),
    ("a@30", "a@29", Class.TTL_OR_ORDER, None, False),
    ("!3", "!3", None, None, False),
    ("-", "-", None, None, False),
    ("a|a", "!3|!3", Class.WRONG_RCODE, None, False),
    ("!3|!3", "a|a", Class.WRONG_RCODE, None, False),
    ("a|a", "!2|!2", Class.WRONG_RCODE, None, False),
    ("a b|a b", "a|a", Class.MISSING, None, False),
    ("a|a", "|", Class.MISSING, None, False),
    ("a|a", "a b|a b", Class.EXTRA, None, False),
    ("a b|a b", "a c|a c", Class.OTHER, None, False),
    ("a b|a b", "~a b|~a b", Class.TRUNCATED, None, False),
    ("a|a", "-|-", Class.TIME_OUT, 2, False),
    ("-|-", "a|a", Class.TIME_OUT, 1, False),
    ("a|a", "x|x", Class.UNREACHABLE, 2, False),
    ("a|a|a", "-|a|a", Class.LOST, 2, False),
    ("-|a|a", "a|a|a", Class.LOST, 1, False),
    ("a|a|-", "-|a|a", Class.LOST, None, False),
    ("b|b|b", "a|b|b", Class.STALE, 2, False),
    ("a|a|b", "b|b|b", Class.STALE, 1, False),
    ("!3|a|a", "a|a|a", Class.STALE, 1, False),
    ("a|a|a|a", "!3|a|!3|a", Class.UNSTEADY, 2, False),
    ("a|a|a|a", "!2|a|a|!2", Class.UNSTEADY, 2, False),
    ("a|b|a", "b|a|b", Class.VARIES, None, False),
    # outside: two caches may hold different answers of a name whose addresses rotate
    ("a@30|a@29|a@25", "b@30|b@29|b@25", Class.VARIES, None, True),
    ("a@30|a@29|a@25", "b@30|b@29|b@25", Class.OTHER, None, False),
    ("a@30|a@30|a@30", "b@30|b@30|b@30", Class.OTHER, None, True),
    ("a@30|a@29|a@25", "!3|!3|!3", Class.WRONG_RCODE, None, True),
]


@table(("reference", "other", "kind", "at_fault", "is_outside"), ROWS)
def test_the_class_of_a_difference(
    reference: str, other: str, kind: Class | None, at_fault: int | None, is_outside: bool
) -> None:
    sides = reference.split("|"), other.split("|")
    rounds = [[outcome(text) for text in pair] for pair in zip(*sides, strict=True)]
    found = classify(QUESTION, rounds, is_outside=is_outside)
    assert [each.kind for each in found] == ([kind] if kind else [])
    assert [each.at_fault for each in found] == ([at_fault] if kind else [])


def test_each_server_is_compared_with_the_first_one() -> None:
    rounds = [[outcome("a"), outcome("a"), outcome("!3"), outcome("a b")]] * 2
    found = classify(QUESTION, rounds)
    assert [(each.server, each.kind) for each in found] == [(3, Class.WRONG_RCODE), (4, Class.EXTRA)]


@table(("answers", "settled"), [("a a", True), ("a a@9", True), ("a !3", False), ("a -", False), ("- -", False)])
def test_a_round_is_settled_if_all_servers_gave_the_same_answer(answers: str, settled: bool) -> None:
    assert is_settled([outcome(text) for text in answers.split()]) is settled


def test_only_what_a_server_did_wrong_is_a_fault() -> None:
    harmless = {Class.VARIES, Class.KNOWN, Class.TTL_OR_ORDER}
    assert {kind for kind in Class if not kind.is_fault} == harmless
