"""History independence: the reply to a query does not depend on what was asked before.

``--hypothesis-profile=survive`` plays a hundred times as many histories, and
``python -m tests.survival history`` as many as it is told.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from dns.exception import DNSException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minidns.dns import wire
from minidns.dns.model import Query, Response, replace
from minidns.plugins import cache
from minidns.plugins.cache import store
from minidns.server import answer
from minidns.server.answer import Answerer
from minidns.server.remembered import Key, Memory
from tests.history.corefiles import Played, all_of_them
from tests.history.playing import Different, Stage

pytestmark = pytest.mark.slow

PLAYED = {each.name: each for each in all_of_them() if "whoami" not in each.text}
"""All but those that answer with the client's own port."""
MANY = 400
"""Histories in which a fault of the kind is found."""


async def staged(played: Played) -> Stage:
    stage = Stage(played)
    await stage.open()
    return stage


def examples(name: str) -> int:
    """Return how many histories: all on kubeadm's chain, else a few on each."""
    most = settings().max_examples
    return most if name == "own-kubeadm" else most // 20


@pytest.mark.parametrize("name", PLAYED)
def test_no_reply_depends_on_what_was_asked_before(name: str) -> None:
    with asyncio.Runner() as runner:
        stage = runner.run(staged(PLAYED[name]))

        @settings(max_examples=examples(name), deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.randoms(use_true_random=False))
        def play(rng: Random) -> None:
            runner.run(stage.play(rng))

        try:
            play()
        finally:
            runner.run(stage.close())


# -- faults of the kind, put in one by one: the property finds each of them

get, miss, put = Memory.get, Memory.miss, Memory.put
encode, decode, key_of = Answerer.encode, wire.decode_query, store.key_of
TAGS = {"udp4": b"", "udp6": b"6", "tcp4": b"t4", "tcp6": b"t6"}


def glued(patch: pytest.MonkeyPatch) -> None:
    """Glue a tag of the channel to the query's bytes, whatever follows the message."""

    def key(of: Key) -> Key:
        return "", of[1] + TAGS[of[0]]

    def decoded(*args: Any) -> Query:
        repeats, alike = args[-1]
        return replace(decode(*args), asked_before=repeats, like_asked_before=alike)

    patch.setattr(Memory, "get", lambda self, of, now: get(self, key(of), now))
    patch.setattr(Memory, "miss", lambda self, of: miss(self, key(of)))
    patch.setattr(answer, "decode_query", decoded)


def first_spelling(patch: pytest.MonkeyPatch) -> None:
    """Write a question in the letters of the first query with this type and OPT."""
    forms: dict[object, str] = {}

    def encoded(self: Answerer, query: Query, response: Response) -> bytes:
        form = self.top, query.question.qtype, query.opt, query.flags
        first = forms.setdefault(form, query.spelled)
        return encode(self, replace(query, spelled=first), response)

    patch.setattr(Answerer, "encode", encoded)


def one_channel(patch: pytest.MonkeyPatch) -> None:
    """Let all clients share what is remembered."""
    patch.setattr(answer, "channel", lambda transport, *, ipv6: "udp4")


def few_in_the_key(patch: pytest.MonkeyPatch) -> None:
    """Cache by name, type and DO alone."""
    patch.setattr(cache, "key_of", lambda query, rules: replace(key_of(query, rules), flags=0, options=()))


def never_stale(patch: pytest.MonkeyPatch) -> None:
    """Forget nothing when the cluster changes."""
    patch.setattr(Memory, "invalidate", lambda self, keys: None)


FAULTS = (glued, first_spelling, one_channel, few_in_the_key, never_stale)


RARE = pytest.param(few_in_the_key, marks=pytest.mark.survive)  # shows in one of a hundred histories


@pytest.mark.parametrize("fault", [RARE, *(fault for fault in FAULTS if fault is not few_in_the_key)])
def test_the_property_finds(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        stage = await staged(PLAYED["own-kubeadm"])
        try:
            for seed in range(MANY):
                await stage.play(Random(seed))
        finally:
            await stage.close()

    fault(monkeypatch)
    with pytest.raises((Different, DNSException)):
        asyncio.run(play())
