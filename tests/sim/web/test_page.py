"""The page over real HTTP: who may read it, what it shows, what happens live."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from sim.scenario import clock
from sim.scenario.stage import Stage
from sim.walk.walk import walks, wanted_of
from sim.walk.world import world
from sim.web.cluster import VirtualCluster
from tests.sim.web.page import TOKEN, Client, served

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
LOOKUP = {"pod": "shop/cart", "name": "web"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client() -> AsyncIterator[Client]:
    async with served() as base, ClientSession() as http:
        yield Client(http, base)


@pytest.mark.parametrize(
    ("method", "path", "token", "headers", "status", "said"),
    [
        pytest.param("GET", "/", "", {}, 403, "token", id="no token"),
        pytest.param("GET", "/walk", "wrong", {}, 403, "token", id="a wrong token"),
        pytest.param("GET", "/events", "", {}, 403, "token", id="the stream has it too"),
        pytest.param("POST", "/do/add", "", {"Content-Type": "application/json"}, 403, "token", id="an action has it too"),
        pytest.param("GET", "/", TOKEN, {"Host": "evil.example"}, 403, "Host", id="another Host (DNS rebinding)"),
        pytest.param("GET", "/", TOKEN, {"Host": "evil.example:80"}, 403, "Host", id="another Host with a port"),
        pytest.param("GET", "/", TOKEN, {"Origin": "http://evil.example"}, 403, "Origin", id="another Origin"),
        pytest.param("GET", "/", TOKEN, {"Origin": "null"}, 403, "Origin", id="an Origin without a name"),
        pytest.param("GET", "/", TOKEN, {"Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site", id="from a page elsewhere"),
        pytest.param("POST", "/do/add", TOKEN, {"Content-Type": "text/plain"}, 415, "form", id="a form of a page elsewhere"),
        pytest.param("TRACE", "/", TOKEN, {}, 405, "method", id="another method"),
        pytest.param("GET", "/etc/passwd", TOKEN, {}, 404, "404", id="no such path"),
    ],
)  # fmt: skip
async def test_others_are_refused_with_one_line_that_says_why(
    client: Client, method: str, path: str, token: str, headers: dict[str, str], status: int, said: str
) -> None:
    query = {"token": token} if token else {}
    body = b"{}" if method == "POST" else None
    async with client.http.request(method, client.base + path, params=query, headers=headers, data=body) as reply:
        text = await reply.text()
    assert reply.status == status
    assert said in text
    assert "\n" not in text.strip()
    assert TOKEN not in text


async def test_the_page_loads_nothing_and_allows_nothing_from_elsewhere(client: Client) -> None:
    async with client.http.get(client.base, params={"token": TOKEN, **LOOKUP}) as reply:
        policy, text = reply.headers["Content-Security-Policy"], await reply.text()
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert not re.findall(r"""(?:src|href)=["']?(?!data:)[^"'> ]""", text)
    assert "https://" not in text


async def test_the_steps_are_those_of_the_command(client: Client) -> None:
    async def own() -> list[str]:
        async with world() as stage:
            sides = await walks(stage, wanted_of(stage, **LOOKUP))
            return [step.says for side in sides for step in side.steps]

    expected = await asyncio.to_thread(clock.run, own())
    shown = [step["says"] for side in await client.walks(**LOOKUP) for step in side["steps"]]
    numbers = re.compile(r"\b10\.244\.\S+|:\d+")  # chance chooses endpoints and ports
    assert [numbers.sub("", text) for text in shown] == [numbers.sub("", text) for text in expected]


async def test_a_type_is_asked_for_alone(client: Client) -> None:
    (side, _) = await client.walks(**LOOKUP, type="AAAA")
    assert [step["facts"]["type"] for step in side["steps"] if step["kind"] == "query"] == ["AAAA"] * len(
        [step for step in side["steps"] if step["kind"] == "query"]
    )
    _, text = await client.get("/walk", **LOOKUP, type="aaaa")
    assert '<option value="AAAA" selected>' in text


async def test_without_javascript_the_page_has_every_step_and_byte(client: Client) -> None:
    sides = await client.walks(**LOOKUP)
    status, text = await client.get("/walk", **LOOKUP)
    assert status == 200
    plain = unescape(re.sub(r"<[^>]+>", "", text.replace("<wbr>", "")))
    for side in sides:
        assert side["steps"][-1]["says"] in plain
    assert len(re.findall(r'<li class="step', text)) == sum(len(side["steps"]) for side in sides)
    octets = "".join(re.findall(r"<code>([0-9a-f ]+)</code>", text)).replace(" ", "")
    assert all(
        step["packet"]["hex"][4:] in octets for step in sides[0]["steps"] if step["packet"] and step["kind"] == "answer"
    )


async def test_the_static_walk_of_a_permalink_has_its_faults(client: Client) -> None:
    fault = "servfail at kube-dns"
    status, text = await client.get("/walk", **LOOKUP, fault=fault)
    assert status == 200
    assert text.count('class="outcome bad"') == 1  # kube-dns-2 answers
    form = text.partition("<form")[2].partition("</form>")[0]
    assert f'name="fault" value="{fault}"' in form  # the next lookup keeps it
    (mend,) = re.findall(r'href="(/walk[^"]*)"', text)
    async with client.http.get(client.base + unescape(mend)) as reply:
        text = await reply.text()
    assert text.count('class="outcome good"') == 2
    assert 'name="fault"' not in text
    broken, _ = await client.walks(**LOOKUP, fault=fault)
    assert broken["steps"][-1]["facts"]["error"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("add", {"words": "servfail at kube-dns"}), id="a fault"),
        pytest.param(("add", {"words": "break kube-dns"}), id="a server that is silent"),
        pytest.param(("add", {"words": "scale coredns 0"}), id="a Service without endpoints"),
        pytest.param(("experiment", {"id": "silent"}), id="an experiment"),
        pytest.param(("experiment", {"id": "nobody"}), id="an experiment with another cluster"),
    ],
)
async def test_an_address_names_all_that_is_broken(client: Client, change: tuple[str, dict[str, str]]) -> None:
    name, document = change
    status, text = await client.do(name, **document)
    assert status == 200
    faults = [each["fault"] for each in json.loads(text)["faults"]]
    query = [("token", TOKEN), ("part", "json"), *LOOKUP.items()]
    for _ in range(2):  # the first walk finds another visit's faults, the second one those of its own kind
        async with client.http.get(
            f"{client.base}/walk", params=[*query, *(("fault", each) for each in faults)]
        ) as reply:
            broken, _ = (await reply.json())["walks"]
        assert broken["steps"][-1]["facts"]["error"]
        well, _ = await client.walks(**LOOKUP)
        assert well["steps"][-1]["facts"]["addresses"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("melt all", "melt", id="an unknown command"),
        pytest.param("los at kube-dns", "lose", id="a misspelt command, with the right one"),
        pytest.param("lose 1/0 at kube-dns", "1/0", id="a wrong rate"),
        pytest.param("lose at nowhere", "nowhere", id="an unknown place"),
    ],
)
async def test_a_wrong_fault_of_a_permalink_is_named_and_changes_nothing(client: Client, fault: str, said: str) -> None:
    await client.walks(**LOOKUP, fault="servfail at kube-dns")
    for part in ({}, {"part": "json"}):
        status, text = await client.get("/walk", **LOOKUP, fault=fault, **part)
        assert status == 404
        assert said in text
        if not part:
            shown = text.partition('id="wrong"')[2].partition("</p>")[0]
            assert said in shown
    async with client.events() as events:
        assert [each["fault"] for each in await events.next("faults")] == ["servfail at kube-dns"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param({"pod": "shop/nobody", "name": "web"}, "shop/cart", id="an unknown pod"),
        pytest.param(
            {"pod": "shop/cart", "name": "web", "resolver": "mystery"}, "musl-1.2.5", id="an unknown resolver"
        ),
        pytest.param({"pod": "shop/cart", "name": "web", "type": "AAA"}, "AAAA", id="an unknown type"),
        pytest.param({"pod": "shop/cart", "name": ""}, "google.com", id="no name"),
        pytest.param({"name": "web"}, "NAMESPACE/NAME", id="no pod"),
        pytest.param({"pod": "<script>alert(1)</script>", "name": "web"}, "script", id="a hostile pod"),
    ],
)
async def test_what_there_is_not_is_named_with_what_there_is(client: Client, query: dict[str, str], said: str) -> None:
    status, text = await client.get("/walk", **query)
    assert status == 404
    assert said in text
    assert "<script>alert" not in text
    status, line = await client.get("/walk", part="json", **query)
    assert status == 404
    assert said in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "a\x1b[31mb", "x" * 300, "..", "\u2603.example", "a b"]
)
async def test_a_hostile_name_is_shown_escaped(client: Client, name: str) -> None:
    status, text = await client.get("/walk", pod="shop/cart", name=name)
    assert status in (200, 404)
    assert "<img" not in text
    assert "\x1b" not in text


