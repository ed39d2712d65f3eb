"""A bundle of a trial: nothing of the cluster is in it, and it replays on the simulated one."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from minidns.commands import trial_export
from minidns.explain.changes import relevant
from minidns.kubernetes import objects
from minidns.kubernetes.journal import Journal
from minidns.kubernetes.objects import Key, Kind, Meta, Namespace, Object, Service
from minidns.kubernetes.resources import Applied, Deleted, Event
from minidns.kubernetes.store import Store
from minidns.kubernetes.written import manifest
from minidns.text.moments import rfc3339
from minidns.trial.export.bundle import MAX_FAILURES, bundle, failed_names
from minidns.trial.report.facts import Setup
from minidns.trial.report.facts import report as formed
from minidns.trial.report.formats import as_json
from sim.scenario import play
from tests.kubernetes.histories import histories
from tests.kubernetes.made import namespace, service, slice_of
from tests.trial.model import ADDRESSES, CAUSES, trial

START = 1_800_000_000.0
SECRETS = ("shop", "cart", "ledger", "10.96.7.7", "10.96.7.8", "10.1.2.3", "10.1.2.4", "knight-3", "cart-0", "bank")


def failure(seconds: float, name: str, **more: Any) -> dict[str, Any]:
    row = {
        "seconds": seconds,
        "time": rfc3339(START + seconds),
        "arm": "A",
        "pod": "cart-0",
        "node": "knight-3",
        "name": name,
        "kind": "no reply",
        "rcode": "",
        "answer": "",
        "replica": "coredns-x",
    }
    return {**row, **more}


FAILURES = [
    failure(2.0, "cart.shop.svc.cluster.local.", kind="wrong answer", answer="10.96.7.8"),
    failure(4.0, "cart.shop.svc.cluster.local."),
    failure(6.0, "ledger.shop.svc.cluster.local."),
    failure(8.0, "ledger.shop.svc.cluster.local.", kind="NXDOMAIN", rcode="NXDOMAIN"),
    failure(8.5, "10-1-2-4.ledger.shop.svc.cluster.local."),
    failure(9.0, "api.bank.test."),
    failure(9.3, "ledger.shop.svc.cluster.local."),
    failure(9.9, "cart.shop.svc.cluster.local."),
    failure(9.9, "kubernetes.default.svc.cluster.local."),
]
EVENTS: list[tuple[float, Event]] = [
    (1.0, Applied(service("shop/cart", "10.96.7.7", "http:80"))),
    (3.0, Applied(service("shop/cart", "10.96.7.8", "http:80"))),
    (5.0, Applied(service("shop/ledger", "None", "http:80"))),
    (7.0, Applied(slice_of("shop/ledger", "10.1.2.3@cart-0 10.1.2.4@cart-1 !10.1.2.5"))),
    (8.2, Applied(slice_of("shop/ledger", "10.1.2.4@cart-1"))),
    (9.2, Deleted(objects.EndpointSlice, Key("shop", "ledger-1"))),
    (9.5, Deleted(Service, Key("shop", "cart"))),
    (9.6, Deleted(Namespace, Key("", "shop"))),
]


def report() -> dict[str, Any]:
    arm = {"arm": "A", "way": "ClusterIP of kube-dns", "target": "10.1.2.3 cart-0", "lookups": 100}
    return {
        "verdict": "CoreDNS software",
        "probability": 0.996,
        "odds": 250.0,
        "runner_up": "path",
        "bound": 0.003,
        "seconds": 10.0,
        "lookups": 100,
        "sentence": "cart-0 is to blame",
        "repeat": "minidns trial run --from-services shop",
        "arms": [{**arm, "failures": 5, "episodes": 5, "kinds": "5 x no reply"}],
        "suspects": [{"suspect": "one replica", "part": "cart-0", "probability": 1.5e-05}],
        "failures": FAILURES,
    }


async def journal() -> dict[str, Any]:
    """Return what a server says of its journal that saw the events."""
    time = START
    kept = Journal(store := Store(lambda: time), lambda: time)
    store.apply(Applied(namespace("shop")))
    store.apply(Applied(service("shop/other", "10.96.9.9")))
    store.apply(Applied(namespace("default")))
    store.apply(Applied(service("default/kubernetes", "10.96.0.1", "https:443")))
    kept.begin()
    for seconds, event in EVENTS:
        time = START + seconds
        kept.apply(event)
    services = {Key("shop", "cart"), Key("shop", "ledger"), Key("default", "kubernetes")}
    found: dict[str, Any] = json.loads(json.dumps(relevant(await kept.history(), services)))
    return found


def test_the_bundle_replays_and_names_nothing_of_the_cluster() -> None:
    page = bundle(report(), asyncio.run(journal()), "cluster.local")
    assert [word for word in SECRETS if word in page.lower()] == []
    (scenario,) = play.scenarios(page, "trial.md")
    assert [step.command.split()[0] for step in scenario.steps].count("why") == 8
    played = play.run(scenario)
    assert [(step.step.command, step.shown, step.problem) for step in played.wrong] == []


def test_a_replay_shows_where_an_answer_has_changed() -> None:
    page = bundle(report(), asyncio.run(journal()), "cluster.local")
    (scenario,) = play.scenarios(page.replace("service/cluster-ip", "service/port"), "trial.md")
    assert len(play.run(scenario).wrong) == 3


def test_without_a_journal_there_is_the_report_alone() -> None:
    page = bundle(report(), None, "cluster.local")
    assert list(play.scenarios(page, "trial.md")) == []
    assert [word for word in SECRETS if word in page.lower()] == []
    assert failed_names(report(), "cluster.local") == [
        "cart.shop.svc.cluster.local.",
        "ledger.shop.svc.cluster.local.",
        "10-1-2-4.ledger.shop.svc.cluster.local.",
        "kubernetes.default.svc.cluster.local.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.0], ids=["one replica fails", "nothing fails"])
def test_a_report_that_was_written_is_exported(rate: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict, ledger = trial(CAUSES["one-replica"], rate, 300, to_find=0.1)
    facts = formed(ledger, verdict, Setup(START, "minidns trial run --name web.shop", "prod"))
    path = tmp_path / "trial.json"
    path.write_text(as_json(facts))
    assert trial_export.main([str(path), "--server", "none"]) == 0
    page, _ = capsys.readouterr()
    for row in facts.failures[:MAX_FAILURES]:
        assert f"| {row.seconds} | {row.arm} |" in page
    layout = ledger.layout
    pods = [*layout.replicas, *(client.pod for client in layout.clients), *(t.replica for t in layout.targets)]
    secrets = ("shop", "web", *filter(None, pods), *ADDRESSES)
    assert [word for word in secrets if word in page] == []


@given(histories)
def test_a_written_object_is_read_as_the_same(history: list[Event]) -> None:
    readers: dict[Kind, Callable[[objects.Json], Object]] = {
        Service: objects.service,
        Namespace: objects.namespace,
        objects.EndpointSlice: objects.endpoint_slice,
    }
    for event in history:
        if isinstance(event, Applied) and type(event.obj) in readers:
            obj = event.obj
            read = readers[type(obj)](objects.from_dict(manifest(obj)))
            assert read.key == obj.key
            for field in obj.__struct_fields__:
                expected = Meta() if field == "meta" else getattr(obj, field)
                assert getattr(read, field) == expected, field


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"failures": [{}]}', '{"failures": 7}'])
def test_a_file_that_is_no_report(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trial.json"
    path.write_text(text)
    assert trial_export.main([str(path), "--server", "none"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert str(path) in err
