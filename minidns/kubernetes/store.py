"""Objects by key, and the indexes that answers look names and addresses up in.

The only mutable thing between the API and an answer. Its law: whatever the history of
events, it answers as a store would that was given its present objects alone.

``apply`` says what an event touched, in the keys that remembered answers depend on:
``("namespace", name)``; ``("service", namespace, name)`` for the Service itself,
``("endpoints", namespace, name)`` for its slices; ``("address", text)`` for whoever
has it, ``("external", text)`` outside the cluster; ``("pod", namespace, address)``. An
event that changes nothing DNS can see touches nothing.
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
"""The endpoints of a slice that are ready."""
T = TypeVar("T", bound=Hashable)


class Store:
    """What is known of a cluster.

    ``wall`` gives the Unix seconds of the serial, ``now`` the monotonic ones that an
    endpoint on its way between slices is held for.
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
        """What its Services are: Service, or ServiceImport (multicluster)."""
        self.serial = 0
        """Unix seconds of the last change that counts; 0 before any (CoreDNS)."""
        self.external_serial = 0
        """The same of what Services have outside (*k8s_external*)."""
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

    def slices_of(self, service: Key) -> tuple[EndpointSlice, ...]:
        """Return the slices that name ``service``, whether or not it exists."""
        slices = self.slices
        return tuple([slices[key] for key in self._slices_of.get(service)])

    def services_at(self, address: str) -> tuple[Service, ...]:
        """Return the Services with the cluster IP ``address``."""
        return tuple([self.services[key] for key in self._services_at.get(address)])

    def services_outside(self, address: str) -> tuple[Service, ...]:
        """Return the Services that have ``address`` outside (*k8s_external*)."""
        return tuple([self.services[key] for key in self._external_at.get(address)])

    def slices_at(self, address: str) -> tuple[EndpointSlice, ...]:
        """Return the slices, of any Service, that have ``address`` ready."""
        return tuple([self.slices[key] for key in self._slices_at.get(address)])

    def pods_at(self, namespace: str, address: str) -> tuple[Pod, ...]:
        """Return the Pods of ``namespace`` at ``address``."""
        keys = self._pods_at.get(address)
        return tuple([self.pods[key] for key in keys if key.namespace == namespace])

    def pod_at(self, address: str) -> Pod | None:
        """Return a Pod at ``address``: the first, of those that share a node's."""
        keys = self._pods_at.get(address)
        return self.pods[keys[0]] if keys else None

    def objects(self) -> Iterable[Object]:
        """Yield all that is known, Namespaces first."""
        yield from self.namespaces.values()
        yield from self.services.values()
        yield from self.slices.values()
        yield from self.pods.values()

    def keys(self, kind: Kind, namespace: str = "") -> Iterable[Key]:
        """Return the keys of one kind, in ``namespace`` if it is given."""
        if kind is Namespace:
            return [each.key for each in self.namespaces.values()]
        keys = self._keyed(kind)
        return [key for key in keys if key.namespace == namespace or not namespace]

    def find(self, kind: Kind, key: Key) -> Object | None:
        """Return an object as it is held; a ServiceImport is a Service here."""
        if kind is Namespace:
            return self.namespaces.get(key.name)
        return self._keyed(kind).get(key)

    def holds(self, obj: Object) -> bool:
        """Return whether to apply ``obj`` would change nothing, seen or unseen."""
        if isinstance(obj, Pod) and obj.deleting:
            return True  # it is never taken in
        return self.find(type(obj), obj.key) == as_service(obj)

    def _keyed(self, kind: Kind) -> Mapping[Key, Object]:
        if kind is EndpointSlice:
            return self.slices
        return self.pods if kind is Pod else self.services

    def apply(self, event: Event) -> Touched:
        """Take in ``event``; return the keys of what it changed for DNS."""
        if isinstance(event, Applied):
            obj = as_service(event.obj)
            return self._put(type(obj), obj.key, obj)
        kind = Service if event.kind is ServiceImport else event.kind
        return self._put(kind, event.key, None)

    def expire(self) -> Touched:
        """Let go of endpoints held too long; return the keys of what that changes."""
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
            return set()  # the old one stays: the indexes share its texts
        _exchange(self.services, key, new)
        if _seen_of_service(old) == _seen_of_service(new):
            return set()
        self._count(_counts_of_service(old) != _counts_of_service(new))
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
            return set()  # as a list of what is known anyway has most of them
        _exchange(self.slices, key, new)
        # what arrives unready is seen by nobody, but no longer held
        arrived = self.held.arrived(new) if new else set()
        was, now = _ready(old), _ready(new)
        if _seen_of_slice(old, was) == _seen_of_slice(new, now):
            return arrived
        zonal = self._zonal
        self._count(
            _counts_of_slice(old, was, zonal) != _counts_of_slice(new, now, zonal)
        )
        self._slices_of.move(key, _owner(old), _owner(new))
        self._slices_at.move(key, _addresses(old, was), _addresses(new, now))
        changed = _named(old, was) ^ _named(new, now)
        touched: Touched = {("address", end.address) for _, end in changed}
        touched |= {("endpoints", *owner) for owner in _owner(old) | _owner(new)}
        if old and self.held.hold_s and old.service in self.services:
            slices = self.slices_of(old.service)
            present = {end.address for each in slices for end in each.endpoints}
            self.held.left(old, present)
        return touched | arrived

    def _put_pod(self, key: Key, new: Pod | None) -> Touched:
        if new and new.deleting:
            # a known Pod answers until it is gone, a new one never does (CoreDNS)
            return set()
        old = _exchange(self.pods, key, new)
        before, after = _place(old), _place(new)
        self._count((old and old.address) != (new and new.address))
        addresses = ({place[1] for place in each} for each in (before, after))
        self._pods_at.move(key, *addresses)
        touched: Touched = {("pod", *place) for place in before ^ after}
        if old and not new:
            touched |= self.held.pod_gone(key.namespace, old.address)
        return touched

    def _count(self, moves: bool) -> None:
        if moves:
            self.serial = int(self._wall())


