"""Lessons in the page: the same answers pass as in a terminal, with the walks of their lookups."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from sim.lesson.page import Lesson, lessons
from sim.scenario.play import PlayedStep
from tests.process import mentions
from tests.sim.web.page import Client, served
from tests.test_lessons import ANSWERS

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]  # a server, and every lesson


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client() -> AsyncIterator[Client]:
    async with served() as base, ClientSession() as http:
        yield Client(http, base)


async def done(client: Client, name: str, **document: object) -> dict[str, Any]:
    """Carry out an action; return its result."""
    status, text = await client.do(name, **document)
    assert status == 200, text
    result: dict[str, Any] = json.loads(text)
    return result


@pytest.mark.parametrize("lesson", lessons(), ids=lambda each: str(each.number))
async def test_what_the_lesson_says_is_shown_and_right_answers_pass(client: Client, lesson: Lesson) -> None:
    begun = await done(client, "lesson", lesson=f"en/{lesson.number}")
    answers = iter(ANSWERS[lesson.number])
    for number, step in enumerate(lesson.steps):
        at: dict[str, object] = {"id": begun["id"], "step": number}
        shown = await done(client, "step", **at)
        if step.has_blank:
            assert str(number) not in shown["outputs"], "the answer is not given away"
            assert not shown["walk"]
            right, wrong = next(answers)
            told = await done(client, "answer", **at, text=wrong)
            assert (told["right"], told["ends"]) == (False, False)
            assert step.hint in told["text"]
            shown = await done(client, "answer", **at, text=right)
            assert shown["right"]
        lines = tuple(shown["outputs"][str(number)])
        assert PlayedStep(step, lines or None).holds
        assert ("<svg" in shown["walk"]) is step.command.startswith(("resolve ", "query "))
    assert str(lesson.questions) in shown["score"]


async def test_a_command_runs_those_before_it_once(client: Client) -> None:
    begun = await done(client, "lesson", lesson="en/2")
    first = await done(client, "step", id=begun["id"], step=3)
    assert list(first["outputs"]) == ["0", "1", "2", "3"]
    assert first["outputs"]["3"][-1] == "got 192.0.2.7"
    assert (await done(client, "step", id=begun["id"], step=3)) == first


async def test_a_learner_may_give_up_or_type_another_command(client: Client) -> None:
    begun = await done(client, "lesson", lesson="ja/2")
    question = next(number for number, step in enumerate(lessons("ja")[1].steps) if step.has_blank)
    at: dict[str, object] = {"id": begun["id"], "step": question}
    told = await done(client, "answer", **at, text="cat shop/client")
    assert "options ndots:5" in told["lines"]
    assert not told["ends"]
    assert (await done(client, "answer", **at, text=""))["text"]
    told = await done(client, "answer", **at, text="?")
    assert (told["ends"], told["right"]) == (True, False)
    tried = await done(client, "try", id=begun["id"], line="resolve shop/client example.org.")
    assert tried["lines"][-1] == "got 192.0.2.7"
    assert tried["walk"].count('class="lane"') == 2
    assert "unknown command" in (await done(client, "try", id=begun["id"], line="melt"))["lines"][0]


async def test_the_pods_of_the_cluster_can_be_chosen_and_return_afterwards(client: Client) -> None:
    async with client.events() as events:
        begun = await done(client, "lesson", lesson="en/2")
        await done(client, "step", id=begun["id"], step=3)
        while "shop/client" not in await events.next("pods"):
            pass
        await done(client, "leave", id=begun["id"])
        while "shop/cart" not in await events.next("pods"):
            pass
    assert (await client.walks(pod="shop/cart", name="web"))[0]["service"] == "kube-dns"


@pytest.mark.parametrize(
    ("name", "document", "said"),
    [
        pytest.param("lesson", {"lesson": "en/99"}, "en/9", id="no such lesson: those there are"),
        pytest.param("step", {"step": 99}, "0 to", id="no such command"),
        pytest.param("answer", {"step": 0, "text": "8"}, "no question", id="a command without a question"),
        pytest.param("try", {"line": ""}, "resolve", id="no command: those there are"),
        pytest.param("step", {"id": "other", "step": 0}, "start the lesson again", id="the lesson of another page"),
    ],
)
async def test_a_wrong_request_changes_nothing_and_says_why(
    client: Client, name: str, document: dict[str, object], said: str
) -> None:
    begun = await done(client, "lesson", lesson="en/2")
    status, text = await client.do(name, **{"id": begun["id"], **document})
    assert status == 400
    assert said in text


async def test_a_lookup_in_the_usual_cluster_is_told_which_lesson_is_running(client: Client) -> None:
    begun = await done(client, "lesson", lesson="en/1")
    for query in ({}, {"fault": "servfail at kube-dns"}):
        status, text = await client.get("/walk", part="json", pod="shop/cart", name="web", **query)
        assert status == 404
        assert mentions(text, "Lesson 1 End")
    await done(client, "leave", id=begun["id"])
    assert (await client.walks(pod="shop/cart", name="web"))[0]["service"] == "kube-dns"


async def test_a_page_that_opens_finds_the_lesson_that_is_running(client: Client) -> None:
    begun = await done(client, "lesson", lesson="en/2")
    question = next(number for number, step in enumerate(lessons()[1].steps) if step.has_blank)
    await done(client, "answer", id=begun["id"], step=question, text="?")
    async with client.events() as events:
        shown = await events.next("lesson")
        assert {**begun, "over": [question]} == {key: shown[key] for key in (*begun, "over")}
        assert list(shown["outputs"]) == [str(number) for number in range(question + 1)]
        await done(client, "leave", id=begun["id"])
        assert await events.next("lesson") is None
    status, _ = await client.do("step", id=begun["id"], step=0)
    assert status == 400


async def test_an_experiment_ends_the_lesson(client: Client) -> None:
    begun = await done(client, "lesson", lesson="en/2")
    await done(client, "experiment", id="short-name")
    assert (await client.do("step", id=begun["id"], step=0))[0] == 400
