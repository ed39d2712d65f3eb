"""F35 to F48: odd objects, many objects, other clocks and addresses, histories."""

import asyncio
import json
import time
from pathlib import Path

import pytest
import trustme

from minidns.kubernetes.client import connect
from minidns.kubernetes.resources import NAMESPACES, Access
from sim.api.objects import Json
from tests.kubernetes.served import Pod, certify
from tests.survival.followed import FACTOR, KNOWN, ZONE, Followed, endpoints, followed, service

pytestmark = pytest.mark.slow


def padded(name: str, size: int) -> Json:
    obj = service(name, "10.97.7.7")
    obj["metadata"]["annotations"] = {"note": "x" * size}
    return obj


async def test_F35_objects_and_lines_of_megabytes() -> None:
    async with followed() as f:
        f.put(padded("fat", 1_500_000))
        await f.until_true()
        obj = padded("fatter", 8_000_000)
        obj["metadata"]["resourceVersion"] = str(f.cluster.version + 1)
        line = json.dumps({"type": "ADDED", "object": obj})
        await f.each_watch("send", lines=[line], resource="services")
        fatter = f"fatter.default.{ZONE}"
        async with asyncio.timeout(30):
            while await f.ask(fatter) != (0, (f"{fatter}. 30 A 10.97.7.7",)):
                await asyncio.sleep(0.01)
        f.put(padded("fatter", 0))
        await f.until_true()
        assert f.count("lists") == 1


ODD: dict[str, object] = {
    "null": None,
    "no-metadata": {"spec": {}},
    "null-metadata": {"metadata": None},
    "name-is-a-number": {"metadata": {"name": 5}},
    "null-spec": {"metadata": {"name": "odd", "namespace": "default"}, "spec": None},
    "another-kind": {"kind": "Pod", "metadata": {"name": "p", "namespace": "default"}},
    "a-table": {"kind": "Table", "rows": []},
    "a-list": [],
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
async def test_F36_objects_that_are_none(odd: object) -> None:
    async with followed() as f:
        line = json.dumps({"type": "ADDED", "object": odd})
        await f.each_watch("send", lines=[line], resource="services")
        f.add("next", 1)
        await f.until_true()
        assert f.count("lists") == 1


async def test_F37_types_of_events_nobody_knows() -> None:
    async with followed(services=2) as f:
        version = f.reflector().version
        meta = {"name": "s1", "namespace": "default", "resourceVersion": "999999"}
        obj = {"kind": "Service", "metadata": meta}
        await f.each_watch("send", lines=[json.dumps({"type": "PING", "object": obj})], resource="services")
        f.cluster.load([endpoints("web", "web-1", ["10.244.0.1"])])
        await f.until(lambda: f.count("events", "endpointslices") == 1)
        assert f.reflector().version == version
        f.add("next", 1)
        await f.until_true()


@pytest.mark.parametrize("how", ["watched", "listed"])
async def test_F38_an_object_that_cannot_be_read_can_still_be_deleted(how: str) -> None:
    async with followed(services=3) as f:
        bad = service("s1", "10.97.0.99")
        bad["spec"]["ports"] = "none"
        f.cluster.load([bad])
        if how == "listed":
            f.cluster.compact()
            await f.each_watch("error", status=410, resource="services")
        await f.until(lambda: f.count("skipped_objects") >= 1)
        # as it was when it could be read
        assert (await f.ask(f"s1.default.{ZONE}"))[1] == (f"s1.default.{ZONE}. 30 A 10.97.0.1",)
        f.delete("s1")
        await f.until_true()


async def test_F39_a_relist_of_a_large_cluster() -> None:
    """300 Services with 4,500 endpoints; `make bench-scale` lists a hundred times as many."""
    async with followed() as f:
        for number in range(300):
            f.add(f"n{number}", number)
            ips = [f"10.244.{number >> 4}.{at + number % 16 * 15}" for at in range(15)]
            f.cluster.load([endpoints(f"n{number}", f"n{number}-1", ips)])
        await f.until_true()
        f.cluster.compact()
        await f.each_watch("error", status=410)
        for number in range(0, 300, 10):
            f.delete(f"n{number}")
        await f.until_true()
        await f.until(lambda: f.count("lists", "endpointslices") == 2)
        assert not await f.differences()


async def test_F40_a_thousand_changes_a_second() -> None:
    """For two seconds."""
    async with followed() as f:
        began = time.monotonic()
        for number in range(2000):
            f.add(f"n{number % 500}", number)
            if (ahead_s := number / 1000 - (time.monotonic() - began)) > 0:
                await asyncio.sleep(ahead_s)
        await f.until(lambda: f.count("events") == 2000)
        assert not await f.differences()
        assert f.count("lists") == 1


async def test_F41_certificates_change(tmp_path: Path) -> None:
    pod = Pod(tmp_path, trustme.CA())
    async with followed(link=pod.connect, tls=pod.tls) as f:
        other = certify(tmp_path / "other", trustme.CA())
        await f.act("down")
        f.server.use_certificate(other)
        await f.act("up")
        f.add("after", 1)
        await f.until(lambda: "certificate" in f.reflector().last_error)
        assert other.authority is not None
        (pod.account / "ca.crt").write_bytes(other.authority.read_bytes())
        await f.until_true()


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>Sign in</html>", "content_type": "text/html"},
        {"status": 301, "location": "http://192.0.2.1/login"},
        {"body": "<html>", "content_type": "application/json"},
    ],
    ids=["html-with-200", "redirect", "html-said-to-be-json"],
)
async def test_F42_a_proxy_answers_instead(answer: dict[str, object]) -> None:
    async with followed(services=5) as f:
        f.spoil(**answer)
        await f.each_watch("error", status=410)
        f.delete("s1")
        await f.until(lambda: f.reflector().errors > 2)
        assert (await f.ask(f"s1.default.{ZONE}"))[0] == 0
        f.heal()
        await f.until_true()


