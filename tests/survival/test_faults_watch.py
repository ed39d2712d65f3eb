"""F1 to F19: watches that end, break, are silent, or say what they should not."""

import asyncio
import json

import pytest

from minidns.kubernetes.resources import SLICES
from sim.api.http import ApiServer
from tests.sim.builders import config_map
from tests.survival.followed import DEADLINE_S, FACTOR, KINDS, Followed, followed, service
from tests.survival.wire import Wire

pytestmark = pytest.mark.slow


async def change_everything(f: Followed) -> None:
    """Add, change and delete a third each."""
    for number in range(100):
        if number % 3 == 0:
            f.delete(f"s{number}")
        elif number % 3 == 1:
            f.add(f"s{number}", 1000 + number)
        else:
            f.add(f"new{number}", 2000 + number)


async def test_F1_watches_end_cleanly_a_hundred_times() -> None:
    async with followed() as f:
        f.server.faults.watch_max_s = 0.06  # longer than what counts as an error
        f.server.faults.bookmark_s = 0
        await f.act("close")
        for number in range(10):
            f.add(f"n{number}", number)
            await f.until_true()
        await f.until(lambda: f.count("watches") > 100)
        assert f.count("lists") == 1


async def test_F2_connections_are_reset_in_mid_stream() -> None:
    async with followed(services=20) as f:
        for number in range(3):
            await f.each_watch("reset")
            f.add(f"n{number}", number)
            await f.until_true()
        assert f.count("lists") == 1


async def test_F3_the_way_is_dead_and_nobody_says_so() -> None:
    async with Wire() as wire, followed(access=wire.to) as f:
        wire.is_dead = True
        f.add("missed", 1)
        await f.until(lambda: f.reflector().watches > 1)
        wire.is_dead = False
        await f.until_true()
        assert f.count("lists") == 1


async def test_F4_the_server_is_frozen() -> None:
    async with followed() as f:
        await f.each_watch("freeze")
        f.spoil(freeze=True)
        f.add("missed", 1)
        await f.until(lambda: f.reflector().watches > 1)
        f.heal()
        await f.until_true()
        assert f.count("lists") == 1


async def test_F5_410_in_the_stream() -> None:
    async with followed(services=100) as f:
        await f.each_watch("reset")
        f.cluster.compact()
        await change_everything(f)
        f.cluster.compact()
        await f.until_true()
        await f.until(lambda: f.count("lists") == 2)


async def test_F6_410_instead_of_a_watch() -> None:
    async with followed(services=100) as f:
        f.spoil(verb="watch", resource="services", status=410, times=1)
        await f.each_watch("close")
        await change_everything(f)
        await f.until_true()
        await f.until(lambda: f.count("lists") == 2)


async def test_F7_the_token_of_page_2_has_expired() -> None:
    async with followed(services=250) as f:
        f.server.faults.expire_continue = True
        f.server.faults.refuse_watch_list = 422
        await f.each_watch("error", status=410)
        for number in range(0, 250, 2):
            f.delete(f"s{number}")
        await f.until_true()
        asked = [dict(r.query) for r in f.server.requests.of("list", "services")]
        assert "limit" not in asked[-1]


async def test_F8_deletions_missed_in_a_gap() -> None:
    async with followed(services=300) as f:
        await f.each_watch("reset")
        for number in range(300):
            f.delete(f"s{number}")
        f.cluster.compact()
        await f.until_true()


async def test_F9_additions_and_changes_missed_in_a_gap() -> None:
    async with followed(services=150) as f:
        await f.each_watch("reset")
        for number in range(300):
            f.add(f"s{number}", 1000 + number)
        f.cluster.compact()
        await f.until_true()


async def test_F10_the_same_events_again() -> None:
    async with followed(services=30) as f:
        f.delete("s0")
        await f.until_true()
        for _ in range(3):
            await f.each_watch("replay", count=100)
        f.add("last", 1)
        await f.until_true()
        assert f.count("lists") == 1


