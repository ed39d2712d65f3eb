"""The law of the store, and what sources and keys promise, over random histories."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns import names
from minidns.dns.rdata import type_number
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.external import ExternalZones
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion
from minidns.kubernetes.options import ExternalOptions
from minidns.kubernetes.resources import Applied, Event
from minidns.kubernetes.store import Store
from tests.kubernetes.histories import BODIES, LOCAL, QUESTIONS, histories
from tests.kubernetes.made import options

pytestmark = pytest.mark.slow


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


def answers(store: Store, body: str) -> ClusterZones:
    made = ClusterZones(options(body), store, Store(lambda: 0.0, kind="ServiceImport"))
    made.local = LOCAL
    return made


def ask(made: ClusterZones, name: str, qtype: str) -> ClusterAnswer:
    qname = names.absolute(name)
    zone = made.zone_of(qname)
    assert zone is not None
    return made.answer(ClusterQuestion(qname, type_number(qtype), zone, zone, qname))


def everything(made: ClusterZones) -> list[ClusterAnswer]:
    return [ask(made, *question) for question in QUESTIONS]


def seen(answer: ClusterAnswer) -> tuple[object, ...]:
    """Return the parts of an answer that a client can observe."""
    return answer.exists, answer.answer, answer.additional


def played(history: list[Event], hold_s: float = 0.0) -> tuple[Store, Clock]:
    clock = Clock()
    store = Store(lambda: 0.0, clock.now, zonal=True, hold_s=hold_s)
    for event in history:
        store.apply(event)
    return store, clock


def rebuilt(store: Store, order: random.Random) -> Store:
    fresh = Store(lambda: 0.0, zonal=True)
    objects = list(store.objects())
    order.shuffle(objects)
    for obj in objects:
        fresh.apply(Applied(obj))
    return fresh


@given(histories, BODIES, st.randoms(use_true_random=False))
def test_any_history_answers_as_its_objects_alone(history: list[Event], body: str, order: random.Random) -> None:
    store, _ = played(history)
    assert everything(answers(store, body)) == everything(answers(rebuilt(store, order), body))


@given(histories, BODIES, st.randoms(use_true_random=False))
def test_nothing_held_is_left_over(history: list[Event], body: str, order: random.Random) -> None:
    store, clock = played(history, hold_s=1.0)
    clock.time = 2.0
    store.expire()
    assert everything(answers(store, body)) == everything(answers(rebuilt(store, order), body))


@given(histories, BODIES)
def test_the_cited_objects_alone_give_the_same_answer(history: list[Event], body: str) -> None:
    store, _ = played(history)
    made = answers(store, body)
    for question in QUESTIONS:
        answer = ask(made, *question)
        source_of = {(source.kind, source.name) for source in answer.sources if source.found}
        small = Store(lambda: 0.0, zonal=True)
        for obj in store.objects():
            if (type(obj).__name__, str(obj.key)) in source_of:
                small.apply(Applied(obj))
        assert seen(ask(answers(small, body), *question)) == seen(answer), question


@given(histories, BODIES, st.sampled_from([0.0, 1.0]), st.data())
def test_an_answer_none_of_whose_keys_was_touched_is_as_before(
    history: list[Event], body: str, hold_s: float, data: st.DataObject
) -> None:
    store, clock = played([], hold_s)
    made = answers(store, body)
    before = everything(made)
    for event in history:
        clock.time += data.draw(st.sampled_from([0.0, 0.7]))
        touched = store.expire() | store.apply(event)
        after = everything(made)
        for old, new, question in zip(before, after, QUESTIONS, strict=True):
            if touched.isdisjoint(old.keys):
                assert seen(old) == seen(new), (question, event)
        before = after


EXTERNAL = ("example.org.", "in-addr.arpa.")
EXTERNAL_QUESTIONS = (
    *(
        (f"{label}{name}.{namespace}.example.org.", qtype)
        for label in ("", "h.", "10-0-0-1.", "_http._tcp.")
        for name in ("s", "t")
        for namespace in ("a", "b")
        for qtype in ("A", "AAAA", "SRV")
    ),
    ("example.org.", "NS"),
    ("ns1.dns.example.org.", "A"),
    ("1.2.0.192.in-addr.arpa.", "PTR"),
)


def everything_outside(made: ExternalZones) -> list[ClusterAnswer]:
    found = []
    for name, qtype in EXTERNAL_QUESTIONS:
        zone = names.longest(EXTERNAL, name)
        assert zone is not None
        inquiry = ClusterQuestion(name, type_number(qtype), zone, zone, name)
        found.append(made.answer(inquiry))
    return found


@given(histories, BODIES, st.booleans())
def test_nor_is_one_from_outside(history: list[Event], body: str, headless: bool) -> None:
    store, _ = played([])
    made = ExternalZones(ExternalOptions(EXTERNAL, headless=headless), answers(store, body))
    before = everything_outside(made)
    for event in history:
        touched = store.apply(event)
        after = everything_outside(made)
        for old, new, question in zip(before, after, EXTERNAL_QUESTIONS, strict=True):
            if touched.isdisjoint(old.keys):
                assert seen(old) == seen(new), (question, event)
        before = after
