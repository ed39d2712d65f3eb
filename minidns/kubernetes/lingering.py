"""Endpoints on their way from one EndpointSlice to another.

Kubernetes may write the slice an endpoint leaves before the one it joins. Between the
two events a plain watcher knows the endpoint nowhere, and its names do not exist: one
NXDOMAIN, which resolvers then keep for the negative TTL. So an endpoint that left its
slice *while ready* is held for a bounded moment. It stands in only where nothing else
answers, and not at all once it shows up in any slice of its Service, ready or not, or
its Service or Pod is gone. An endpoint that merely turned unready is never held.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Set
from typing import NamedTuple

from msgspec.structs import replace

from minidns.kubernetes.objects import Endpoint, Endpoints, EndpointSlice, Key


class _Left(NamedTuple):
    slice: EndpointSlice
    """What it left, cut down to the one endpoint."""
    address: str
    until: float

    def keys(self) -> tuple[Hashable, ...]:
        return ("endpoints", *self.slice.service), ("address", self.address)


class LingeringEndpoints:
    """Endpoints that left, each for at most ``hold_s`` seconds of ``now``."""

    def __init__(self, now: Callable[[], float], hold_s: float) -> None:
        self.hold_s = hold_s
        self._now = now
        self._left: dict[Key, tuple[_Left, ...]] = {}
        self._order: deque[_Left] = deque()
        """By the time when each is to be let go; some have been already."""

    def slices_of(self, service: Key) -> tuple[EndpointSlice, ...]:
        """Return what is held of a Service, a slice per endpoint."""
        return tuple([each.slice for each in self._left.get(service, ())])

    def slices_at(self, address: str) -> tuple[EndpointSlice, ...]:
        """Return what is held of an address, a slice per Service."""
        return tuple([each.slice for each in self._all() if each.address == address])

    def deadline(self) -> float | None:
        """Return when the first of them is to be let go; None when nothing is held."""
        order = self._order
        while order and not self._has(order[0]):
            order.popleft()
        return order[0].until if order else None

    def left(self, old: EndpointSlice, present: Set[str]) -> None:
        """Hold the ready endpoints of ``old`` whose address is not in ``present``."""
        until = self._now() + self.hold_s
        gone = tuple(
            _Left(_cut(old, endpoint), endpoint.address, until)
            for endpoint in old.endpoints
            if endpoint.ready and endpoint.address not in present
        )
        if gone:
            self._left[old.service] = self._left.get(old.service, ()) + gone
            self._order += gone

    def arrived(self, new: EndpointSlice) -> set[Hashable]:
        """Let go of what ``new`` has again; return the keys of what that changes."""
        if new.service not in self._left:
            return set()
        there = {endpoint.address for endpoint in new.endpoints}
        return self._drop(
            each for each in self._left[new.service] if each.address in there
        )

    def pod_gone(self, namespace: str, address: str) -> set[Hashable]:
        """Let go of a Pod's endpoints; return the keys of what that changes."""
        return self._drop(
            each
            for each in self._all()
            if each.address == address and each.slice.key.namespace == namespace
        )

    def service_gone(self, service: Key) -> set[Hashable]:
        """Let go of a Service's endpoints; return the keys of what that changes."""
        return self._drop(self._left.get(service, ()))

    def expire(self) -> set[Hashable]:
        """Let go of those whose time is over; return the keys of what that changes."""
        now, order, over = self._now(), self._order, []
        while order and order[0].until <= now:
            over.append(order.popleft())
        return self._drop(filter(self._has, over))

    def _has(self, one: _Left) -> bool:
        return any(each is one for each in self._left.get(one.slice.service, ()))

    def _all(self) -> list[_Left]:
        return [each for held in self._left.values() for each in held]

    def _drop(self, gone: Iterable[_Left]) -> set[Hashable]:
        touched: set[Hashable] = set()
        for each in list(gone):
            service = each.slice.service
            kept = tuple(one for one in self._left[service] if one is not each)
            touched.update(each.keys())
            if kept:
                self._left[service] = kept
            else:
                del self._left[service]
        return touched


def _cut(one: EndpointSlice, endpoint: Endpoint) -> EndpointSlice:
    return replace(one, endpoints=Endpoints.of(endpoint))
