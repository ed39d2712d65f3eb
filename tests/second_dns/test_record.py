import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.second_dns import record
from minidns.second_dns.objects import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, Change, Ref
from minidns.second_dns.record import PARTITION, REPLICAS, Record, parse_record
from minidns.second_dns.session import Refusal
from sim.api.objects import Json
from tests.table import table

DNS = "10.96.0.20"
SERVERS = st.lists(st.sampled_from(["192.0.2.1", "2001:db8::1"]), max_size=2)
SEARCHES = st.lists(st.text("abc.", max_size=5), max_size=3)
OPTIONS = st.lists(st.fixed_dictionaries({"name": st.just("ndots")}, optional={"value": st.just("2")}), max_size=2)
CONFIGS = st.fixed_dictionaries({}, optional={"nameservers": SERVERS, "searches": SEARCHES, "options": OPTIONS})
POINTING = st.builds(
    lambda policy, before, after: (
        Change(record.POLICY, policy, "None"),
        Change(record.CONFIG, before, {**after, "nameservers": [DNS]}),
    ),
    st.sampled_from(record.POLICIES_BEFORE),
    st.none() | CONFIGS,
    CONFIGS,
)
COUNTS = st.integers(1, 9)
PART = st.builds(Change, st.just(PARTITION), st.sampled_from([None, 0]), COUNTS)
FEWER = st.builds(lambda before, fewer: Change(REPLICAS, before + fewer, before), COUNTS, COUNTS)
BESIDE: dict[str, Any] = {"twin": "web-dns"}
SHAPES = st.one_of(
    st.tuples(st.sampled_from([DEPLOYMENT, STATEFUL_SET, DAEMON_SET]), POINTING, st.just({})),
    st.tuples(st.just(STATEFUL_SET), st.tuples(POINTING, PART).map(lambda p: (*p[0], p[1])), st.just({})),
    st.tuples(st.just(DEPLOYMENT), st.just(()), st.just(BESIDE)),
    st.tuples(st.just(DEPLOYMENT), FEWER.map(lambda c: (c,)), st.just(BESIDE)),
)  # fmt: skip
RECORDS = st.builds(
    lambda shape, id_, until: Record(Ref(shape[0], "shop", "web"), DNS, "a/dns", id_, until, shape[1], **shape[2]),
    SHAPES,
    st.sampled_from(["", "0a1b2c3d"]),
    st.sampled_from(["", "2026-01-02T03:04:05Z"]),
)


def owner(made: Record) -> Json:
    ref = made.workload
    meta = {"name": ref.name, "namespace": ref.namespace, "uid": "u"}
    return {"apiVersion": "apps/v1", "kind": ref.kind.name, "metadata": meta}


@given(RECORDS)
def test_what_is_written_is_read(made: Record) -> None:
    obj = json.loads(json.dumps(made.config_map(owner(made))))
    assert parse_record(obj) == made
    assert obj["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert obj["immutable"] is True


def test_the_order_of_keys_is_kept() -> None:
    """Byte for byte: what is put back is what stood there, in its order."""
    before = {"options": [], "nameservers": ["192.0.2.1"]}
    changes = (Change(record.POLICY, None, "None"), Change(record.CONFIG, before, {"nameservers": [DNS]}))
    made = Record(Ref(DEPLOYMENT, "shop", "web"), DNS, "a/b", changes=changes)
    read = parse_record(made.config_map(owner(made)))
    assert list(read.changes[1].before) == ["options", "nameservers"]


GOOD = Record(Ref(DEPLOYMENT, "shop", "web"), DNS, "a/dns", **BESIDE)


def edited(text: str) -> Json:
    obj = GOOD.config_map(owner(GOOD))
    return {**obj, "data": {"record.json": text}}


@table(
    "text",
    [
        "",
        "[]",
        "{",
        '{"dns": "10.96.0.20"}',
        '{"workload": "deploy/web", "dns": 1, "service": "a/dns"}',
        '{"workload": "deploy/web", "dns": "a", "service": "b", "until": "soon"}',
        '{"workload": "deploy/web", "dns": "a", "service": "b", "changes": [{"path": "/spec"}]}',
        '{"workload": "deploy/web", "dns": "a", "service": "b", "changes": [{"path": 3, "before": 1, "after": 2}]}',
        '{"workload": "job/web", "dns": "a", "service": "b", "twin": "web-b"}',
        '{"workload": "deploy/other", "dns": "a", "service": "a/dns", "twin": "other-dns"}',
        '{"workload": "deploy/web", "dns": "a", "service": "a/dns", "twin": "web"}',
        '{"workload": "deploy/web", "dns": "a", "service": "a/dns"}',
    ],
)
def test_what_was_edited_is_refused_and_not_undone_by(text: str) -> None:
    with pytest.raises(Refusal, match="ConfigMap shop/minidns-enrolment-deployment-web"):
        parse_record(edited(text))


@table(("until", "is_over"), [("", False), (record.format_time(999), True), (record.format_time(1001), False)])
def test_time_runs_out(until: str, is_over: bool) -> None:
    assert GOOD._replace(until=until).is_over(1000.0) is is_over


@given(st.integers(0, 2**33))
def test_times(at: int) -> None:
    assert record.parse_time(record.format_time(at)) == at


@table("length", [1, 253, 254])
def test_the_name_of_a_record_has_at_most_253_characters(length: int) -> None:
    """The length of a DNS subdomain name (Kubernetes API, object names)."""
    prefix = len("minidns-enrolment-deployment-")
    workload = Ref(DEPLOYMENT, "shop", "w" * max(1, length - prefix))
    if length <= 253:
        assert len(record.record_ref(workload).name) == max(length, prefix + 1)
        return
    with pytest.raises(Refusal):
        record.record_ref(workload)
