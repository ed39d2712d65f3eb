"""Decoding of bytes from an API server; no input raises another exception."""

import json
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.kubernetes import decode
from minidns.kubernetes.objects import EndpointSlice, Key, Service
from minidns.kubernetes.resources import SERVICES, SLICES, ApiError, Gone, WatchEvent
from tests.table import table

WEB = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {"name": "web", "namespace": "prod", "resourceVersion": "7"},
    "spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]},
}
BROKEN = WEB | {"spec": {"clusterIPs": "not a list"}}
WEB_KEY = Key("prod", "web")


def line(kind: str, obj: object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode()


def status(code: object, reason: object = None, **more: object) -> dict[str, object]:
    return {"kind": "Status", "code": code, "reason": reason, "message": "why"} | more


TOO_LARGE = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large"}]}


@table("kind", ["ADDED", "MODIFIED", "DELETED"])
def test_an_object_with_its_key_and_version(kind: str) -> None:
    event = decode.event(SERVICES, line(kind, WEB))
    assert isinstance(event.obj, Service)
    assert event.obj.cluster_ips == ("10.96.0.9",)
    assert (event.type, event.version, event.key) == (kind, "7", WEB_KEY)


@table(
    ("obj", "key", "version"),
    [
        pytest.param(BROKEN, WEB_KEY, "7", id="F38-a-field-of-a-wrong-type"),
        pytest.param(None, None, "", id="F36-null"),
        pytest.param({}, None, "", id="F36-no-metadata"),
        pytest.param({"metadata": None}, None, "", id="F36-null-metadata"),
        pytest.param({"metadata": {"name": 5}}, None, "", id="F36-name-is-a-number"),
        pytest.param(WEB | {"kind": "Table"}, None, "", id="F36-table"),
        pytest.param(WEB | {"kind": "Pod"}, None, "", id="F36-wrong-kind"),
        pytest.param(["x"], None, "", id="F36-a-list"),
        pytest.param("web", None, "", id="F36-a-string"),
    ],
)
def test_what_cannot_be_read_of_an_object(obj: object, key: Key | None, version: str) -> None:
    event = decode.event(SERVICES, line("MODIFIED", obj))
    assert event == WatchEvent("MODIFIED", None, version, key=key)


@table(
    "spec",
    [
        pytest.param(None, id="null-spec"),
        pytest.param({}, id="empty-spec"),
        pytest.param({"clusterIPs": None, "ports": None}, id="null-fields"),
    ],
)
def test_f36_null_fields_are_no_reason_to_pass_over(spec: object) -> None:
    event = decode.event(SERVICES, line("ADDED", WEB | {"spec": spec}))
    assert isinstance(event.obj, Service)


def test_a_reader_that_fails_costs_one_object() -> None:
    def fail(_: object) -> Service:
        raise ValueError("999.1 is no address")

    resource = replace(SERVICES, read=fail)
    event = decode.event(resource, line("ADDED", WEB))
    assert (event.obj, event.key, event.version) == (None, WEB_KEY, "7")


@table(
    ("obj", "version", "ends"),
    [
        pytest.param({"metadata": {"resourceVersion": "9"}}, "9", False, id="F13"),
        pytest.param({"metadata": {}}, "", False, id="without-a-version"),
        pytest.param(None, "", False, id="null"),
        pytest.param({"metadata": 5}, "", False, id="nonsense"),
        pytest.param(
            {"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}},
            "9",
            True,
            id="the-end-of-a-streaming-list",
        ),
    ],
)
def test_bookmarks(obj: object, version: str, ends: bool) -> None:
    event = decode.event(SERVICES, line("BOOKMARK", obj))
    assert event == WatchEvent("BOOKMARK", None, version, ends)


def test_f37_an_unknown_type_is_passed_on() -> None:
    assert decode.event(SERVICES, line("PING", WEB)).type == "PING"
    assert decode.event(SERVICES, b'{"type":"PING"}').obj is None


@table(
    ("said", "kind", "code"),
    [
        pytest.param(status(410, "Expired"), Gone, 0, id="F5-410-expired"),
        pytest.param(status(410, "Gone"), Gone, 0, id="F5-410-gone"),
        pytest.param(status(0, "Expired"), Gone, 0, id="F5-by-reason-alone"),
        pytest.param(status("410"), Gone, 0, id="F5-code-as-text"),
        pytest.param(status(500, "InternalError"), ApiError, 500, id="F15-inside-error-may-pass"),
        pytest.param(status(500, "StorageReadError"), Gone, 0, id="F16-unreadable-object-relists"),
        pytest.param(status(500), Gone, 0, id="F17-no-reason-relists"),
        pytest.param({}, Gone, 0, id="F17-empty-status"),
        pytest.param(None, Gone, 0, id="F17-no-status"),
        pytest.param("boom", Gone, 0, id="F17-a-string"),
        pytest.param(status(429, "TooManyRequests"), ApiError, 429, id="F20-429"),
        pytest.param(status(503, "ServiceUnavailable"), ApiError, 503, id="F21-503"),
        pytest.param(status(504, "Timeout"), ApiError, 504, id="504-may-pass"),
        pytest.param(status(504, "Timeout", details=TOO_LARGE), Gone, 0, id="F22-too-large"),
        pytest.param(status(403, "Forbidden"), Gone, 0, id="403-list-says-why"),
    ],
)
def test_error_events(said: object, kind: type[Exception], code: int) -> None:
    with pytest.raises(kind) as caught:
        decode.event(SERVICES, line("ERROR", said))
    assert getattr(caught.value, "status", 0) == code


def test_an_error_event_may_ask_to_wait() -> None:
    said = status(429, "TooManyRequests", details={"retryAfterSeconds": 5})
    with pytest.raises(ApiError) as caught:
        decode.event(SERVICES, line("ERROR", said))
    assert caught.value.retry_after_s == 5


@table(
    "text",
    [
        pytest.param(line("ADDED", WEB)[:40], id="F34-cut"),
        pytest.param(b"<html>", id="F34-html"),
        pytest.param(b"\xff\xfe", id="F34-bytes"),
        pytest.param(b"[]", id="F34-a-list"),
        pytest.param(b'{"object":{}}', id="F34-no-type"),
        pytest.param(b'{"type":5,"object":{}}', id="F34-type-is-a-number"),
    ],
)
def test_lines_that_are_no_events(text: bytes) -> None:
    with pytest.raises(ApiError, match="a line of the watch cannot be read"):
        decode.event(SERVICES, text)


def listing(**more: object) -> bytes:
    body: dict[str, Any] = {"kind": "ServiceList", "metadata": {"resourceVersion": "9"}}
    return json.dumps(body | {"items": [WEB]} | more).encode()


def test_a_page() -> None:
    meta = {"resourceVersion": "9", "continue": "t1", "remainingItemCount": 5}
    page = decode.listing(SERVICES, listing(metadata=meta))
    assert (page.metadata.version, page.metadata.token) == ("9", "t1")
    assert [decode.item(SERVICES, raw)[1] for raw in page.items or ()] == [WEB_KEY]


@table(
    ("body", "text"),
    [
        pytest.param(listing()[:50], "cannot be read", id="F33-cut"),
        pytest.param(b"", "cannot be read", id="F33-empty"),
        pytest.param(b"<html>", "cannot be read", id="F42-html"),
        pytest.param(listing(kind="Table"), '"Table"', id="F36-table"),
        pytest.param(listing(kind="PodList"), '"PodList"', id="F36-wrong-kind"),
        pytest.param(listing(items=None), "not of this kind", id="F36-no-items"),
        pytest.param(listing(metadata={}), "no resourceVersion", id="no-version"),
        pytest.param(b"{}", "not of this kind", id="empty-object"),
    ],
)
def test_bodies_that_are_no_lists(body: bytes, text: str) -> None:
    with pytest.raises(ApiError, match=text):
        decode.listing(SERVICES, body)


def test_items_of_a_list_have_no_kind() -> None:
    bare = {"metadata": {"name": "web-1", "namespace": "prod"}, "endpoints": []}
    obj, key, _ = decode.item(SLICES, json.dumps(bare).encode())
    assert isinstance(obj, EndpointSlice)
    assert key == Key("prod", "web-1")


FORBIDDEN = (
    'endpointslices.discovery.k8s.io is forbidden: User "dns" cannot list resource '
    '"endpointslices" in API group "discovery.k8s.io" at the cluster scope'
)


@table(
    ("code", "body", "kind", "text"),
    [
        pytest.param(
            403,
            status(403, "Forbidden", message=FORBIDDEN),
            ApiError,
            f'{FORBIDDEN}; grant this user the verbs "list" and "watch" on '
            '"endpointslices" in API group "discovery.k8s.io"',
            id="F26-403-says-what-to-grant",
        ),
        pytest.param(
            401,
            status(401, "Unauthorized", message="Unauthorized"),
            ApiError,
            "Unauthorized (401: the credentials are not accepted, or no longer)",
            id="F24-401",
        ),
        pytest.param(
            404,
            status(404, "NotFound", message="the server could not find it"),
            ApiError,
            'the server could not find it; this API server does not have "endpoint'
            'slices" in API group "discovery.k8s.io"',
            id="404-no-such-resource",
        ),
        pytest.param(503, b"", ApiError, "no reason given (HTTP 503)", id="no-body"),
        pytest.param(502, b"<h1>Bad\nGateway", ApiError, "<h1>Bad\\nGateway (HTTP 502)", id="html"),
        pytest.param(410, status(410), Gone, "why", id="F6-410"),
        pytest.param(410, b"", Gone, "", id="F6-410-without-body"),
        pytest.param(504, status(504, details=TOO_LARGE), Gone, "why", id="F22-too-large"),
        pytest.param(504, status(504), ApiError, "why (HTTP 504)", id="504-of-another-kind"),
    ],
)
def test_refusals(code: int, body: object, kind: type[Exception], text: str) -> None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = decode.refusal(SLICES, code, sent, None)
    assert type(error) is kind
    assert str(error) == text
    assert getattr(error, "status", code) == code


@table(
    ("header", "body", "expected"),
    [
        pytest.param(7.0, {}, 7.0, id="F20-header"),
        pytest.param(None, {"retryAfterSeconds": 3}, 3.0, id="F20-body"),
        pytest.param(7.0, {"retryAfterSeconds": 3}, 7.0, id="the-header-wins"),
        pytest.param(0.0, {"retryAfterSeconds": 3}, 0.0, id="even-when-0"),
        pytest.param(None, {}, None, id="neither"),
    ],
)
def test_retry_after(header: float | None, body: object, expected: float | None) -> None:
    sent = json.dumps(status(429, details=body)).encode()
    error = decode.refusal(SERVICES, 429, sent, header)
    assert isinstance(error, ApiError)
    assert error.retry_after_s == expected


def test_a_servers_text_stays_one_line_and_short() -> None:
    text = decode.printable("\n[ERROR] forged\x1b[31m\u2028é" + "x" * 9999)
    assert text.startswith("\\n[ERROR] forged\\x1b[31m\\u2028é")
    assert len(text) < 450
    assert text.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
metas = st.dictionaries(
    st.sampled_from(["name", "namespace", "resourceVersion", "annotations", "labels"]), json_values | st.text()
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["Service", "Table"]) | json_values,
        "metadata": metas | json_values,
        "spec": json_values,
        "code": json_values,
        "reason": json_values,
        "details": json_values,
    },
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(["ADDED", "DELETED", "BOOKMARK", "ERROR"]) | st.text(), "object": objects | json_values}
)


@pytest.mark.slow
@given(st.binary() | events.map(lambda event: json.dumps(event).encode()))
def test_any_line_is_an_event_or_one_of_two_errors(text: bytes) -> None:
    with suppress(ApiError, Gone):
        event = decode.event(SERVICES, text)
        assert event.obj is None or event.key == event.obj.key


@pytest.mark.slow
@given(st.binary() | objects.map(lambda obj: json.dumps(obj).encode()))
def test_any_refusal_is_one_of_two_errors(body: bytes) -> None:
    assert str(decode.refusal(SERVICES, 500, body, None)).isprintable()


@table("body", [b"\xff", b'{"kind": "\xff"}', b"[" * 100_000, b"{", b"", b"nope"])
def test_the_reason_why_bytes_cannot_be_read_is_in_words(body: bytes) -> None:
    """Codecs and the interpreter have texts of their own, which say nothing here."""
    with pytest.raises(ApiError) as caught:
        decode.listing(SERVICES, body)
    text = str(caught.value)
    assert text.startswith("the list cannot be read: ")
    assert not re.search(r"codec|recursion|b'", text)