def as_service(obj: Object) -> Object:
    """Return ``obj``, a ServiceImport as the Service it amounts to."""
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


# What of an object DNS can see; None for an object that is not there.


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


# What of it moves the serial on an update (CoreDNS *kubernetes*): not the addresses
# of a Service, not what stands behind an endpoint.


def _counts_of_service(service: Service | None) -> object:
    return service and (service.external_name, service.ports)


def _counts_of_slice(one: EndpointSlice | None, ready: Ready, zonal: bool) -> object:
    return one and (
        one.ports,
        [(end.address, end.hostname, zonal and end.zone) for end in ready],
    )


def _outside(service: Service | None) -> object:
    # unlike CoreDNS: there what comes or goes does not count, so that a secondary
    # never hears of it; and ports count of Services that have nothing outside
    external = service.external_ips if service else ()
    return external and (external, service and service.ports)


# What it is indexed by; nothing for an object that is not there.


def _ready(one: EndpointSlice | None) -> Ready:
    return tuple([end for end in one.endpoints if end.ready]) if one else ()


def _cluster_ips(service: Service | None) -> Set[str]:
    return set(service.cluster_ips) - {"None"} if service else set()


def _external(service: Service | None) -> Set[str]:
    return set(service.external_ips) if service else set()


def _owner(one: EndpointSlice | None) -> Set[Key]:
    # a slice without the label belongs to nobody: it has no names
    return {one.service} if one and one.service.name else set()


def _addresses(one: EndpointSlice | None, ready: Ready) -> Set[str]:
    return {end.address for end in ready} if _owner(one) else set()


def _named(one: EndpointSlice | None, ready: Ready) -> Set[tuple[Key, Endpoint]]:
    return {(owner, end) for owner in _owner(one) for end in ready}


def _place(pod: Pod | None) -> Set[tuple[str, str]]:
    return {(pod.key.namespace, pod.address)} if pod and pod.address else set()


What = TypeVar("What", bound=Hashable)


class Index(Generic[What]):
    """The keys of the objects that have something in common."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[What, Key | tuple[Key, ...]] = {}

    def get(self, what: What) -> tuple[Key, ...]:
        """Return the keys under ``what``, sorted; may be empty."""
        keys = self._keys.get(what, ())
        return (keys,) if isinstance(keys, Key) else keys

    def move(self, key: Key, before: Set[What], after: Set[What]) -> Set[What]:
        """Put ``key`` under ``after`` where it was under ``before``.

        Return where it is new or gone.
        """
        changed = before ^ after
        for what in changed:
            others = {each for each in self.get(what) if each != key}
            keys = sorted(others | {key} if what in after else others)
            if keys:
                self._keys[what] = keys[0] if len(keys) == 1 else tuple(keys)
            else:
                self._keys.pop(what, None)
        return changed

    def __len__(self) -> int:
        return len(self._keys)