async def test_a_fault_strikes_is_counted_and_is_mended(client: Client) -> None:
    await client.walks(**LOOKUP)  # without the faults of the tests before
    async with client.events() as events:
        assert await events.next("faults") == []
        status, _ = await client.do("add", words="servfail at kube-dns")
        assert status == 200
        assert (await events.next("faults"))[0]["fault"] == "servfail at kube-dns"
        broken, well = await client.walks(**LOOKUP, fault="servfail at kube-dns")
        assert "fault" in [step["kind"] for step in broken["steps"]]
        assert broken["steps"][-1]["facts"]["error"]
        assert well["steps"][-1]["facts"]["addresses"]
        assert (await events.next("faults"))[0]["hits"] > 0
        await client.do("clear", words="")
        assert await events.next("faults") == []
        broken, _ = await client.walks(**LOOKUP)
        assert broken["steps"][-1]["facts"]["addresses"]


@pytest.mark.parametrize(
    ("name", "document", "said"),
    [
        pytest.param("add", {"words": "melt all"}, "melt", id="an unknown fault"),
        pytest.param("add", {}, "words", id="no words"),
        pytest.param("clear", {"words": "lose at kube-dns"}, "not an active fault", id="a fault that is not there"),
        pytest.param("experiment", {"id": "none"}, "short-name", id="an unknown experiment: those there are"),
        pytest.param("lookups", {"count": "many"}, "count", id="not a number"),
        pytest.param("trial", {"plant": "gremlins", "rate": "1/10"}, "interceptor", id="an unknown cause: those there are"),
        pytest.param("trial", {"plant": "path", "rate": "often"}, "often", id="not a rate"),
        pytest.param("lesson", {}, "lesson: ", id="no lesson"),
        pytest.param("lesson", {"lesson": None}, "lesson: ", id="null for a lesson"),
        pytest.param("trial", {"plant": "path"}, "rate: ", id="no rate"),
        pytest.param("trial", {"rate": "1/10"}, "plant: ", id="no cause"),
        pytest.param("experiment", {}, "id: ", id="no experiment"),
        pytest.param("destroy", {}, "experiment", id="an unknown action: those there are"),
    ],
)  # fmt: skip
async def test_a_wrong_action_changes_nothing_and_says_why(
    client: Client, name: str, document: dict[str, object], said: str
) -> None:
    status, text = await client.do(name, **document)
    assert status == 400
    assert said in text


