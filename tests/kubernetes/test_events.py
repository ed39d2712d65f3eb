"""The rules that events come under hold for the store they are told to."""

from minidns.kubernetes.objects import EndpointSlice, Key, Kind, Namespace, Object, Pod, Service
from minidns.kubernetes.resources import Applied, Deleted, Event
from minidns.kubernetes.store import Store
from tests.table import table

KEY = Key("prod", "web")
OBJECTS: list[Object] = [
    Service(KEY, cluster_ips=("10.96.0.1",)),
    EndpointSlice(KEY, KEY),
    Pod(KEY, "10.1.0.1"),
    Namespace(Key("", "prod")),
]
IDS = [type(obj).__name__ for obj in OBJECTS]


def told(*events: Event) -> Store:
    store = Store(lambda: 1.0)
    for event in events:
        store.apply(event)
    return store


@table("obj", OBJECTS, ids=IDS)
def test_an_object_may_be_applied_again(obj: Object) -> None:
    store = told(Applied(obj))
    assert not store.apply(Applied(obj))
    assert list(store.objects()) == [obj]


@table("obj", OBJECTS, ids=IDS)
def test_a_key_may_be_deleted_twice(obj: Object) -> None:
    kind: Kind = type(obj)
    store = told(Applied(obj), Deleted(kind, obj.key))
    assert not store.apply(Deleted(kind, obj.key))
    assert list(store.objects()) == []


@table("obj", OBJECTS, ids=IDS)
def test_a_deletion_is_of_one_kind_only(obj: Object) -> None:
    others = [Deleted(type(other), obj.key) for other in OBJECTS if other is not obj]
    assert list(told(Applied(obj), *others).objects()) == [obj]
