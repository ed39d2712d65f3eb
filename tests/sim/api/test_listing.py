from collections.abc import Mapping

import pytest

from sim.api.kinds import named
from sim.api.listing import ListOptions, Page, Token, from_text, list_page, options_of
from sim.api.selectors import selection
from sim.api.store import Store
from tests.sim.builders import config_map, failing, names
from tests.table import table

KIND = named("ConfigMap")


def filled(count: int = 7) -> Store:
    store = Store(100)
    for index in range(count):
        obj = config_map(f"m{index}")
        obj["metadata"]["labels"] = {"even": str(index % 2 == 0)}
        store.put(KIND, obj)
    return store


def page(store: Store, query: Mapping[str, str], labels: str = "", head: int | None = None) -> Page:
    wanted = selection(KIND, labels=labels)
    return list_page(store, KIND, wanted, options_of(query), head)


def all_pages(store: Store, limit: int, labels: str = "", between: bool = False) -> list[str]:
    found: list[str] = []
    query = {"limit": str(limit)}
    while True:
        body = page(store, query, labels).to_json(KIND)
        found += names(body["items"])
        if "continue" not in body["metadata"]:
            return found
        query["continue"] = body["metadata"]["continue"]
        if between:
            store.put(KIND, config_map("m0-new"))
            if ("default", "m6") in store[KIND].objects:
                store.remove(KIND, ("default", "m6"))


@table("limit", [1, 2, 6, 7, 8, 0])
def test_pages_hold_everything_once(limit: int) -> None:
    assert all_pages(filled(), limit) == [f"m{i}" for i in range(7)]


@table("limit", [1, 2, 3, 4, 5])
def test_pages_of_a_selection(limit: int) -> None:
    found = all_pages(filled(), limit, "even=True")
    assert found == ["m0", "m2", "m4", "m6"]


def test_pages_are_of_one_version_whatever_is_written_between() -> None:
    assert all_pages(filled(), 2, between=True) == [f"m{i}" for i in range(7)]


def test_first_page_says_how_much_is_left() -> None:
    body = page(filled(), {"limit": "2"}).to_json(KIND)
    assert body["metadata"]["remainingItemCount"] == 5
    assert body["metadata"]["resourceVersion"] == "7"


def test_what_is_left_of_a_selection_is_not_known() -> None:
    assert page(filled(), {"limit": "2"}, "even=True").remaining is None


def test_items_do_not_repeat_their_kind() -> None:
    body = page(filled(), {}).to_json(KIND)
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert all("kind" not in i and "apiVersion" not in i for i in body["items"])


def test_pages_share_the_stored_objects() -> None:
    store = filled(1)
    assert page(store, {}).objects[0] is store[KIND].objects["default", "m0"]


@table(
    ("query", "count", "version"),
    [
        pytest.param({}, 7, 7, id="latest"),
        pytest.param({"limit": "2"}, 2, 7, id="limit"),
        pytest.param({"limit": "2", "resourceVersion": "0"}, 7, 7, id="any-ignores-limit"),
        pytest.param({"resourceVersion": "3"}, 7, 7, id="not-older-than"),
        pytest.param({"limit": "5", "resourceVersion": "3"}, 3, 3, id="limit-is-exact"),
        pytest.param({"resourceVersion": "3", "resourceVersionMatch": "Exact"}, 3, 3, id="exact"),
        pytest.param(
            {"limit": "5", "resourceVersion": "3", "resourceVersionMatch": "NotOlderThan"},
            5,
            7,
            id="limit-not-older-than",
        ),
    ],
)
def test_resource_version(query: dict[str, str], count: int, version: int) -> None:
    found = page(filled(), query)
    assert (len(found.objects), found.version) == (count, version)


@table(
    ("query", "code", "reason"),
    [
        pytest.param({"resourceVersion": "x"}, 500, None, id="garbage-version"),
        pytest.param({"resourceVersion": "-1"}, 500, None, id="negative-version"),
        pytest.param({"limit": "x"}, 400, "BadRequest", id="garbage-limit"),
        pytest.param({"continue": "!!"}, 400, "BadRequest", id="garbage-token"),
        pytest.param({"continue": "eyJ9"}, 400, "BadRequest", id="half-a-token"),
        pytest.param({"continue": "x", "resourceVersion": "5"}, 400, "BadRequest", id="continue-with-version"),
        pytest.param({"resourceVersionMatch": "Exact"}, 422, "Invalid", id="match-alone"),
        pytest.param({"resourceVersionMatch": "Near", "resourceVersion": "1"}, 422, "Invalid", id="unknown-match"),
        pytest.param({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, 422, "Invalid", id="exactly-any"),
    ],
)
def test_options_that_make_no_sense(query: dict[str, str], code: int, reason: str | None) -> None:
    status = failing(lambda: options_of(query))
    assert (status["code"], status.get("reason")) == (code, reason)


def test_continuing_with_a_version_has_its_own_words() -> None:
    status = failing(lambda: options_of({"continue": "x", "resourceVersion": "5"}))
    expected = "specifying resource version is not allowed when using continue"
    assert status["message"] == expected


def test_token_of_a_compacted_version_is_expired_and_offers_another() -> None:
    store = filled()
    token = page(store, {"limit": "2"}).to_json(KIND)["metadata"]["continue"]
    store.put(KIND, config_map("m9"))
    store.compact()
    status = failing(lambda: page(store, {"continue": token, "limit": "2"}))
    assert (status["code"], status["reason"]) == (410, "Expired")
    rest = page(store, {"continue": status["metadata"]["continue"]})
    assert names(rest.objects) == ["m2", "m3", "m4", "m5", "m6", "m9"]


def test_exact_list_of_a_compacted_version_is_expired() -> None:
    store = filled()
    store.compact()
    query = {"resourceVersion": "3", "resourceVersionMatch": "Exact"}
    assert failing(lambda: page(store, query))["code"] == 410


def test_a_server_that_is_behind_shows_its_own_past() -> None:
    found = page(filled(), {}, head=4)
    assert (names(found.objects), found.version) == (["m0", "m1", "m2", "m3"], 4)


def test_token_reads_back() -> None:
    options = ListOptions(limit=1)
    found = list_page(filled(), KIND, selection(KIND), options)
    text = found.to_json(KIND)["metadata"]["continue"]
    assert from_text(text) == Token(7, ("default", "m0"))
