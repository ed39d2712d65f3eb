"""LIST over real HTTP, against the simulated API server and its faults."""

import json
from dataclasses import replace
from typing import Any

import pytest

from minidns.kubernetes.list_watch import Deadlines
from minidns.kubernetes.objects import Key
from minidns.kubernetes.resources import SERVICES, ApiError, Gone, Page
from tests.kubernetes.served import Served, first, serving
from tests.table import table

WEB = {"metadata": {"name": "web", "namespace": "default", "resourceVersion": "5"}, "spec": {}}


def names(page: Page) -> list[str]:
    return [obj.key.name for obj in page.objects]


async def pages(served: Served) -> list[Page]:
    """Return every page of a whole LIST of Services."""
    list_watch = served.connection.list_watch(SERVICES)
    found = [await list_watch.page("", None)]
    while found[-1].token:
        found.append(await list_watch.page(found[-1].token, None))
    return found


async def test_pages_of_100_of_one_version() -> None:
    async with serving() as served:
        for n in range(250):
            served.create(f"s{n:03}")
        found = await pages(served)
        wanted = sorted(obj["metadata"]["name"] for obj in served.cluster.list("Service"))
        assert sorted(name for page in found for name in names(page)) == wanted
        assert [len(page.objects) for page in found[:2]] == [100, 100]
        assert len({page.version for page in found}) == 1
        first_query, *others = served.asked("list")
        assert first_query == {"limit": "100"}
        assert [sorted(query) for query in others] == [["continue", "limit"]] * 2


async def test_selectors_and_namespace_are_asked_for() -> None:
    resource = replace(
        SERVICES, namespace="prod", label_selector="app in (a,b),x!=y", field_selector="metadata.name!=c"
    )
    async with serving() as served:
        await served.connection.list_watch(resource).page("", None)
        (request,) = served.server.requests.of("list", "services")
        assert request.path == "/api/v1/namespaces/prod/services"
        assert request.query["labelSelector"] == resource.label_selector
        assert request.query["fieldSelector"] == resource.field_selector


async def test_f7_after_an_expired_token_everything_is_asked_for_at_once() -> None:
    async with serving() as served:
        for n in range(150):
            served.create(f"s{n:03}")
        served.server.faults.expire_continue = True
        list_watch = served.connection.list_watch(SERVICES)
        page = await list_watch.page("", None)
        with pytest.raises(Gone):
            await list_watch.page(page.token, None)
        page = await list_watch.page("", None)
        assert len(page.objects) >= 150
        assert page.token == ""
        assert (await list_watch.page("", None)).token


async def test_f23_a_version_the_server_has_not_reached() -> None:
    async with serving() as served:
        served.create("web")
        list_watch = served.connection.list_watch(SERVICES)
        version = int((await list_watch.page("", None)).version)
        assert (await list_watch.page("", str(version))).objects
        with pytest.raises(Gone, match="Too large resource version"):
            await list_watch.page("", str(version + 1000))
        assert served.asked("list")[-1] == {
            "limit": "1",
            "resourceVersion": str(version + 1000),
            "resourceVersionMatch": "NotOlderThan",
        }


LISTED: dict[str, Any] = {
    "kind": "ServiceList",
    "metadata": {"resourceVersion": "9"},
    "items": [WEB, {"metadata": {"name": "odd", "namespace": "p"}, "spec": 5}, 7],
}


async def test_f36_items_that_cannot_be_read_cost_themselves() -> None:
    async with serving() as served:
        served.spoil(body=json.dumps(LISTED), content_type="application/json")
        page = await served.connection.list_watch(SERVICES).page("", None)
        assert names(page) == ["web"]
        assert (page.skipped, page.unread) == (2, (Key("p", "odd"),))


@table(
    ("rule", "kind", "text", "code"),
    [
        pytest.param({"cut_at": 40}, ApiError, "the list broke off", 0, id="F33-cut"),
        pytest.param({"body": "{}"}, ApiError, "not of this kind", 0, id="F36-not-a-list"),
        pytest.param(
            {"body": "<html>log in", "content_type": "text/html"},
            ApiError,
            "answered with text/html where JSON was expected: is there a proxy",
            0,
            id="F42-html-with-200",
        ),
        pytest.param({"status": 301, "location": "http://127.0.0.1:1/"}, ApiError, "redirect", 0, id="F42-redirect"),
        pytest.param({"reset": True}, ApiError, "cannot reach http://127", 0, id="reset"),
        pytest.param({"status": 410}, Gone, "too old", 0, id="F6-410"),
        pytest.param({"status": 500}, ApiError, "simulated fault", 500, id="500"),
        pytest.param({"status": 503}, ApiError, "unable to handle", 503, id="F21-503"),
        pytest.param(
            {"status": 403},
            ApiError,
            'cannot list resource "services" in API group "" at the cluster scope; '
            'grant this user the verbs "list" and "watch" on "services"',
            403,
            id="F26-403",
        ),
        pytest.param({"status": 401}, ApiError, "credentials", 401, id="F24-401"),
    ],
)
async def test_lists_that_fail(rule: dict[str, Any], kind: type[Exception], text: str, code: int) -> None:
    async with serving() as served:
        served.create("web")
        served.spoil(verb="list", **rule)
        with pytest.raises(kind) as caught:
            await served.connection.list_watch(SERVICES).page("", None)
        assert text in str(caught.value)
        assert getattr(caught.value, "status", 0) == code


@table(
    ("verb", "rule", "text"),
    [
        pytest.param("list", {"freeze": True}, "no complete answer", id="F4-list"),
        pytest.param("list", {"bytes_per_s": 50}, "no complete answer", id="F32-slow"),
        pytest.param("watch", {"freeze": True}, "no answer", id="F4-watch"),
    ],
)
async def test_deadlines(verb: str, rule: dict[str, Any], text: str) -> None:
    async with serving(deadlines=Deadlines(list_s=0.5, open_s=0.5)) as served:
        served.create("web")
        served.spoil(verb=verb, **rule)
        with pytest.raises(ApiError) as caught:
            await ask(served, verb)
        assert str(caught.value) == f"{text} from {served.server.url} within 0.5 s"


async def ask(served: Served, verb: str) -> None:
    list_watch = served.connection.list_watch(SERVICES)
    if verb == "list":
        await list_watch.page("", None)
    else:
        await first(list_watch.watch("1"), 1)


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_f20_retry_after_is_passed_on(verb: str) -> None:
    async with serving() as served:
        served.spoil(verb=verb, status=429, retry_after=7)
        with pytest.raises(ApiError) as caught:
            await ask(served, verb)
        assert (caught.value.status, caught.value.retry_after_s) == (429, 7.0)
