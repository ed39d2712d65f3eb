"""Every case through decode, chain and encode, with no socket in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from minidns.core import corefile
from minidns.instance import Loaded
from minidns.net.answer import Answerer
from minidns.net.upstream import Upstream
from minidns.plugins import ORDER
from tests.conformance import upstream
from tests.conformance.api import Api
from tests.conformance.cases import Case, Setting, cases, differences, objects, wire
from tests.world import World

LISTED, UNLISTED = "10.244.9.53", "10.244.9.99"
"""Addresses of the server: one that is in a slice of kube-dns, one that is in none."""

DECIDED = {
    "PTR-28": "a slice without a Service's name: CoreDNS sends nothing, we NXDOMAIN",
}
"""Cases in which we do not do as CoreDNS; see docs/differences.md."""


async def forwarded(_: Upstream, query: bytes) -> bytes:
    return upstream.answer(query)


def world(api: Api, setting: Setting) -> World:
    made = World(answer=forwarded, list_watch=api.list_watch)
    address = UNLISTED if setting.unlisted else LISTED
    made.edges = replace(made.edges, local_addresses=lambda: (address,))
    return made


@asynccontextmanager
async def serving(api: Api, setting: Setting) -> AsyncIterator[Answerer]:
    around = world(api, setting)
    text = setting.corefile(53, "192.0.2.53", "")
    parsed = corefile.parse(text, files=around.files, environ={}, known=ORDER)

    async def reload() -> None: ...

    loaded = Loaded(
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
    """What the server said to every case, a server per setting."""
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
