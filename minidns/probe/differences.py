"""Differences between the answers of several servers, told apart by their cause.

The first server is the reference. A difference in one answer proves nothing: objects
change while servers are asked, and outside names have answers that rotate. So every
question whose answers differ is asked again a few times, and the class of a difference
follows from all of its rounds:

* each round differs in the same way: the difference is lasting, and its class says what
  differs (rcode, records, truncation);
* a server did not answer: *time-out* if it was silent in each round, else *lost*;
* one server took over what the other said from the beginning: it was behind, *stale*;
* one server gives several answers to one question and the other only one: *unsteady*,
  as a Service does with one bad replica behind it;
* both servers' answers vary, or a cache holds the addresses of a name outside the
  cluster: *varies*, for which neither is to blame. Two caches may hold different
  answers of one rotating name for as long as its TTL.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from minidns.dns.model import Question
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Answer, LookupResult


class Class(StrEnum):
    """The class of a difference."""

    WRONG_RCODE = "wrong rcode"
    """Another response code: NXDOMAIN where the reference has an answer, and so on."""
    MISSING = "missing"
    """Records of the reference are missing."""
    EXTRA = "extra"
    """There are records that the reference does not have."""
    OTHER = "other records"
    """Both: some are missing, others are extra."""
    TRUNCATED = "truncated"
    """The reply is cut off, and TCP did not give the rest."""
    TIME_OUT = "time-out"
    """No reply in any round."""
    UNREACHABLE = "unreachable"
    """Nobody listens there, or there is no way there, in each round."""
    LOST = "lost"
    """No usable reply in some rounds; the others agree with the reference."""
    STALE = "stale"
    """One server was behind the other and caught up."""
    UNSTEADY = "unsteady"
    """One server gives several answers to the same question, the other only one."""
    VARIES = "varies"
    """The answers of both vary: chance, and nobody's fault."""
    KNOWN = "known version difference"
    """What the release of CoreDNS is known to answer differently."""
    TTL_OR_ORDER = "TTL or order"
    """The same records with other TTLs, or in another order."""

    @property
    def is_fault(self) -> bool:
        """True if a server of the two is wrong, or failed to answer."""
        return self not in (Class.VARIES, Class.KNOWN, Class.TTL_OR_ORDER)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one server answers differently from the reference."""

    question: Question
    server: int
    """The position of the server in the order in which they were named, from 1; the
    reference is 1."""
    kind: Class
    at_fault: int | None = None
    """The position of the server that was silent, behind or unsteady, if it is one."""
    reference: LookupResult | None = None
    """The outcome at the reference in the last round that differs."""
    other: LookupResult | None = None

    change: str = ""
    """For a known version difference: the change of CoreDNS."""

    def as_known(self, change: str) -> "Difference":
        """Return the same difference as the effect of a change of CoreDNS."""
        return replace(self, kind=Class.KNOWN, at_fault=None, change=change)


Round = Sequence[LookupResult]
"""The outcomes of one question at all servers, asked at the same moment."""


def is_settled(round_: Round) -> bool:
    """Return whether all servers gave the same answer, so that none is asked again."""
    first = round_[0].answer
    return first is not None and all(each.answer == first for each in round_)


def classify(
    question: Question, rounds: Sequence[Round], *, is_outside: bool = False
) -> list[Difference]:
    """Return the differences in one or more rounds of a question, one per server.

    ``is_outside`` says that the name is not in a zone of the cluster, so that its
    addresses may rotate.
    """
    found = (
        _between(question, [(r[0], r[at]) for r in rounds], at, is_outside)
        for at in range(1, len(rounds[0]))
    )
    return [difference for difference in found if difference is not None]


Pair = tuple[LookupResult, LookupResult]
"""The outcomes at the reference and at another server in one round."""


def _between(
    question: Question, pairs: Sequence[Pair], server: int, is_outside: bool
) -> Difference | None:
    """Return the difference of one server from the reference, None without one."""
    differing = [pair for pair in pairs if _content_differs(pair)]
    if not differing:
        return _ttl_or_order(question, pairs[-1], server)
    kind, side = _class_of(pairs)
    if is_outside and kind in _OF_RECORDS and _is_cached(pairs):
        kind, side = Class.VARIES, None
    at_fault = None if side is None else (1, server + 1)[side]
    return Difference(question, server + 1, kind, at_fault, *differing[-1])


_OF_RECORDS = (Class.MISSING, Class.EXTRA, Class.OTHER, Class.STALE)


def _is_cached(pairs: Sequence[Pair]) -> bool:
    """Return whether a server answers from a cache: its TTLs fall from round to round.

    Without a cache both servers would have the answer from its origin at each moment.
    """
    for side in (0, 1):
        answers = [pair[side].answer for pair in pairs]
        ttls = [min(each.ttls) for each in answers if each is not None and each.ttls]
        if any(later < earlier for earlier, later in pairwise(ttls)):
            return True
    return False


def _content_differs(pair: Pair) -> bool:
    """Return whether answers differ, or exactly one server did not answer."""
    return pair[0].answer != pair[1].answer


def _class_of(pairs: Sequence[Pair]) -> tuple[Class, int | None]:
    """Return the class, and the side at fault: 0 the reference, 1 the other, None."""
    silent = _silent_side(pairs)
    answered = [pair for pair in pairs if pair[0].answer and pair[1].answer]
    if not answered:
        return _silence(pairs), silent
    if not any(_content_differs(pair) for pair in answered):
        return Class.LOST, silent
    steady = [len({pair[side].answer for pair in answered}) == 1 for side in (0, 1)]
    if all(steady):
        return _lasting(*answered[-1]), None
    if not any(steady):
        return Class.VARIES, None
    changing = steady.index(False)
    is_behind = _caught_up(answered, changing)
    return (Class.STALE if is_behind else Class.UNSTEADY), changing


def _silence(pairs: Sequence[Pair]) -> Class:
    """Return the class of a difference for which no round has two answers."""
    kinds = {outcome.kind for pair in pairs for outcome in pair if not outcome.answer}
    is_refused = kinds <= {Kind.REFUSED, Kind.UNREACHABLE, Kind.CLOSED}
    return Class.UNREACHABLE if is_refused else Class.TIME_OUT


def _silent_side(pairs: Sequence[Pair]) -> int | None:
    """Return the only side that was ever silent, None if both or neither were."""
    silent = [any(pair[side].answer is None for pair in pairs) for side in (0, 1)]
    return silent.index(True) if silent.count(True) == 1 else None


def _caught_up(pairs: Sequence[Pair], side: int) -> bool:
    """Return whether ``side`` changed once, to what the other side says throughout."""
    answers = [pair[side].answer for pair in pairs]
    changes = sum(a != b for a, b in pairwise(answers))
    return changes == 1 and answers[-1] == pairs[-1][1 - side].answer


def _lasting(reference: LookupResult, other: LookupResult) -> Class:
    """Return the class of a difference that each round shows."""
    expected, got = reference.answer, other.answer
    assert expected is not None
    assert got is not None
    if expected.rcode != got.rcode:
        return Class.WRONG_RCODE
    if expected.truncated != got.truncated:
        return Class.TRUNCATED
    missing = expected.records - got.records
    extra = got.records - expected.records
    if missing and extra:
        return Class.OTHER
    return Class.MISSING if missing else Class.EXTRA


def _ttl_or_order(question: Question, pair: Pair, server: int) -> Difference | None:
    if _shown(pair[0].answer) == _shown(pair[1].answer):
        return None
    return Difference(question, server + 1, Class.TTL_OR_ORDER, None, *pair)


def _shown(answer: Answer | None) -> object:
    return answer and (answer.order, answer.ttls)
