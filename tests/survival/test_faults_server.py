"""F20 to F34: servers that refuse, are away, slow or set back, and ways in between."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest
import trustme

from minidns.kubernetes.resources import SERVICES
from sim.api.faults import Rule
from sim.api.http import ApiServer
from tests.kubernetes.served import ONE, TOKENS, TWO, Pod
from tests.survival.followed import FACTOR, KNOWN, ZONE, Followed, endpoints, followed

pytestmark = pytest.mark.slow

UNKNOWN = f"no.default.{ZONE}"


def gaps_s(f: Followed, verb: str) -> list[float]:
    """Return the seconds between requests for Services."""
    times = [request.time for request in f.server.requests.of(verb, "services")]
    return [(after - before) * FACTOR for before, after in pairwise(times)]


async def test_F20_429_with_retry_after() -> None:
    async with followed(services=5) as f:
        f.server.requests.clear()
        f.spoil(verb="watch", resource="services", status=429, retry_after=7, times=4)
        await f.each_watch("reset", resource="services")
        f.delete("s1")
        await f.until_true()
        assert all(gap >= 7 for gap in gaps_s(f, "watch")[:4])
        assert f.count("lists") == 1


async def test_F21_503_with_retry_after_at_the_start() -> None:
    def unready(server: ApiServer) -> None:
        server.faults.rules.append(Rule(status=503, retry_after=3, times=9))

    async with followed(services=5, wait=False, prepare=unready) as f:
        await f.until_true()
        await f.until(lambda: f.ready)
        assert all(gap >= 3 for gap in gaps_s(f, "list")[:2])


async def test_F22_504_as_the_version_is_too_large() -> None:
    """A watch from a version in the future is followed by a list."""
    async with followed(services=5) as f:
        await f.act("snapshot")
        for number in range(20):
            f.add(f"lost{number}", number)
        await f.until_true()
        await f.act("restore")
        await f.until_true()
        probes = [dict(r.query) for r in f.server.requests.of("list", "services") if r.query.get("resourceVersion")]
        assert probes
        await f.until(lambda: f.count("lists") >= 2)


async def test_F23_etcd_restored_from_a_backup() -> None:
    async with followed(services=100) as f:
        await f.act("snapshot")
        for number in range(0, 100, 2):
            f.delete(f"s{number}")
            f.add(f"s{number + 1}", 2000 + number)
        await f.until_true()
        await f.act("restore")
        await f.until_true()
        f.add("after", 1)
        await f.until_true()


async def test_F24_the_token_is_rotated(tmp_path: Path) -> None:
    pod = Pod(tmp_path, trustme.CA())
    async with followed(link=pod.connect, tls=pod.tls, tokens=TOKENS) as f:
        f.server.faults.only_token = TWO
        pod.token.write_text(TWO)
        await f.each_watch("close")
        f.add("after", 1)
        await f.until_true()
        assert f.count("errors") <= 3  # of three watches that ended at once


async def test_F25_the_token_file_is_empty_for_a_moment(tmp_path: Path) -> None:
    pod = Pod(tmp_path, trustme.CA())
    async with followed(link=pod.connect, tls=pod.tls, tokens=TOKENS) as f:
        pod.token.write_text("")
        f.server.faults.only_token = TWO  # so that it is read again
        await f.each_watch("reset")
        await f.until(lambda: f.reflector().errors > 1)
        pod.token.write_text(ONE)
        f.server.faults.only_token = ""
        f.add("after", 1)
        await f.until_true()


async def test_F26_one_kind_is_forbidden_from_the_start() -> None:
    def forbid(server: ApiServer) -> None:
        server.faults.rules.append(Rule(resource="endpointslices", status=403))

    async with followed(services=5, wait=False, prepare=forbid) as f:
        await f.until(lambda: f.synced(SERVICES))
        await f.until_true()
        assert not f.ready
        assert (await f.ask(UNKNOWN))[0] == 2
        f.heal()
        await f.until(lambda: f.ready)
        assert (await f.ask(UNKNOWN))[0] == 3


async def test_F27_forbidden_after_the_sync() -> None:
    async with followed(services=5) as f:
        f.spoil(status=403)
        await f.each_watch("error", status=410)
        await f.until(lambda: f.reflector().errors > 3)
        assert f.ready
        assert (await f.ask(f"s1.default.{ZONE}"))[0] == 0
        f.delete("s1")
        f.heal()
        await f.until_true()


@pytest.mark.parametrize("how", [pytest.param("down", id="F28-SIGTERM"), pytest.param("kill", id="F29-kill")])
async def test_F28_F29_the_server_is_restarted(how: str) -> None:
    async with followed(services=50) as f:
        await f.act(how)
        for number in range(0, 50, 2):
            f.delete(f"s{number}")
            f.add(f"new{number}", 1000 + number)
        await asyncio.sleep(3 / FACTOR)
        await f.act("up")
        await f.until_true()
        assert f.count("lists") == 1


async def test_F30_away_while_running() -> None:
    """A minute and a half; an hour in tests/kubernetes, by a clock that is moved."""
    async with followed(services=5) as f:
        await f.act("kill")
        f.delete("s1")
        began = time.monotonic()
        await asyncio.sleep(100 / FACTOR)
        assert f.ready
        assert (await f.ask(f"s1.default.{ZONE}"))[0] == 0
        age_s = {status.resource: status.age_s for status in f.view.statuses()}[SERVICES]
        assert age_s >= 100
        await f.act("up")
        await f.until_true()
        assert (time.monotonic() - began) * FACTOR < 100 + 65 + 20


async def test_F31_away_at_the_start() -> None:
    def away(server: ApiServer) -> None:
        server.faults.rules.append(Rule(reset=True))

    async with followed("startup_timeout 1s", wait=False, prepare=away) as f:
        seen = set()
        for _ in range(50):
            seen |= {await f.ask(KNOWN), await f.ask(UNKNOWN)}
            await asyncio.sleep(0.01)
        assert seen == {(2, ())}
        assert not f.ready
        f.heal()
        await f.until_true()
        await f.until(lambda: f.ready)


async def test_F32_the_server_is_slow() -> None:
    async with followed(services=50) as f:
        f.spoil(verb="list", delay_s=70 / FACTOR, times=1)
        f.spoil(verb="list", bytes_per_s=1000, times=1)
        f.server.faults.refuse_watch_list = 422
        slowest_s = 0.0

        async def stall() -> None:
            nonlocal slowest_s
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0.001)
                slowest_s = max(slowest_s, time.perf_counter() - began - 0.001)

        stalling = asyncio.create_task(stall())
        await f.each_watch("error", status=410, resource="services")
        f.delete("s1")
        await f.until_true()
        stalling.cancel()
        # the 410; the first byte, and the body, that took too long
        assert f.count("errors") >= 3
        assert slowest_s < 1.0  # of a machine that others use; measured alone elsewhere


async def test_F33_a_list_is_cut_in_its_middle() -> None:
    async with followed(services=150) as f:
        f.server.faults.refuse_watch_list = 422
        f.spoil(verb="list", resource="services", cut_at=4000, times=2)
        f.spoil(verb="list", resource="services", paged=True, cut_at=4000, times=2)
        for number in range(0, 150, 3):
            f.delete(f"s{number}")
        await f.each_watch("error", status=410, resource="services")
        left = [n for n in range(150) if n % 3]
        while f.count("lists") == 1:  # half a list takes nothing away
            for number in left[:3] + left[-3:]:
                assert (await f.ask(f"s{number}.default.{ZONE}"))[0] == 0
            await asyncio.sleep(0.01)
        await f.until_true()


async def test_F34_a_line_of_a_watch_is_cut() -> None:
    async with followed() as f:
        for number in range(1000):
            if number % 200 == 50:
                await f.each_watch("cut", resource="services")
            f.add(f"n{number}", number)
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        f.put(endpoints("web", "web-1", ["10.244.0.1"]))
        await f.until_true()
        assert f.count("lists") == 1
        assert f.count("events") == 1000