async def test_F43_the_name_of_the_api_server_cannot_be_resolved() -> None:
    """Only a kubeconfig can have one: see below. It is tried again, not in a loop."""
    nowhere = Access(endpoint="http://api.minidns.invalid:6443")
    body = "audit off\nstartup_timeout 1s"
    async with followed(body, access=lambda server: nowhere, wait=False) as f:
        await f.until(lambda: len(f.errors()) == 3 and all(f.errors()))
        assert {error.partition(": ")[2] for error in f.errors()} == {"no address for api.minidns.invalid"}
        assert (await f.ask(KNOWN))[0] == 2
        await asyncio.sleep(10 / FACTOR)
        assert f.count("errors") <= 6


def test_F43_in_a_pod_no_name_has_to_be_resolved(tmp_path: Path) -> None:
    pod = Pod(tmp_path, trustme.CA())
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    made = connect(Access(), environ=environ, account=pod.account)
    assert made.server == "https://10.96.0.1:443"


async def test_F44_the_clock_jumps() -> None:
    """Forwards and backwards by an hour; nothing but the serial looks at it."""
    async with followed(services=5) as f:
        for number, jump_s in enumerate((3600.0, -3600.0, -7200.0, 0.0)):
            f.world.jump_s = jump_s
            watches, age_s = f.reflector().watches, f.view.statuses()[0].age_s
            f.add(f"s{number}", 1000 + number)
            await f.until_true()
            assert f.reflector().watches == watches
            assert f.view.statuses()[0].age_s < age_s + 60
        assert (f.count("lists"), f.count("errors")) == (1, 0)


async def test_F45_two_servers_of_which_one_is_behind() -> None:
    """The watch goes over to the other in mid-history; what is known is never older."""
    async with followed() as f:
        seen: list[str] = []

        async def look() -> None:
            while True:
                code, lines = await f.ask(f"moving.default.{ZONE}")
                if code == 0 and lines[0] not in seen[-1:]:
                    seen.append(lines[0])
                await asyncio.sleep(0.001)

        f.add("moving", 0)
        await f.until_true()
        looking = asyncio.create_task(look())
        for number in range(1, 6):
            f.server.faults.stale_at = 0
            f.add("moving", number)
            await f.until_true()
            f.server.faults.stale_at = f.cluster.version - 1  # 5 s behind, and
            await f.each_watch("close", resource="services")  # the watch goes there
            await asyncio.sleep(5 / FACTOR)
        f.server.faults.stale_at = 0
        f.add("moving", 9)
        await f.until_true()
        looking.cancel()
        addresses = [line.rpartition(" ")[2] for line in seen]
        assert addresses == [f"10.97.0.{n}" for n in (0, 1, 2, 3, 4, 5, 9)]


async def test_F46_a_namespace_is_deleted_with_all_in_it() -> None:
    async with followed() as f:
        space = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "team"}}
        f.cluster.load([space])
        for number in range(20):
            f.put(service(f"t{number}", f"10.97.3.{number}", "team"))
        await f.until_true()
        assert (await f.ask(f"team.{ZONE}"))[0] == 0
        for number in range(20):
            f.cluster.delete("Service", "team", f"t{number}")
        f.cluster.delete("Namespace", "", "team")
        await f.until_true()
        assert (await f.ask(f"team.{ZONE}"))[0] == 3
        assert f.reflector(NAMESPACES).lists == 1


async def test_F47_slices_that_overlap_are_merged_and_deleted() -> None:
    async with followed("audit off\nhold 0s") as f:
        headless = service("h", "None")
        f.put(headless)
        f.put(endpoints("h", "h-1", ["10.244.0.1", "10.244.0.2"]))
        f.put(endpoints("h", "h-2", ["10.244.0.2", "10.244.0.3"]))
        f.put(endpoints("h", "h-3", ["10.244.0.3", "10.244.0.1"]))
        await f.until_true()
        assert await addresses(f) == {"10.244.0.1", "10.244.0.2", "10.244.0.3"}
        f.delete("h-2", "EndpointSlice")
        await f.until_true()
        assert await addresses(f) == {"10.244.0.1", "10.244.0.2", "10.244.0.3"}
        f.delete("h-3", "EndpointSlice")
        await f.until_true()
        assert await addresses(f) == {"10.244.0.1", "10.244.0.2"}
        f.put(endpoints("h", "h-1", ["10.244.0.4"]))
        await f.until_true()
        assert await addresses(f) == {"10.244.0.4"}


async def addresses(f: Followed) -> set[str]:
    _, lines = await f.ask(f"h.default.{ZONE}")
    found = [line.rpartition(" ")[2] for line in lines]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("compacted", [False, True], ids=["resumed", "listed"])
async def test_F48_deleted_and_made_again_in_a_gap(compacted: bool) -> None:
    async with followed(services=5) as f:
        await f.each_watch("reset")
        f.delete("s1")
        f.add("s1", 4000)
        if compacted:
            f.cluster.compact()
        await f.until_true()
        assert (await f.ask(f"s1.default.{ZONE}"))[1] == (f"s1.default.{ZONE}. 30 A 10.97.15.160",)
