"""A walk as blocks of a picture: steps of the lookup, and rounds of queries."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from minidns.walk.steps import Kind, Step, Walk
from minidns.walk.wording import has_records, outcome


class Numbered(NamedTuple):
    """A step with its place in the walk, from 0."""

    number: int
    step: Step


class Lane(NamedTuple):
    """A query of the stub resolver, with all that happens because of it."""

    number: int
    steps: Sequence[Numbered]

    @property
    def query(self) -> Step:
        """The step in which the query leaves the resolver."""
        return self.steps[0].step

    @property
    def is_answered(self) -> bool:
        """Whether a reply with records came."""
        reply = self._reply
        return reply is not None and has_records(reply.wire)

    @property
    def result(self) -> str:
        """The data of the records of the reply, else its rcode, else that none came."""
        return "no reply" if self._reply is None else outcome(self._reply.wire)

    @property
    def _reply(self) -> Step | None:
        own = (n.step for n in self.steps if n.step.lane == self.number)
        return next((step for step in own if step.kind is Kind.REPLY), None)


Round: TypeAlias = tuple[Lane, ...]
"""The queries that left the resolver at one moment, in the order of sending."""


def blocks(walk: Walk) -> Iterator[Numbered | Round]:
    """Yield the steps of the lookup itself and the rounds of queries, in order."""
    numbered = [Numbered(*pair) for pair in enumerate(walk.steps)]
    lanes = {
        number: Lane(number, list(_of_lane(numbered, number)))
        for number in (n.step.lane for n in numbered if _begins_lane(n.step))
    }
    together: list[Lane] = []
    for each in numbered:
        if together and _ends_round(each.step, together):
            yield tuple(together)
            together = []
        if not each.step.lane:
            yield each
        elif _begins_lane(each.step):
            together.append(lanes[each.step.lane])
    if together:
        yield tuple(together)


def _begins_lane(step: Step) -> bool:
    return step.kind is Kind.QUERY and not step.inside


def _ends_round(step: Step, together: Sequence[Lane]) -> bool:
    if not step.lane:
        return True
    first = together[0].query.facts["round"]
    return _begins_lane(step) and step.facts["round"] != first


def _of_lane(numbered: Sequence[Numbered], number: int) -> Iterator[Numbered]:
    """Yield the steps of a lane, and those of the queries inside it."""
    within = {number}
    for each in numbered:
        if each.step.lane in within or each.step.inside in within:
            within.add(each.step.lane)
            yield each
