"""How soon what is known is right again after an outage, whatever came before it.

Played in virtual time against a server that is up or down in one of several ways, over
many histories of outages and seeds of the jitter.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise, product
from random import Random

import pytest

from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import SERVICES, ApiError, Gone, Page, WatchEvent
from tests.kubernetes.scripts import Kept, added, svc
from tests.table import table
from tests.world import Clock, settle

REFUSED = ApiError("connection refused")
STARTING = ApiError("starting", status=503)
STARTING_SOON = ApiError("starting", status=503, retry_after_s=1.0)
NO_ETCD = ApiError("etcdserver: request timed out", status=500)
GATEWAY = ApiError("no upstream", status=502)
FORBIDDEN = ApiError("services is forbidden", status=403)
UNAUTHORIZED = ApiError("not accepted", status=401)
BUSY = ApiError("too many requests", status=429)
BUSY_FOR_5_S = ApiError("too many requests", status=429, retry_after_s=5.0)


class Server:
    """One Service, whose name is the number of changes; ``down`` is what it says."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.down: ApiError | None = None
        self.version = 10
        self.oldest = 0
        """A watch from before this version is too old."""
        self.requests: list[float] = []
        self._changed = asyncio.Event()

    def change(self) -> None:
        self.version += 1
        self._wake()

    def go_down(self, error: ApiError) -> None:
        self.down = error
        self._wake()

    def come_back(self, *, forgetful: bool) -> None:
        self.down = None
        self.change()
        if forgetful:
            self.oldest = self.version
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _answer(self) -> None:
        self.requests.append(self.clock.now())
        if self.down is not None:
            raise self.down

    def _service(self) -> WatchEvent:
        return added(svc("web", self.version, f"10.0.0.{self.version % 250}"))

    async def page(self, token: str, version: str | None) -> Page:
        self._answer()
        obj = self._service().obj
        assert obj is not None
        return Page((obj,), str(self.version))

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        self._answer()
        if initial:
            raise ApiError("no streaming lists", status=400)
        seen = int(version)
        if seen < self.oldest:
            raise Gone("too old")
        while True:
            if self.down is not None:
                raise ApiError("the watch broke off")
            if seen < self.version:
                seen = self.version
                yield self._service()
            else:
                await self._changed.wait()


class Played:
    """A reflector beside a server, in virtual time."""

    def __init__(self, seed: int) -> None:
        self.clock = Clock(1000.0 + seed / 7)
        self.server = Server(self.clock)
        self.kept = Kept()
        self.reflector = Reflector(
            self.server, SERVICES, self.kept.apply, now=self.clock.now, sleep=self.clock.sleep, random=Random(seed)
        )

    def right(self) -> bool:
        (obj,) = self.kept.objects.values() if self.kept.objects else (None,)
        return obj is not None and obj.meta.version == str(self.server.version)

    async def outage(self, error: ApiError, seconds: float, forgetful: bool) -> float:
        """Return after how many seconds all is right again."""
        self.server.go_down(error)
        await self.clock.advance(seconds)
        self.server.come_back(forgetful=forgetful)
        await settle()
        return await self.until_right()

    async def until_right(self) -> float:
        began = self.clock.now()
        while not self.right():
            assert self.clock.now() - began < 120.0, "never right again"
            await self.clock.advance(0.2)
        return self.clock.now() - began


async def played(seed: int, story: Callable[[Played], object]) -> None:
    made = Played(seed)
    task = asyncio.create_task(made.reflector.run())
    try:
        await settle()
        told = story(made)
        assert asyncio.iscoroutine(told)
        await told
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def percentile(found: list[float], part: float) -> float:
    return sorted(found)[min(len(found) - 1, int(len(found) * part))]


HISTORIES = {
    "one-short": ((3.0, 0.0),),
    "one-long": ((3600.0, 0.0),),
    "many-close-together": ((20.0, 15.0),) * 10,
    "many-just-under-two-minutes-apart": ((30.0, 110.0),) * 8,
    "flapping": ((2.0, 1.0),) * 30,
    "longer-and-longer": tuple((2.0**n, 60.0) for n in range(10)),
}
KINDS = {
    "refused": (REFUSED, 5.0),
    "starting": (STARTING, 5.0),
    "starting-and-says-when": (STARTING_SOON, 5.0),
    "without-etcd": (NO_ETCD, 5.0),
    "bad-gateway": (GATEWAY, 5.0),
    "forbidden": (FORBIDDEN, 10.0),
    "unauthorized": (UNAUTHORIZED, 10.0),
}


@pytest.mark.slow
@pytest.mark.parametrize(("history", "kind"), list(product(HISTORIES, KINDS)))
async def test_right_again(history: str, kind: str) -> None:
    """Half of the servers resume the watch, the others make it list again."""
    outages, (error, limit_s) = HISTORIES[history], KINDS[kind]
    forgetful = bool((list(HISTORIES).index(history) + list(KINDS).index(kind)) % 2)
    found: list[float] = []

    async def story(made: Played) -> None:
        for down_s, up_s in outages:
            found.append(await made.outage(error, down_s, forgetful))
            await made.clock.advance(up_s)

    for seed in range(max(1, 4 // len(outages))):
        await played(seed, story)
    assert percentile(found, 0.99) <= limit_s


@pytest.mark.slow
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
async def test_outages_of_all_kinds_in_turn(history: tuple[tuple[float, float], ...]) -> None:
    found: list[float] = []

    async def story(made: Played) -> None:
        random = Random(len(history))
        for down_s, up_s in history:
            error = random.choice([REFUSED, STARTING, NO_ETCD, GATEWAY])
            await made.outage(random.choice([BUSY, FORBIDDEN]), 60.0, False)
            found.append(await made.outage(error, down_s, random.random() < 0.5))
            await made.clock.advance(up_s)

    await played(0, story)
    assert percentile(found, 0.99) <= 5.0


@table(
    ("error", "most"),
    [
        pytest.param(REFUSED, 310, id="refused-is-cheap"),
        pytest.param(NO_ETCD, 310, id="failing"),
        pytest.param(FORBIDDEN, 160, id="forbidden"),
        pytest.param(BUSY, 25, id="busy"),
        pytest.param(BUSY_FOR_5_S, 60, id="busy-and-says-when"),
    ],
)
async def test_requests_in_ten_minutes(error: ApiError, most: int) -> None:
    async def story(made: Played) -> None:
        before = len(made.server.requests)
        await made.outage(error, 600.0, False)
        assert len(made.server.requests) - before <= most

    for seed in range(2):
        await played(seed, story)


async def test_never_sooner_than_the_server_asked_for() -> None:
    async def story(made: Played) -> None:
        await made.outage(BUSY_FOR_5_S, 600.0, False)
        times = made.server.requests[2:]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert min(gaps[:-1]) >= 5.0

    await played(1, story)


async def test_what_a_busy_server_was_spared_is_forgotten_once_it_answers() -> None:
    async def story(made: Played) -> None:
        for _ in range(5):
            await made.outage(BUSY, 300.0, False)
            await made.clock.advance(5.0)
            assert await made.outage(BUSY, 1.0, False) <= 2.0
            await made.clock.advance(5.0)

    await played(1, story)
