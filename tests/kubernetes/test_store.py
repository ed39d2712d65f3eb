"""Keys that events touch, changes of the serial, and terminating Pods."""

from msgspec.structs import replace

from minidns.kubernetes.objects import (
    Endpoints,
    EndpointSlice,
    Key,
    Meta,
    Namespace,
    Object,
    Pod,
    Service,
    ServiceImport,
)
from minidns.kubernetes.resources import Applied, Deleted, Event
from minidns.kubernetes.store import Store
from tests.kubernetes.made import imported, namespace, pod, service, slice_of
from tests.kubernetes.made import store as filled_with
from tests.table import table

WEB = service("a/web", "10.96.0.1 fd00::1")
SLICE = slice_of("a/web", "10.0.0.1 10.0.0.2=h !10.0.0.3")
KNOWN = (namespace("a"), WEB, SLICE, pod("a/p", "10.0.0.9"))


class Wall:
    time = 100.5

    def __call__(self) -> float:
        return self.time


def filled(*, zonal: bool = False) -> tuple[Store, Wall]:
    wall = Wall()
    store = Store(wall, zonal=zonal)
    for obj in KNOWN:
        store.apply(Applied(obj))
    wall.time = 200.5
    return store, wall


def keys(text: str) -> set[tuple[str, ...]]:
    return {tuple(word.split("/")) for word in text.split()}


TOUCHES: dict[str, tuple[Event, str]] = {
    "namespace-added": (Applied(namespace("b")), "namespace/b"),
    "namespace-again": (Applied(namespace("a")), ""),
    "namespace-deleted": (Deleted(Namespace, Key("", "a")), "namespace/a"),
    "namespace-unknown": (Deleted(Namespace, Key("", "x")), ""),
    "service-added": (Applied(service("b/s", "10.96.0.2")), "service/b/s address/10.96.0.2"),
    "service-headless-has-no-address": (Applied(service("b/s", "None")), "service/b/s"),
    "service-same-in-a-new-version": (Applied(replace(WEB, meta=Meta("u", "9"))), ""),
    "service-port": (Applied(replace(WEB, ports=())), "service/a/web"),
    "service-other-address": (
        Applied(replace(WEB, cluster_ips=("10.96.0.1", "fd00::2"))),
        "service/a/web address/fd00::1 address/fd00::2",
    ),
    "service-deleted": (Deleted(Service, WEB.key), "service/a/web address/10.96.0.1 address/fd00::1"),
    "service-unknown": (Deleted(Service, Key("a", "x")), ""),
    "slice-same-in-a-new-version": (Applied(replace(SLICE, meta=Meta("u", "9"))), ""),
    "slice-trigger-time": (Applied(replace(SLICE, triggered="now")), ""),
    "slice-unready-endpoint-goes": (Applied(replace(SLICE, endpoints=Endpoints.of(*list(SLICE.endpoints)[:2]))), ""),
    "slice-endpoint-turns-ready": (
        Applied(slice_of("a/web", "10.0.0.1 10.0.0.2=h 10.0.0.3")),
        "endpoints/a/web address/10.0.0.3",
    ),
    "slice-hostname": (
        Applied(slice_of("a/web", "10.0.0.1=x 10.0.0.2=h !10.0.0.3")),
        "endpoints/a/web address/10.0.0.1",
    ),
    "slice-ports": (Applied(replace(SLICE, ports=())), "endpoints/a/web"),
    "slice-changes-hands": (
        Applied(replace(SLICE, service=Key("a", "other"))),
        "endpoints/a/web endpoints/a/other address/10.0.0.1 address/10.0.0.2",
    ),
    "slice-loses-its-label": (
        Applied(replace(SLICE, service=Key("a", ""))),
        "endpoints/a/web address/10.0.0.1 address/10.0.0.2",
    ),
    "slice-of-nobody": (Applied(replace(SLICE, key=Key("a", "x"), service=Key("a", ""))), ""),
    "slice-deleted": (Deleted(EndpointSlice, SLICE.key), "endpoints/a/web address/10.0.0.1 address/10.0.0.2"),
    "pod-added": (Applied(pod("a/q", "10.0.0.8")), "pod/a/10.0.0.8"),
    "pod-without-address": (Applied(pod("a/q", "")), ""),
    "pod-moves": (Applied(pod("a/p", "10.0.0.8")), "pod/a/10.0.0.8 pod/a/10.0.0.9"),
    "pod-deleting": (Applied(pod("a/p", "10.0.0.9", deleting=True)), ""),
    "pod-deleted": (Deleted(Pod, Key("a", "p")), "pod/a/10.0.0.9"),
}


@table(("event", "touched"), TOUCHES.values(), ids=TOUCHES)
def test_touches(event: Event, touched: str) -> None:
    assert filled()[0].apply(event) == keys(touched)


@table(("event", "touched"), TOUCHES.values(), ids=TOUCHES)
def test_the_same_again_touches_nothing(event: Event, touched: str) -> None:
    store = filled()[0]
    store.apply(event)
    assert store.apply(event) == set()


