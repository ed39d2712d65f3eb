"""What a plugin decided, by what it got and returned."""

import pytest

from minidns.dns.model import DnsError, Handler, Query, Question, Rcode, Response, RRset, Source, replace
from minidns.dns.rdata import A, a
from minidns.walk.visits import PASSES, RECORD, Visit, decision, facts_of, observed
from tests.table import table

WEB = Question("web.", A)
TWO = Response(answer=(RRset("web.", A, 30, (a("192.0.2.1"), a("192.0.2.2"))),))
TURNED = replace(TWO, answer=(RRset("web.", A, 30, (a("192.0.2.2"), a("192.0.2.1"))),))
SHORT = replace(TWO, answer=(RRset("web.", A, 5, (a("192.0.2.1"), a("192.0.2.2"))),))
CACHED = replace(TWO, sources=(Source("cache", "7s"),))


def answering(response: Response) -> Handler:
    async def answer(query: Query) -> Response:
        return response

    return answer


async def failing(query: Query) -> Response:
    raise DnsError("no upstream")


def turning_into(response: Response, inner: Handler, name: str = "") -> Handler:
    async def turn(query: Query) -> Response:
        await inner(replace(query, question=Question(name, A)) if name else query)
        return response

    return turn


@table(
    ("handler", "words"),
    [
        pytest.param(answering(TWO), "answers 2 records", id="it answers itself"),
        pytest.param(answering(Response()), "NODATA", id="without records"),
        pytest.param(answering(Response(Rcode.NXDOMAIN, rule="r")), "NXDOMAIN r", id="with its rule"),
        pytest.param(answering(CACHED), "cache 7 s", id="from its cache, with the age"),
        pytest.param(failing, "SERVFAIL upstream", id="it fails"),
        pytest.param(turning_into(TWO, observed("next", answering(TWO))), PASSES, id="it changes nothing"),
        pytest.param(turning_into(TURNED, observed("next", answering(TWO))), "order", id="it rotates"),
        pytest.param(turning_into(SHORT, observed("next", answering(TWO))), "30 5", id="it changes TTLs"),
        pytest.param(turning_into(Response(), observed("next", answering(TWO))), "records", id="it removes records"),
        pytest.param(turning_into(replace(TWO, aa=True), observed("next", answering(TWO))), "AA", id="it sets a flag"),
        pytest.param(turning_into(TWO, observed("next", answering(TWO)), "other."), "other.", id="it asks for another name"),
    ],
)  # fmt: skip
async def test_a_decision_follows_from_what_went_in_and_out(handler: Handler, words: str) -> None:
    recorded: list[Visit] = []
    token = RECORD.set(recorded.append)
    try:
        await observed("mine", handler)(Query(WEB))
    except DnsError:
        pass
    finally:
        RECORD.reset(token)
    said = decision(recorded[0])
    assert all(word in said for word in words.split()), said
    assert facts_of(recorded[0])["plugin"] == "mine"


async def test_nothing_is_recorded_without_a_recorder() -> None:
    assert await observed("mine", answering(TWO))(Query(WEB)) is TWO
