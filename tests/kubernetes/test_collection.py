"""What workers are told of a resource, by the rules of ``minidns.kubernetes.collection``."""

import asyncio

import pytest

from minidns.kubernetes.collection import BATCH, Collection, News
from minidns.kubernetes.objects import Key
from minidns.kubernetes.resources import ApiError, Gone, Page, WatchEvent
from tests.kubernetes.scripts import A, B, C, added, bookmark, deleted, page, svc
from tests.world import Clock

NOW = 0.0


def collection(*objects: object, remembered: int = 100) -> Collection:
    made = Collection(Clock().now, remembered)
    made.begin()
    made.take(page(*objects))  # type: ignore[arg-type]  # Services all
    return made


def names(news: News) -> tuple[str, str]:
    return (
        " ".join(obj.key.name for obj in news.objects),
        " ".join(key.name for key in news.gone),
    )


async def everything(made: Collection) -> tuple[list[News], str]:
    listing = await made.listing()
    parts = [listing.part()]
    while not listing.is_done:
        parts.append(listing.part())
    return parts, parts[0].version


async def test_a_list_waits_for_the_first_whole_list() -> None:
    made = Collection(Clock().now, 100)
    waiting = asyncio.create_task(made.listing())
    made.begin()
    made.take(page(A, token="more"))
    await asyncio.sleep(0)
    assert not waiting.done()
    made.take(page(B))
    listing = await waiting
    assert names(listing.part()) == ("a b", "")
    assert listing.is_done


async def test_an_empty_list_has_one_part() -> None:
    parts, _ = await everything(collection())
    assert [names(part) for part in parts] == [("", "")]


async def test_a_long_list_comes_in_parts() -> None:
    objects = [svc(f"s{n}") for n in range(2 * BATCH + 1)]
    parts, _ = await everything(collection(*objects))
    assert [len(part.objects) for part in parts] == [BATCH, BATCH, 1]


async def test_what_changes_while_a_list_is_fetched_is_told_afterwards() -> None:
    made = collection(*[svc(f"s{n}") for n in range(BATCH)], A)
    listing = await made.listing()
    version = listing.part().version
    made.hear(deleted(svc("s0")), initial=False)
    made.hear(deleted(A), initial=False)
    made.hear(added(B), initial=False)
    assert names(listing.part()) == ("", "")
    assert names(await made.since(version, NOW)) == ("b", "s0 a")


async def test_a_key_that_changed_often_is_told_of_once_as_it_is_now() -> None:
    made = collection(A)
    _, version = await everything(made)
    for n in range(5):
        made.hear(added(svc("b", n, f"10.96.0.{n}")), initial=False)
    made.hear(added(C), initial=False)
    made.hear(deleted(C), initial=False)
    news = await made.since(version, NOW)
    assert news.objects == (svc("b", 4, "10.96.0.4"),)
    assert news.gone == (C.key,)
    assert names(await made.since(news.version, NOW)) == ("", "")


async def test_many_changes_come_in_batches() -> None:
    made = collection(remembered=1000)
    _, version = await everything(made)
    for n in range(BATCH + 7):
        made.hear(added(svc(f"s{n}")), initial=False)
    first = await made.since(version, NOW)
    rest = await made.since(first.version, NOW)
    assert (len(first.objects), len(rest.objects)) == (BATCH, 7)
    assert names(await made.since(rest.version, NOW)) == ("", "")


async def test_who_is_further_behind_than_is_remembered_lists_again() -> None:
    made = collection(remembered=3)
    _, version = await everything(made)
    for n in range(3):
        made.hear(added(svc(f"s{n}")), initial=False)
    assert names(await made.since(version, NOW)) == ("s0 s1 s2", "")
    made.hear(added(A), initial=False)
    with pytest.raises(Gone, match="too old"):
        await made.since(version, NOW)


async def test_a_question_waits_for_the_first_change() -> None:
    made = collection(A)
    _, version = await everything(made)
    waiting = asyncio.create_task(made.since(version, 30.0))
    await asyncio.sleep(0)
    made.hear(bookmark(11), initial=False)
    await asyncio.sleep(0)
    assert not waiting.done()
    made.hear(added(B), initial=False)
    assert names(await waiting) == ("b", "")


async def test_a_relist_that_changes_nothing_tells_nothing() -> None:
    made = collection(A, B)
    _, version = await everything(made)
    made.begin()
    made.take(page(A, B, version=20))
    assert names(await made.since(version, NOW)) == ("", "")


async def test_what_a_relist_does_not_name_is_gone() -> None:
    made = collection(A, B)
    _, version = await everything(made)
    made.begin()
    made.take(page(B, token="more"))
    assert names(await made.since(version, NOW)) == ("", "")
    made.take(page(C, version=20))
    assert names(await made.since(version, NOW)) == ("c", "a")


async def test_what_a_relist_names_but_cannot_be_read_stays() -> None:
    made = collection(A, B)
    _, version = await everything(made)
    made.begin()
    made.take(Page((B,), "20", skipped=1, unread=(A.key,)))
    assert names(await made.since(version, NOW)) == ("", "")


async def test_a_streaming_list_is_a_list() -> None:
    made = collection(A, B)
    _, version = await everything(made)
    made.begin()
    made.hear(added(B), initial=True)
    made.hear(WatchEvent("ADDED", None, "", key=Key("prod", "x")), initial=True)
    made.hear(added(C), initial=True)
    made.hear(bookmark(20, ends_initial=True), initial=True)
    assert names(await made.since(version, NOW)) == ("c", "a")


FORBIDDEN = ApiError("services is forbidden", status=403)


async def test_a_refusal_before_the_first_list_is_passed_on() -> None:
    made = Collection(Clock().now, 100)
    waiting = asyncio.create_task(made.listing())
    await asyncio.sleep(0)
    made.refused(ApiError("cannot reach it"))  # may pass: no reason to tell
    await asyncio.sleep(0)
    assert not waiting.done()
    made.refused(FORBIDDEN)
    with pytest.raises(ApiError, match="forbidden"):
        await waiting


async def test_a_refusal_afterwards_is_not() -> None:
    made = collection(A)
    made.refused(FORBIDDEN)
    parts, _ = await everything(made)
    assert names(parts[0]) == ("a", "")


async def test_the_age_is_that_of_the_last_sign_of_life() -> None:
    clock = Clock()
    made = Collection(clock.now, 100)
    made.begin()
    made.take(page(A))
    await clock.advance(40)
    assert made.age_s == 40
    made.hear(bookmark(11), initial=False)
    assert made.age_s == 0
