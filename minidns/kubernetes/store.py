"""Holds the objects of a cluster, with indexes for the lookups of answers.

Theory of operation. The store is the only mutable thing between the API server and an
answer. Reflectors apply events to it, lookups read it, and both run in the event loop:
an event changes objects and indexes in one step, so no lookup sees half of it.

Its invariant: whatever the history of events was, it answers like a store that was
given its present objects alone, in any order. Events may therefore be applied twice,
late, or in another order for different keys. Indexes keep their keys sorted for that
reason, and an object that is applied unchanged leaves the old one in place.

``apply`` returns the keys of what changed for DNS; remembered replies and the cache
drop the answers that depend on one of them:

* ``("namespace", name)``: the Namespace came or went
* ``("service", namespace, name)``: the Service itself
* ``("endpoints", namespace, name)``: ready endpoints in the slices of the Service
* ``("address", text)``: the objects with this cluster IP or endpoint address
* ``("external", text)``: the Services with this address outside the cluster
* ``("pod", namespace, address)``: the Pods at an address

An event that changes nothing that DNS can see returns no keys. Which changes move the
serials of the SOA follows CoreDNS *kubernetes*, see ``_serial_of_service``.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from typing import Generic, TypeAlias, TypeVar

from minidns.kubernetes.lingering import LingeringEndpoints
from minidns.kubernetes.objects import (
    Endpoint,
    EndpointSlice,
    Key,
    Kind,
    Namespace,
    Object,
    Pod,
    Service,
    ServiceImport,
)
from minidns.kubernetes.resources import Applied, Event

Touched: TypeAlias = set[Hashable]
Ready: TypeAlias = tuple[Endpoint, ...]
"""The ready endpoints of a slice."""
T = TypeVar("T", bound=Hashable)


class Store:
    """The objects of a cluster.

    ``wall`` returns Unix seconds for the serial. ``now`` returns monotonic seconds, for
    which ``hold_s`` seconds an endpoint that leaves its slice is held.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        now: Callable[[], float] = lambda: 0.0,
        *,
        kind: str = "Service",
        zonal: bool = False,
        hold_s: float = 0.0,
    ) -> None:
        self.kind = kind
        """The kind of its Services: Service, or ServiceImport (multicluster)."""
        self.serial = 0
        """Unix seconds of the last change that moves it; 0 before any (CoreDNS)."""
        self.external_serial = 0
        """The same for the external addresses of Services (*k8s_external*)."""
        self.namespaces: dict[str, Namespace] = {}
        self.services: dict[Key, Service] = {}
        self.slices: dict[Key, EndpointSlice] = {}
        self.pods: dict[Key, Pod] = {}
        self.held = LingeringEndpoints(now, hold_s)
        self._wall = wall
        self._zonal = zonal
        self._slices_of: Index[Key] = Index()
        self._services_at: Index[str] = Index()
        self._slices_at: Index[str] = Index()
        self._external_at: Index[str] = Index()
        self._pods_at: Index[str] = Index()

    def copy(self, clock: Callable[[], float]) -> "Store":
        """Return a store with the same objects, which holds no endpoints.

        ``clock`` is its time, of both kinds.
        """
        other = Store(clock, clock, kind=self.kind, zonal=self._zonal)
        for name, value in vars(self).items():
            if isinstance(value, dict | Index):
                setattr(other, name, value.copy())
        other.serial, other.external_serial = self.serial, self.external_serial
        return other

    def slices_of(self, service: Key) -> tuple[EndpointSlice, ...]:
        """Return the slices of ``service``, whether or not the Service exists."""
        slices = self.slices
        return tuple([slices[key] for key in self._slices_of.get(service)])

    def services_at(self, address: str) -> tuple[Service, ...]:
        """Return the Services with the cluster IP ``address``."""
        return tuple([self.services[key] for key in self._services_at.get(address)])

    def services_outside(self, address: str) -> tuple[Service, ...]:
        """Return the Services with this external address (*k8s_external*)."""
        return tuple([self.services[key] for key in self._external_at.get(address)])

    def slices_at(self, address: str) -> tuple[EndpointSlice, ...]:
        """Return the slices of any Service with a ready endpoint at ``address``."""
        return tuple([self.slices[key] for key in self._slices_at.get(address)])

    def pods_at(self, namespace: str, address: str) -> tuple[Pod, ...]:
        """Return the Pods of ``namespace`` at ``address``."""
        keys = self._pods_at.get(address)
        return tuple([self.pods[key] for key in keys if key.namespace == namespace])

    def pod_at(self, address: str) -> Pod | None:
        """Return the first Pod at ``address``; Pods of the host network share one."""
        keys = self._pods_at.get(address)
        return self.pods[keys[0]] if keys else None

    def objects(self) -> Iterable[Object]:
        """Yield every object, Namespaces first."""
        yield from self.namespaces.values()
        yield from self.services.values()
        yield from self.slices.values()
        yield from self.pods.values()

    def keys(self, kind: Kind, namespace: str = "") -> Iterable[Key]:
        """Return the keys of one kind, in ``namespace`` unless it is empty."""
        if kind is Namespace:
            return [namespace.key for namespace in self.namespaces.values()]
        keys = self._objects_of(kind)
        return [key for key in keys if key.namespace == namespace or not namespace]

    def find(self, kind: Kind, key: Key) -> Object | None:
        """Return an object as it is stored: a ServiceImport is a Service here."""
        if kind is Namespace:
            return self.namespaces.get(key.name)
        return self._objects_of(kind).get(key)

    def holds(self, obj: Object) -> bool:
        """Return whether the store has ``obj`` in just this state."""
        if isinstance(obj, Pod) and obj.deleting:
            return True  # it is never stored
        return self.find(type(obj), obj.key) == as_service(obj)

    def _objects_of(self, kind: Kind) -> Mapping[Key, Object]:
        if kind is EndpointSlice:
            return self.slices
        return self.pods if kind is Pod else self.services

    def apply(self, event: Event) -> Touched:
        """Apply ``event``; return the keys of what it changed for DNS."""
        if isinstance(event, Applied):
            obj = as_service(event.obj)
            return self._put(type(obj), obj.key, obj)
        kind = Service if event.kind is ServiceImport else event.kind
        return self._put(kind, event.key, None)

    def expire(self) -> Touched:
        """Release endpoints held for long enough; return the keys that change."""
        return self.held.expire()

    def _put(self, kind: Kind, key: Key, new: Object | None) -> Touched:
        if kind is Service and (new is None or isinstance(new, Service)):
            return self._put_service(key, new)
        if kind is EndpointSlice and (new is None or isinstance(new, EndpointSlice)):
            return self._put_slice(key, new)
        if kind is Pod and (new is None or isinstance(new, Pod)):
            return self._put_pod(key, new)
        if kind is Namespace and (new is None or isinstance(new, Namespace)):
            old = _exchange(self.namespaces, key.name, new)
            return (
                {("namespace", key.name)} if (old is None) != (new is None) else set()
            )
        raise TypeError(f"no place for a {kind.__name__}")

    def _put_service(self, key: Key, new: Service | None) -> Touched:
        old = self.services.get(key)
        if old is not None and new == old:
            return set()  # keep the old object: the indexes share its strings
        _exchange(self.services, key, new)
        if _seen_of_service(old) == _seen_of_service(new):
            return set()
        self._move_serial(_serial_of_service(old) != _serial_of_service(new))
        if _outside(old) != _outside(new):
            self.external_serial = int(self._wall())
        changed = self._services_at.move(key, _cluster_ips(old), _cluster_ips(new))
        touched: Touched = {("address", address) for address in changed}
        changed = self._external_at.move(key, _external(old), _external(new))
        touched |= {("external", address) for address in changed}
        touched.add(("service", *key))
        return touched | self.held.service_gone(key) if new is None else touched

    def _put_slice(self, key: Key, new: EndpointSlice | None) -> Touched:
        old = self.slices.get(key)
        if old is not None and new == old:
            return set()  # the usual case in a relist
        _exchange(self.slices, key, new)
        # an endpoint that arrives unready does not answer, but is no longer held
        arrived = self.held.arrived(new) if new else set()
        was, now = _ready(old), _ready(new)
        if _seen_of_slice(old, was) == _seen_of_slice(new, now):
            return arrived
        zonal = self._zonal
        self._move_serial(
            _serial_of_slice(old, was, zonal) != _serial_of_slice(new, now, zonal)
        )
        self._slices_of.move(key, _owner(old), _owner(new))
        self._slices_at.move(key, _addresses(old, was), _addresses(new, now))
        changed = _named(old, was) ^ _named(new, now)
        touched: Touched = {("address", end.address) for _, end in changed}
        touched |= {("endpoints", *owner) for owner in _owner(old) | _owner(new)}
        if old and self.held.hold_s and old.service in self.services:
            self.held.hold(old, self._left(old.service, was, new))
        return touched | arrived

    def _left(
        self, service: Key, was: Ready, new: EndpointSlice | None
    ) -> Iterable[Endpoint]:
        """Return the endpoints of ``was`` that are in no slice of ``service`` now."""
        same = new is not None and new.service == service
        there = {end.address for end in new.endpoints} if new and same else set()
        left = [end for end in was if end.address not in there]
        if not left:  # as in rollouts: then the other slices need not be unpacked
            return left
        slices = self.slices_of(service)
        present = {end.address for one in slices for end in one.endpoints}
        return [end for end in left if end.address not in present]

    def _put_pod(self, key: Key, new: Pod | None) -> Touched:
        if new and new.deleting:
            # a stored Pod answers until it is deleted, a new one never does (CoreDNS)
            return set()
        old = _exchange(self.pods, key, new)
        before, after = _place(old), _place(new)
        self._move_serial((old and old.address) != (new and new.address))
        addresses = ({at for _, at in places} for places in (before, after))
        self._pods_at.move(key, *addresses)
        touched: Touched = {("pod", *place) for place in before ^ after}
        if old and not new:
            touched |= self.held.pod_gone(key.namespace, old.address)
        return touched

    def _move_serial(self, moves: bool) -> None:
        if moves:
            self.serial = int(self._wall())


