"""Every fault that an API server can cause, on the wire, by its number F1 to F48.

The table of the numbers is FAULTS in tests/survival/test_faults.py; what a client has to do about each
is tested where the client is.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from sim.api.faults import Action, Rule
from sim.api.http import ApiServer
from sim.api.objects import Json, version_of
from sim.api.store import Change
from sim.controllers.cluster import Cluster
from tests.sim.builders import DEADLINE_S, Client, Lines, config_map, failing, names, namespace, service, serving, until

MAPS = "/api/v1/namespaces/default/configmaps"
BROKEN = (aiohttp.ClientPayloadError, aiohttp.ClientOSError, ConnectionError)
"""The exceptions of a client whose connection is cut."""
STREAMING = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


@pytest.fixture
async def api() -> AsyncIterator[Client]:
    cluster = Cluster()
    cluster.create(config_map("a"))
    async with serving(cluster) as found:
        yield found


def watched(api: Client, more: str = "") -> str:
    return f"{MAPS}?resourceVersion={api.server.cluster.version}{more}"


async def do(api: Client, action: Action) -> None:
    """Do something to a watch once it is open."""
    await until(lambda: bool(api.server.streams))
    await api.server.act(action)


async def test_f1_watches_end_cleanly(api: Client) -> None:
    async with api.watch(watched(api)) as lines:
        await do(api, Action("close"))
        assert await lines.rest() == []


async def test_f1_watches_end_after_a_while(api: Client) -> None:
    api.server.faults.watch_max_s = 0.05
    for _ in range(3):
        async with api.watch(watched(api)) as lines:
            assert await lines.rest() == []
    assert (api.server.requests.count("watch"), api.server.requests.count("list")) == (3, 0)


async def test_f1_an_event_that_came_before_the_end_is_delivered(api: Client) -> None:
    async with api.watch(watched(api)) as lines:
        await until(lambda: bool(api.server.streams))
        api.server.cluster.create(config_map("b"))
        await api.server.act(Action("close"))
        assert [obj["metadata"]["name"] for _, obj in await lines.rest()] == ["b"]


async def test_f2_reset_in_mid_stream(api: Client) -> None:
    async with api.watch(watched(api)) as lines:
        await do(api, Action("reset"))
        with pytest.raises(BROKEN):
            await lines.line()
    await until(lambda: not api.server.streams)


async def test_f2_reset_instead_of_an_answer(api: Client) -> None:
    api.server.faults.rules.append(Rule(verb="list", reset=True))
    with pytest.raises(aiohttp.ClientConnectionError):
        await api.get(MAPS)
    api.server.faults.clear()
    assert names((await api.get(MAPS))["items"]) == ["a"]


async def silent(lines: Lines) -> bool:
    """Return whether nothing comes for a moment."""
    try:
        async with asyncio.timeout(0.1):
            await lines.line()
    except TimeoutError:
        return True
    return False


async def test_f3_f4_frozen_watch_says_nothing_and_goes_on_when_thawed(api: Client) -> None:
    async with api.watch(watched(api)) as lines:
        await do(api, Action("freeze"))
        api.server.cluster.create(config_map("b"))
        assert await silent(lines)
        await api.server.act(Action("thaw"))
        assert await lines.seen(1) == [("ADDED", "b")]


async def test_f4_frozen_server_accepts_and_never_answers(api: Client) -> None:
    api.server.faults.rules.append(Rule(freeze=True))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await api.get(MAPS)


async def test_f5_f15_f16_error_event(api: Client) -> None:
    for status, reason in ((410, "Expired"), (500, "InternalError")):
        async with api.watch(watched(api)) as lines:
            await do(api, Action("error", status=status))
            ((kind, obj),) = await lines.rest()
        assert (kind, obj["code"], obj["reason"]) == ("ERROR", status, reason)
    async with api.watch(watched(api)) as lines:
        await do(api, Action("error", status=500, reason="StoreReadError"))
        assert (await lines.rest())[0][1]["reason"] == "StoreReadError"


async def test_f17_error_event_without_reason(api: Client) -> None:
    async with api.watch(watched(api)) as lines:
        await do(api, Action("error", status=500, reason=""))
        assert "reason" not in (await lines.rest())[0][1]


@pytest.mark.parametrize(
    ("verb", "status", "retry_after"),
    [
        pytest.param("watch", 410, 0, id="f6-410-on-watch"),
        pytest.param("list", 429, 3, id="f20-429-with-retry-after"),
        pytest.param("list", 503, 5, id="f21-503-with-retry-after"),
        pytest.param("list", 504, 1, id="f22-504"),
        pytest.param("watch", 500, 0, id="f15-500-on-watch"),
    ],
)
async def test_error_statuses(api: Client, verb: str, status: int, retry_after: int) -> None:
    rule = Rule("configmaps", verb, status=status, retry_after=retry_after)
    api.server.faults.rules.append(rule)
    url = api.server.url + MAPS + ("?watch=1" if verb == "watch" else "")
    async with api.session.get(url) as response:
        body = json.loads(await response.read())
        assert (response.status, body["code"]) == (status, status)
        assert int(response.headers.get("Retry-After", 0)) == retry_after
        found = body.get("details", {}).get("retryAfterSeconds", 0)
        assert found == retry_after
    await api.get("/api/v1/services")


async def test_f7_expired_token_on_the_second_page(api: Client) -> None:
    api.server.cluster.create(config_map("b"))
    token = (await api.get(f"{MAPS}?limit=1"))["metadata"]["continue"]
    api.server.faults.expire_continue = True
    status, body = await api.ask("GET", f"{MAPS}?limit=1&continue={token}")
    assert (status, body["reason"]) == (410, "Expired")
    rest = await api.get(f"{MAPS}?continue={body['metadata']['continue']}")
    assert names(rest["items"]) == ["b"]


async def test_f7_rule_for_later_pages_only(api: Client) -> None:
    api.server.cluster.create(config_map("b"))
    api.server.faults.rules.append(Rule(paged=True, status=410))
    token = (await api.get(f"{MAPS}?limit=1"))["metadata"]["continue"]
    assert (await api.ask("GET", f"{MAPS}?limit=1&continue={token}"))[0] == 410


async def test_f8_f9_history_lost_while_the_watch_was_cut(api: Client) -> None:
    path, cluster = watched(api), api.server.cluster
    async with api.watch(path):
        await do(api, Action("reset"))
    cluster.delete("ConfigMap", "default", "a")
    cluster.create(config_map("b"))
    await api.server.act(Action("compact"))
    async with api.watch(path) as lines:
        assert (await lines.rest())[0][1]["code"] == 410
    assert names((await api.get(MAPS))["items"]) == ["b"]


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        pytest.param("replay", ["b", "c"], id="f10-duplicates"),
        pytest.param("shuffle", ["c", "b"], id="f12-out-of-order"),
    ],
)
async def test_events_again(api: Client, how: str, seen: list[str]) -> None:
    async with api.watch(watched(api)) as lines:
        for name in "bc":
            api.server.cluster.create(config_map(name))
        await lines.seen(2)
        action = Action("replay" if how == "replay" else "shuffle", count=2)
        await api.server.act(action)
        assert [name for _, name in await lines.seen(2)] == seen


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('{"type":"DELETED","object":{"metadata":{"name":"x"}}}', id="f11-unknown-key"),
        pytest.param("not JSON", id="f34-no-json"),
        pytest.param('{"type":"ADDED","object":{"kind":"Pod"}}', id="f36-no-metadata"),
        pytest.param('{"type":"STRANGE","object":{}}', id="f37-unknown-type"),
        pytest.param('{"type":"ADDED","object":"' + "x" * 1_500_000, id="f35-long-line"),
    ],
)
async def test_raw_lines(api: Client, line: str) -> None:
    async with api.session.get(f"{api.server.url}{watched(api)}&watch=1", read_bufsize=2**22) as response:
        lines = Lines(response)
        await do(api, Action("send", lines=[line]))
        assert await lines.line() == line.encode() + b"\n"
        api.server.cluster.create(config_map("after"))
        assert await lines.seen(1) == [("ADDED", "after")]


async def test_raw_lines_from_the_start_and_nothing_else(api: Client) -> None:
    line = '{"type":"ERROR","object":{"kind":"Status","code":410}}'
    rule = Rule(verb="watch", lines=[line], ends=True, times=1)
    api.server.faults.rules.append(rule)
    async with api.watch(MAPS) as lines:
        assert len(await lines.rest()) == 1
    async with api.watch(MAPS) as lines:
        assert await lines.seen(1) == [("ADDED", "a")]


async def test_f13_bookmarks_at_their_interval(api: Client) -> None:
    api.server.faults.bookmark_s = 0.02
    async with api.watch(watched(api, "&allowWatchBookmarks=true")) as lines:
        api.server.cluster.create(namespace("other-kind"))
        version = api.server.cluster.version
        seen = 0
        async with asyncio.timeout(DEADLINE_S):
            while seen < version:
                kind, obj = await lines.event()
                assert (kind, version_of(obj) >= seen) == ("BOOKMARK", True)
                seen = version_of(obj)


async def test_f13_no_bookmarks_for_those_who_do_not_ask(api: Client) -> None:
    api.server.faults.bookmark_s = 0.01
    async with api.watch(watched(api, "&timeoutSeconds=0.1")) as lines:
        assert await lines.rest() == []


async def test_f14_no_bookmark_ever(api: Client) -> None:
    api.server.faults.bookmark_s = 0
    path = watched(api, "&allowWatchBookmarks=true&timeoutSeconds=0.1")
    async with api.watch(path) as lines:
        assert await lines.rest() == []


@pytest.mark.parametrize("status", [400, 422])
async def test_f18_streaming_list_refused(api: Client, status: int) -> None:
    api.server.faults.refuse_watch_list = status
    code, body = await api.ask("GET", f"{MAPS}?watch=1&{STREAMING}")
    assert (code, body["code"]) == (status, status)
    async with api.watch(MAPS) as lines:
        assert await lines.seen(1) == [("ADDED", "a")]


async def test_f18_streaming_list_refused_in_the_stream(api: Client) -> None:
    api.server.faults.refuse_watch_list = 500
    async with api.watch(f"{MAPS}?{STREAMING}") as lines:
        ((kind, obj),) = await lines.rest()
    assert (kind, obj["code"]) == ("ERROR", 500)
    assert "RequestWatchProgress is disabled" in obj["message"]


async def test_f19_end_of_streaming_list_never_comes(api: Client) -> None:
    api.server.faults.withhold_initial_end = True
    async with api.watch(f"{MAPS}?{STREAMING}") as lines:
        assert await lines.seen(1) == [("ADDED", "a")]
        assert await silent(lines)


async def test_f23_version_goes_back(api: Client) -> None:
    cluster = api.server.cluster
    await api.server.act(Action("snapshot"))
    for name in "bcd":
        cluster.create(config_map(name))
    ahead = watched(api, "&timeoutSeconds=0.1&allowWatchBookmarks=true")
    async with api.watch(watched(api)) as lines:
        await do(api, Action("restore"))
        assert await lines.rest() == []
    body = await api.get(MAPS)
    assert names(body["items"]) == ["a"]
    async with api.watch(ahead) as lines:
        cluster.create(config_map("e"))
        assert await lines.rest() == []


def test_restore_needs_a_snapshot() -> None:
    server = ApiServer(Cluster())
    status = failing(lambda: asyncio.run(server.act(Action("restore"))))
    assert status["message"] == "there is no snapshot to restore: make one first"


async def test_f24_all_tokens_but_one_are_refused(api: Client) -> None:
    api.server.faults.only_token = "new"
    for token, expected in (("old", 401), ("new", 200)):
        bearer = {"Authorization": f"Bearer {token}"}
        status, body = await api.ask("GET", MAPS, **bearer)
        assert status == expected
    status, body = await api.ask("GET", MAPS)
    assert (status, body["message"]) == (401, "Unauthorized")


async def test_f26_f27_one_resource_forbidden(api: Client) -> None:
    api.server.faults.rules.append(Rule("endpointslices", status=403))
    token = "system:serviceaccount:kube-system:coredns"
    bearer = {"Authorization": f"Bearer {token}"}
    path = "/apis/discovery.k8s.io/v1/endpointslices"
    status, body = await api.ask("GET", path, **bearer)
    assert (status, body["message"]) == (
        403,
        f'endpointslices.discovery.k8s.io is forbidden: User "{token}" cannot list '
        'resource "endpointslices" in API group "discovery.k8s.io" at the cluster '
        "scope",
    )
    await api.get("/api/v1/services")


@pytest.mark.parametrize(
    ("how", "ends_cleanly"),
    [pytest.param("down", True, id="f28-sigterm"), pytest.param("kill", False, id="f29-sigkill")],
)
async def test_restart(api: Client, how: str, ends_cleanly: bool) -> None:
    path = watched(api)
    async with api.watch(path) as lines:
        await do(api, Action("down" if how == "down" else "kill"))
        if ends_cleanly:
            assert await lines.rest() == []
        else:
            with pytest.raises(BROKEN):
                await lines.line()
    with pytest.raises(aiohttp.ClientConnectorError):
        await api.get(MAPS)
    await api.server.act(Action("up"))
    assert names((await api.get(MAPS))["items"]) == ["a"]


async def test_f30_f31_down_for_a_while(api: Client) -> None:
    await api.server.act(Action("down", for_s=0.1))
    with pytest.raises(aiohttp.ClientConnectorError):
        await api.get(MAPS)

    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await api.get(MAPS)
                return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)


async def test_f32_slow_first_byte_and_slow_body(api: Client) -> None:
    rule = Rule(verb="list", delay_s=0.1, bytes_per_s=2000, times=1)
    api.server.faults.rules.append(rule)
    before = time.monotonic()
    body = await api.get(MAPS)
    assert time.monotonic() - before > 0.1 + len(json.dumps(body)) / 2000 / 2
    assert names(body["items"]) == ["a"]


async def test_f33_body_cut_in_the_middle(api: Client) -> None:
    api.server.faults.rules.append(Rule(verb="list", cut_at=50, times=1))
    async with api.session.get(api.server.url + MAPS) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert names((await api.get(MAPS))["items"]) == ["a"]


async def test_f34_line_cut_and_nothing_lost(api: Client) -> None:
    path, cluster = watched(api), api.server.cluster
    async with api.watch(path) as lines:
        await do(api, Action("cut"))
        cluster.create(config_map("b"))
        with pytest.raises(BROKEN):
            await lines.line()
    async with api.watch(path) as lines:
        assert await lines.seen(1) == [("ADDED", "b")]


async def test_f35_object_of_a_megabyte(api: Client) -> None:
    big = config_map("big", a="x" * 1_400_000)
    url = f"{api.server.url}{watched(api)}&watch=1"
    async with api.session.get(url, read_bufsize=2**22) as response:
        api.server.cluster.create(big)
        _, obj = await Lines(response).event()
    assert len(obj["data"]["a"]) == 1_400_000


async def test_f36_f38_odd_objects_in_lists(api: Client) -> None:
    odd = service("odd", clusterIPs=["999.1"], ports=None)
    api.server.cluster.load([odd])
    body = await api.get("/api/v1/services")
    assert body["items"][-1]["spec"]["clusterIPs"] == ["999.1"]
    table = '{"kind":"Table","apiVersion":"meta.k8s.io/v1","rows":[]}'
    api.server.faults.rules.append(Rule("services", body=table))
    assert (await api.get("/api/v1/services"))["kind"] == "Table"


async def test_f40_many_changes_arrive_in_order(api: Client) -> None:
    async with api.watch(watched(api)) as lines:
        await until(lambda: bool(api.server.streams))
        for index in range(1000):
            api.server.cluster.update(config_map("a", n=str(index)))
            if index % 100 == 0:
                await asyncio.sleep(0)
        seen = [(await lines.event())[1]["data"]["n"] for _ in range(1000)]
    assert seen == [str(index) for index in range(1000)]


@pytest.mark.parametrize("status", [0, 301])
async def test_f42_page_of_a_proxy(api: Client, status: int) -> None:
    rule = Rule(status=status, body="<html>Sign in</html>", content_type="text/html", location="http://192.0.2.1/")
    api.server.faults.rules.append(rule)
    for query in ("", "?watch=1"):
        url = api.server.url + MAPS + query
        async with api.session.get(url, allow_redirects=False) as response:
            assert response.status == (status or 200)
            assert response.content_type == "text/html"
            assert await response.text() == "<html>Sign in</html>"


async def test_f45_server_that_is_behind(api: Client) -> None:
    cluster = api.server.cluster
    behind = cluster.version
    async with serving(cluster) as other:
        other.server.faults.stale_at = behind
        cluster.create(config_map("b"))
        cluster.delete("ConfigMap", "default", "a")
        late = await other.get(MAPS)
        assert names(late["items"]) == ["a"]
        assert version_of(late) == behind
        assert names((await api.get(MAPS))["items"]) == ["b"]
        status, _ = await other.ask("GET", f"{MAPS}?resourceVersion={cluster.version}")
        assert status == 504
        async with other.watch(f"{MAPS}?resourceVersion={behind}") as lines:
            assert await silent(lines)
        async with other.watch(f"{MAPS}?resourceVersion={behind}") as lines:
            other.server.faults.stale_at = 0
            assert await lines.seen(2) == [("ADDED", "b"), ("DELETED", "a")]


async def test_f46_namespace_deleted_with_its_services(api: Client) -> None:
    cluster = api.server.cluster
    cluster.create(namespace("prod"))
    cluster.create(service(namespace="prod"))
    path = f"/api/v1/services?resourceVersion={cluster.version}"
    async with api.watch(path) as lines:
        await api.ask("DELETE", "/api/v1/namespaces/prod")
        assert await lines.seen(1) == [("DELETED", "web")]


async def test_f48_service_made_again_in_a_gap(api: Client) -> None:
    cluster = api.server.cluster
    first = cluster.create(service())
    cluster.delete("Service", "default", "web")
    second = cluster.create(service())
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert first["spec"]["clusterIP"] != second["spec"]["clusterIP"]


async def test_rules_count_down_and_the_first_that_fits_counts(api: Client) -> None:
    rules = api.server.faults.rules
    rules.append(Rule("configmaps", "list", times=2, status=500))
    rules.append(Rule(namespace="default", status=503))
    found = [(await api.ask("GET", MAPS))[0] for _ in range(3)]
    assert found == [500, 500, 503]
    await api.get("/api/v1/configmaps")


async def control(api: Client, method: str, path: str, body: object = None) -> tuple[int, Json]:
    return await api.ask(method, f"/sim/{path}", body)


async def test_switchboard_over_http(api: Client) -> None:
    board = {"rules": [{"resource": "configmaps", "status": 503}], "bookmark_s": 1}
    status, found = await control(api, "POST", "faults", board)
    assert (status, found) == (200, board)
    assert (await control(api, "GET", "faults"))[1] == board
    assert (await api.ask("GET", MAPS))[0] == 503
    assert (await control(api, "DELETE", "faults"))[1] == {}
    await api.get(MAPS)


async def test_actions_over_http(api: Client) -> None:
    async with api.watch(watched(api)) as lines:
        await until(lambda: bool(api.server.streams))
        action = {"do": "close", "resource": "services"}
        await control(api, "POST", "actions", action)
        assert await silent(lines)
    async with api.watch(watched(api)) as lines:
        await until(lambda: bool(api.server.streams))
        await control(api, "POST", "actions", {"do": "close", "resource": "configmaps"})
        assert await lines.rest() == []


@pytest.mark.parametrize("how", ["down", "kill"])
async def test_restart_over_http(api: Client, how: str) -> None:
    action = {"do": how, "for_s": 0.1}
    assert await control(api, "POST", "actions", action) == (200, action)
    seen: list[str] = []

    async def ask() -> None:
        try:
            await api.get(MAPS)
            seen.append("up")
        except aiohttp.ClientConnectionError:
            seen.append("down")

    async with asyncio.timeout(DEADLINE_S):
        while seen[-2:] != ["down", "up"]:
            await ask()
            await asyncio.sleep(0.005)


async def test_requests_over_http(api: Client) -> None:
    await api.get(f"{MAPS}?limit=5")
    await api.get("/api/v1/services")
    _, found = await control(api, "GET", "requests?verb=list&resource=configmaps")
    assert found["count"] == 1
    assert found["requests"][0]["query"] == {"limit": "5"}
    assert found["requests"][0]["namespace"] == "default"
    await control(api, "DELETE", "requests")
    assert (await control(api, "GET", "requests"))[1]["count"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "faults", {"rules": [{"verbs": "list"}]}, 400),
        ("POST", "actions", {"do": "dance"}, 400),
        ("POST", "actions", {"do": "restore"}, 409),
        ("GET", "nonsense", None, 404),
    ],
)
async def test_control_path_refuses_what_it_does_not_know(
    api: Client, method: str, path: str, body: object, code: int
) -> None:
    assert (await control(api, method, path, body))[0] == code


def examples() -> list[str]:
    page = Path(__file__).parents[3] / "docs" / "simulated-api.md"
    blocks = re.findall(r"^```json\n(.*?)^```", page.read_text(), re.M | re.S)
    return [str(block) for block in blocks]


@pytest.mark.parametrize("text", examples())
async def test_examples_of_the_documentation(api: Client, text: str) -> None:
    body = json.loads(text)
    path = "actions" if "do" in body else "faults"
    status, found = await control(api, "POST", path, body)
    assert status == 200, found


async def test_failure_of_our_own_is_a_status_too(api: Client, caplog: pytest.LogCaptureFixture) -> None:
    def fail(change: Change) -> None:
        raise LookupError("of our own")

    api.server.cluster.subscribe(fail)
    status, body = await api.ask("POST", MAPS, config_map("b"))
    assert (status, body["reason"]) == (500, "InternalError")
    assert "of our own" in body["message"]
    assert "of our own" in caplog.text
