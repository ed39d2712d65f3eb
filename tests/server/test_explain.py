"""The endpoint of ``minidns why``: which server answered, and answers of the past."""

import json
import os
from typing import Any

from minidns.server import explain
from tests.conformance.api import Api
from tests.plugins.clusters import TREES, svc
from tests.table import table
from tests.whole import Whole, whole
from tests.world import settle

AT = "127.0.0.1:8053"
BLOCKS = {
    "an answer": "whoami",
    "an error": "erratic {\n drop 0\n}\nacl {\n block net 0.0.0.0/0\n}",
    "no reply": "erratic {\n drop 1\n}",
}


@table("block", BLOCKS.values(), ids=BLOCKS)
async def test_which_server_answered(block: str) -> None:
    async with whole(f".:53 {{\n{block}\n}}\n") as server:
        reply = await explain.why(server.instance, server.answerer(), {"name": "example.org"}, AT)
    found = json.loads(reply.body)
    assert found["server"] == {"pid": os.getpid(), "address": AT}


CLUSTER = (
    ".:53 {\nkubernetes cluster.local in-addr.arpa {\nfallthrough in-addr.arpa\n}\ncache\nforward . 192.0.2.1\n}\n"
)
WEB = "new.a.svc.cluster.local"


async def ask(server: Whole, **parameters: str) -> tuple[int, dict[str, Any]]:
    wall = server.world.edges.wall()
    reply = await explain.why(server.instance, server.answerer(), parameters, AT, wall)
    return reply.status, json.loads(reply.body)


async def test_the_journal_of_some_names_has_their_objects_and_changes() -> None:
    api = Api(TREES)
    async with whole(CLUSTER, api=api) as server:
        await settle()
        for name in ("new", "other"):
            api.apply(svc(f"a/{name}", "10.96.0.9"))
            await server.pass_(1)
        reply = await explain.journal(server.instance, {"names": f"{WEB}.,web.b.svc.cluster.local"})
    found = json.loads(reply.body)
    named = [(each["kind"], each["metadata"]["name"]) for each in found["objects"]]
    assert named == [("Namespace", "a"), ("Namespace", "b"), ("Service", "web")]
    assert [change["name"] for change in found["changes"]] == ["a/new"]
    assert found["changes"][0]["object"]["spec"]["clusterIP"] == "10.96.0.9"


PAST: dict[str, tuple[str, str, str]] = {
    # name, at; rcode or error
    "before-it-was-created": (WEB, "25s ago", "NXDOMAIN"),
    "while-it-was-there": (WEB, "15s ago", "NOERROR"),
    "after-it-was-deleted": (WEB, "5s", "NXDOMAIN"),
    "before-the-journal-begins": (WEB, "1h", "error"),
    "no-time": (WEB, "soon", "error"),
    "a-time-without-zone": (WEB, "2020-01-01T00:00:00", "error"),
    "the-future": (WEB, "2999-01-01T00:00:00Z", "error"),
    "a-name-outside": ("example.org", "5s", "error"),
    "an-address-that-falls-through": ("1.2.0.192.in-addr.arpa", "5s", "(no reply)"),
}


@table(("name", "at", "result"), PAST.values(), ids=PAST)
async def test_an_answer_of_the_past(name: str, at: str, result: str) -> None:
    api = Api(TREES)
    async with whole(CLUSTER, api=api) as server:
        await settle()
        await server.pass_(10)
        api.apply(svc("a/new", "10.96.0.9"))
        await server.pass_(10)
        assert await server.lines(WEB) == ["NOERROR", f"{WEB}. 5 IN A 10.96.0.9"]
        api.delete("Service", "a", "new")
        await server.pass_(10)
        status, found = await ask(server, name=name, at=at)
    assert status == (400 if result == "error" else 200)
    assert found.get("rcode", "error") == result
    if name == WEB and status == 200:
        changes = found["details"]["kubernetes"]["changes"]
        assert [change["name"] for change in changes] == ["a/new", "a/new"]
        assert found["answer"] == ([f"{WEB}. 5 A 10.96.0.9"] if result == "NOERROR" else [])


async def test_answers_of_the_past_are_given_while_those_of_now_are_withheld() -> None:
    text = CLUSTER.replace("fallthrough", "stale_after 5m servfail\nfallthrough")
    async with whole(text, api=Api(TREES)) as server:
        await settle()
        await server.pass_(310)
        assert (await server.lines("web.a.svc.cluster.local"))[0] == "SERVFAIL"
        _, found = await ask(server, name="web.a.svc.cluster.local", at="1m")
    assert found["rcode"] == "NOERROR"