def as_service(obj: Object) -> Object:
    """Return ``obj``; a ServiceImport is converted to a Service."""
    if not isinstance(obj, ServiceImport):
        return obj
    addresses = ("None",) if obj.headless else obj.addresses
    return Service(obj.key, cluster_ips=addresses, ports=obj.ports, meta=obj.meta)


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _exchange(objects: dict[K, V], key: K, new: V | None) -> V | None:
    old = objects.get(key)
    if new is not None:
        objects[key] = new
    elif old is not None:
        del objects[key]
    return old


# The part of an object that DNS can see; None for an object that does not exist.


def _seen_of_service(service: Service | None) -> object:
    return service and (
        service.type,
        service.cluster_ips,
        service.external_name,
        service.ports,
        service.external_ips,
    )


def _seen_of_slice(one: EndpointSlice | None, ready: Ready) -> object:
    return one and (one.service, one.cluster, one.ports, ready)


# The part of an object that moves the serial on an update (CoreDNS *kubernetes*): not
# the addresses of a Service, and not the Pod of an endpoint.


def _serial_of_service(service: Service | None) -> object:
    return service and (service.external_name, service.ports)


def _serial_of_slice(one: EndpointSlice | None, ready: Ready, zonal: bool) -> object:
    return one and (
        one.ports,
        [(end.address, end.hostname, zonal and end.zone) for end in ready],
    )