async def test_every_query_comes_once_with_who_answered(client: Client) -> None:
    async with client.events() as events:
        await events.next("queries")
        sides = await client.walks(**LOOKUP)
        rows = await events.next("queries")
    queries = [step for side in sides for step in side["steps"] if step["kind"] == "query"]
    assert sorted((row["name"], row["type"]) for row in rows) == sorted(
        (q["facts"]["name"], q["facts"]["type"]) for q in queries
    )
    assert {row["pod"] for row in rows} == {"shop/cart"}
    assert {row["result"] for row in rows} == {"NOERROR", "NODATA"}
    assert all(row["by"].startswith("kube-system/coredns") and row["node"] and row["ms"] for row in rows)


async def test_a_hundred_lookups_arrive_in_the_stream(client: Client) -> None:
    async with client.events() as events:
        await events.next("queries")
        asking = asyncio.create_task(client.do("lookups", count=100))
        number = 0
        while number < 100:
            number += len(await events.next("queries"))
        assert (await asking)[0] == 200


async def test_work_for_a_cluster_that_was_closed_is_cancelled() -> None:
    async def work(stage: Stage) -> None:
        raise AssertionError("the cluster is closed")

    cluster = VirtualCluster(lambda stage: None)
    await cluster.start()
    await cluster.close()
    with pytest.raises(asyncio.CancelledError):  # which a web server does not report, as it would another error
        await cluster.run(work)


async def test_a_trial_ends_with_a_verdict(client: Client) -> None:
    async with client.events() as events:
        status, _ = await client.do("trial", plant="path", rate="1/10")
        assert status == 200
        assert (await client.do("trial", plant="path", rate="1/10"))[0] == 400  # one at a time
        trial = await events.next("trial")
        while "Planted" not in trial["said"]:
            trial = await events.next("trial")
        suspect, probability = trial["odds"][0]
        assert suspect == "path"
        assert probability > 0.9


async def test_an_experiment_sets_the_cluster_up(client: Client) -> None:
    status, text = await client.do("experiment", id="nobody")
    assert status == 200
    assert '"pod": "shop/cart"' in text
    broken, well = await client.walks(**LOOKUP, fault="scale coredns 0")
    assert "refused" in [step["kind"] for step in broken["steps"]]
    assert well["steps"][-1]["facts"]["addresses"]
    await client.do("experiment", id="short-name")  # for the tests that follow


async def test_an_open_page_sees_a_restart_and_connects_again() -> None:
    async with ClientSession() as http:
        async with served() as base:
            client = Client(http, base)
            async with client.events() as events:
                before = await events.next("hello")
                await asyncio.sleep(0)
            port = int(base.rpartition(":")[2])
            async with client.events() as open_page:
                await open_page.next("hello")
        async with served(port) as again, Client(http, again).events() as events:
            assert again == base
            assert await events.next("hello") != before
