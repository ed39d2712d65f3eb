"""Every case through decode, chain and encode, with no socket in between."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from minidns.corefile import blocks
from minidns.plugins import ORDER
from minidns.server.answer import Answerer
from minidns.server.instance import Instance
from minidns.upstream.upstream import Upstream
from tests.conformance import upstream
from tests.conformance.api import Api
from tests.conformance.cases import Case, Setting, cases, differences, objects, wire
from tests.conformance.decided import DECIDED
from tests.conformance.stand import LISTED, UNLISTED
from tests.world import World


async def forwarded(_: Upstream, query: bytes) -> bytes:
    return upstream.answer(query)


def world(api: Api, setting: Setting) -> World:
    made = World(answer=forwarded, list_watch=api.list_watch)
    address = UNLISTED if setting.unlisted else LISTED
    made.edges = dataclasses.replace(made.edges, local_addresses=lambda: (address,))
    return made


@asynccontextmanager
async def serving(api: Api, setting: Setting) -> AsyncIterator[Answerer]:
    around = world(api, setting)
    text = setting.corefile(53, "192.0.2.53", "")
    parsed = blocks.parse(text, files=around.files, environ={}, known=ORDER)

    async def reload() -> None: ...

    loaded = Instance(
        parsed,
        around.edges,
        around.metrics,
        read=lambda: parsed,
        reload=reload,
        fatal=lambda text: None,
        forget=lambda keys: None,
    )
    await loaded.start()
    listener, top = next(iter(loaded.routes.items()))
    try:
        yield Answerer(str(listener), top)
    finally:
        await loaded.stop()


async def replies(answerer: Answerer, case: Case, sent: bytes) -> list[bytes]:
    transport = "tcp" if case.transport == "tcp" else "udp"
    query = answerer.decode(sent, transport, ("127.0.0.1", 4000), ("127.0.0.1", 53))  # type: ignore[arg-type]  # one of the two
    if query is None:
        return []
    return [query] if isinstance(query, bytes) else await answerer.answer(query)


SETTINGS = list(dict.fromkeys(case.setting for case in cases()))


@pytest.fixture(scope="module")
def answered() -> dict[str, tuple[bytes, list[bytes]]]:
    """The reply to every case, with one server for each setting."""
    return asyncio.run(_answered())


async def _answered() -> dict[str, tuple[bytes, list[bytes]]]:
    api = Api(objects())
    found = {}
    for setting in SETTINGS:
        async with serving(api, setting) as answerer:
            for case in cases():
                if case.setting == setting:
                    sent = wire(case)
                    got = await replies(answerer, case, sent)
                    found[case.id] = sent, got * case.repeat
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_as_coredns(case: Case, answered: dict[str, tuple[bytes, list[bytes]]]) -> None:
    sent, got = answered[case.id]
    found = differences(case, sent, got)
    if case.id in DECIDED:
        assert found, "no longer a difference: take it off the list"
    else:
        assert not found, f"{case.why}: {case.qname} {case.qtype}: {found}"


MISREADINGS = {
    "rcode": lambda reply: reply[:3] + bytes((reply[3] ^ 1,)) + reply[4:],
    "id": lambda reply: bytes((reply[0] ^ 1,)) + reply[1:],
    "aa": lambda reply: reply[:2] + bytes((reply[2] ^ 4,)) + reply[3:],
}


@pytest.mark.parametrize("change", MISREADINGS.values(), ids=MISREADINGS)
def test_the_comparison_sees_differences(
    change: Callable[[bytes], bytes], answered: dict[str, tuple[bytes, list[bytes]]]
) -> None:
    for case in cases():
        sent, got = answered[case.id]
        if got and case.id not in DECIDED:
            assert differences(case, sent, [change(reply) for reply in got]), case.id


def test_the_comparison_sees_missing_and_wrong_records(answered: dict[str, tuple[bytes, list[bytes]]]) -> None:
    with_answers = [c for c in cases() if c.expect["answer"] and not c.transfers]
    assert len(with_answers) > 100
    for case, other in itertools.pairwise(with_answers):
        if case.expect["answer"] != other.expect["answer"]:
            expect = {**case.expect, "answer": other.expect["answer"]}
            sent, got = answered[case.id]
            assert differences(dataclasses.replace(case, expect=expect), sent, got)