def _outside(service: Service | None) -> object:
    # unlike CoreDNS: there a Service that comes or goes does not move the serial, so a
    # secondary never transfers it; and ports of Services without external addresses do
    external = service.external_ips if service else ()
    return external and (external, service and service.ports)


# The keys an object is indexed by; empty for an object that does not exist.


def _ready(one: EndpointSlice | None) -> Ready:
    return tuple([end for end in one.endpoints if end.ready]) if one else ()


def _cluster_ips(service: Service | None) -> Set[str]:
    return set(service.cluster_ips) - {"None"} if service else set()


def _external(service: Service | None) -> Set[str]:
    return set(service.external_ips) if service else set()


def _owner(one: EndpointSlice | None) -> Set[Key]:
    # a slice without the label has no Service, and so no names
    return {one.service} if one and one.service.name else set()


def _addresses(one: EndpointSlice | None, ready: Ready) -> Set[str]:
    return {end.address for end in ready} if _owner(one) else set()


def _named(one: EndpointSlice | None, ready: Ready) -> Set[tuple[Key, Endpoint]]:
    return {(owner, end) for owner in _owner(one) for end in ready}


def _place(pod: Pod | None) -> Set[tuple[str, str]]:
    return {(pod.key.namespace, pod.address)} if pod and pod.address else set()


What = TypeVar("What", bound=Hashable)


class Index(Generic[What]):
    """Keys of objects by a value that they have in common, in little memory.

    Nearly all of the 150,000 endpoint addresses of a large cluster belong to one slice
    each, so a single key is stored as it is, and several as a tuple.
    """

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[What, Key | tuple[Key, ...]] = {}

    def copy(self) -> "Index[What]":
        """Return an index with the same keys."""
        other = Index[What]()
        other._keys = self._keys.copy()
        return other

    def get(self, what: What) -> tuple[Key, ...]:
        """Return the keys under ``what``, sorted; may be empty."""
        keys = self._keys.get(what, ())
        return (keys,) if isinstance(keys, Key) else keys

    def move(self, key: Key, before: Set[What], after: Set[What]) -> Set[What]:
        """Move ``key`` from the values ``before`` to the values ``after``.

        Returns the values where it was added or removed.
        """
        changed = before ^ after
        for what in changed:
            others = {other for other in self.get(what) if other != key}
            keys = sorted(others | {key} if what in after else others)
            if keys:
                self._keys[what] = keys[0] if len(keys) == 1 else tuple(keys)
            else:
                self._keys.pop(what, None)
        return changed

    def __len__(self) -> int:
        return len(self._keys)