SERIALS: dict[str, tuple[Event, bool]] = {
    "2.4-service-added": (Applied(service("b/s", "10.96.0.2")), True),
    "2.4-service-deleted": (Deleted(Service, WEB.key), True),
    "2.4-service-port": (Applied(replace(WEB, ports=())), True),
    "2.4-service-external-name": (Applied(replace(WEB, external_name="x")), True),
    "2.4-service-cluster-ip": (Applied(replace(WEB, cluster_ips=("10.96.0.9",))), False),
    "2.4-service-type": (Applied(replace(WEB, type="NodePort")), False),
    "2.4-slice-added": (Applied(slice_of("a/x", "10.0.0.7")), True),
    "2.4-slice-deleted": (Deleted(EndpointSlice, SLICE.key), True),
    "2.4-slice-address": (Applied(slice_of("a/web", "10.0.0.1 !10.0.0.3")), True),
    "2.4-slice-hostname": (Applied(slice_of("a/web", "10.0.0.1=x 10.0.0.2=h !10.0.0.3")), True),
    "2.4-slice-ports": (Applied(replace(SLICE, ports=())), True),
    "2.4-slice-target": (Applied(slice_of("a/web", "10.0.0.1@p 10.0.0.2=h !10.0.0.3")), False),
    "2.4-slice-zone-without-zonal": (Applied(slice_of("a/web", "10.0.0.1%z 10.0.0.2=h !10.0.0.3")), False),
    "2.4-pod-added": (Applied(pod("a/q", "10.0.0.8")), True),
    "2.4-pod-again": (Applied(pod("a/p", "10.0.0.9")), False),
    "2.4-pod-address": (Applied(pod("a/p", "10.0.0.8")), True),
    "2.4-namespace": (Applied(namespace("b")), False),
}


@table(("event", "moves"), SERIALS.values(), ids=SERIALS)
def test_serial(event: Event, moves: bool) -> None:
    store, _ = filled()
    assert store.serial == 100
    store.apply(event)
    assert store.serial == (200 if moves else 100)


def test_zones_move_the_serial_with_zonal() -> None:
    store, _ = filled(zonal=True)
    store.apply(Applied(slice_of("a/web", "10.0.0.1%z 10.0.0.2=h !10.0.0.3")))
    assert store.serial == 200


def test_a_pod_first_seen_on_its_way_out_never_answers() -> None:
    store, _ = filled()
    store.apply(Applied(pod("a/q", "10.0.0.8", deleting=True)))
    assert store.pods_at("a", "10.0.0.8") == ()
    store.apply(Applied(pod("a/p", "10.0.0.9", deleting=True)))
    assert [str(each.key) for each in store.pods_at("a", "10.0.0.9")] == ["a/p"]


def test_an_import_is_kept_as_the_service_it_amounts_to() -> None:
    store = Store(Wall(), kind="ServiceImport")
    store.apply(Applied(imported("a/h")))
    store.apply(Applied(imported("a/s", "10.100.0.1")))
    assert store.services[Key("a", "h")].headless
    assert store.services[Key("a", "s")].cluster_ips == ("10.100.0.1",)
    store.apply(Deleted(ServiceImport, Key("a", "h")))
    assert list(store.services) == [Key("a", "s")]


def test_all_that_is_known() -> None:
    known: list[Object] = list(filled()[0].objects())
    assert known == list(KNOWN)


def test_what_is_there_by_kind_and_namespace() -> None:
    made = filled_with([namespace("a"), service("a/web", "10.96.0.1"), service("b/web")])
    assert list(made.keys(Namespace)) == [Key("", "a")]
    assert list(made.keys(Service)) == [Key("a", "web"), Key("b", "web")]
    assert list(made.keys(Service, "b")) == [Key("b", "web")]
    assert not list(made.keys(Pod))
    assert made.find(Service, Key("a", "web")) == service("a/web", "10.96.0.1")
    assert made.find(Namespace, Key("", "b")) is None


def test_what_it_would_be_no_news_to_apply() -> None:
    same = service("a/web", "10.96.0.1")
    newer = replace(same, meta=Meta("uid-Service-a/web", "2"))
    made = filled_with([same, namespace("a"), slice_of("a/web", "10.0.0.1")])
    held: list[Object] = [same, namespace("a"), slice_of("a/web", "10.0.0.1")]
    news: list[Object] = [newer, namespace("b"), slice_of("a/web", "!10.0.0.1"), pod("a/p", "10.0.0.1")]
    assert [made.holds(each) for each in held] == [True] * 3
    assert [made.holds(new) for new in news] == [False] * 4
    assert made.holds(pod("a/p", "10.0.0.1", deleting=True))


def test_an_import_is_held_as_the_service_it_amounts_to() -> None:
    made = filled_with([imported("a/web", "10.96.0.1")])
    assert made.holds(imported("a/web", "10.96.0.1"))
    assert list(made.keys(ServiceImport)) == [Key("a", "web")]
    assert not made.holds(imported("a/web", ""))