async def test_F11_a_deletion_of_what_nobody_knows() -> None:
    async with followed() as f:
        ghost = service("ghost", "10.97.9.9")
        ghost["metadata"]["resourceVersion"] = str(f.cluster.version)
        line = json.dumps({"type": "DELETED", "object": ghost})
        f.names.add("ghost.default")
        await f.each_watch("send", lines=[line], resource="services")
        f.add("last", 1)
        await f.until_true()
        assert (f.count("lists"), f.count("errors")) == (1, 0)


async def test_F12_older_versions_after_newer_ones() -> None:
    """The stream's word is taken; the audit finds what was wrong with it."""
    async with followed("audit 60s", services=5) as f:
        f.add("s1", 777)
        f.delete("s2")
        await f.until_true()
        await f.each_watch("shuffle", count=100, resource="services")
        await f.until(lambda: f.count("audit_differences") > 0)
        await f.until_true()
        await f.until(lambda: f.count("lists") == 2)


async def test_F13_bookmarks_move_the_version_and_nothing_else() -> None:
    async with followed() as f:
        f.server.faults.bookmark_s = 0.01
        await f.each_watch("close")
        assert f.site.offers.cluster is not None
        serial = f.site.offers.cluster.main.serial
        f.cluster.load([config_map(str(number)) for number in range(20)])
        version = str(f.cluster.version)
        for resource in KINDS:
            await f.until(lambda r=resource: f.reflector(r).version == version)  # type: ignore[misc]
        assert (f.count("events"), f.count("lists")) == (0, 1)
        assert f.site.offers.cluster.main.serial == serial


async def test_F14_no_bookmark_ever() -> None:
    def silent(server: ApiServer) -> None:
        server.faults.bookmark_s = 0

    async with followed(prepare=silent) as f:
        await f.until(lambda: f.reflector().watches > 1)
        assert (f.count("lists"), f.count("errors")) == (1, 0)
        f.add("last", 1)
        await f.until_true()


async def test_F15_500_in_the_stream_is_no_hot_loop() -> None:
    status = {"kind": "Status", "code": 500, "reason": "InternalError"}
    line = json.dumps({"type": "ERROR", "object": status})
    async with followed() as f:
        f.spoil(verb="watch", resource="services", lines=[line], ends=True)
        f.server.requests.clear()
        await f.each_watch("close")
        await asyncio.sleep(10 / FACTOR)
        assert f.server.requests.count("watch", "services") <= 6
        assert f.server.requests.count("list", "services") == 0
        f.heal()
        f.add("last", 1)
        await f.until_true()


async def test_F16_an_object_etcd_cannot_read() -> None:
    async with followed(services=5) as f:
        status = {"kind": "Status", "code": 500, "reason": "StorageReadError"}
        line = json.dumps({"type": "ERROR", "object": status})
        f.spoil(verb="watch", resource="services", lines=[line], ends=True, times=1)
        f.cluster.compact()
        await f.each_watch("reset")
        f.delete("s1")
        await f.until_true()
        await f.until(lambda: f.count("lists") == 2)


@pytest.mark.parametrize("status", [{"kind": "Status"}, {}, None, "failure"])
async def test_F17_an_error_without_a_reason(status: object) -> None:
    async with followed(services=5) as f:
        line = json.dumps({"type": "ERROR", "object": status})
        await f.each_watch("send", lines=[line], resource="services")
        f.delete("s1")
        await f.until_true()
        await f.until(lambda: f.count("lists") == 2)


@pytest.mark.parametrize("refusal", [400, 422, 500])
async def test_F18_a_server_that_knows_no_streaming_lists(refusal: int) -> None:
    async with followed(services=120) as f:
        f.server.faults.refuse_watch_list = refusal
        for number in range(2):
            await f.each_watch("error", status=410)
            f.delete(f"s{number}")
            await f.until_true()
        await f.until(lambda: f.count("lists") == 3)


async def test_F19_a_streaming_list_without_its_end() -> None:
    async with followed(services=20) as f:
        f.server.faults.withhold_initial_end = True
        await f.each_watch("error", status=410, resource="services")
        f.delete("s1")
        await f.until_true()
        await f.until(lambda: f.count("lists") == 2)


def test_the_kinds_are_those_that_are_followed() -> None:
    assert SLICES in KINDS
    assert DEADLINE_S * FACTOR > 180
