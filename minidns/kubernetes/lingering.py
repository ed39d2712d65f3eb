"""Endpoints that left an EndpointSlice a moment ago, and still answer (option *hold*).

Theory of operation. The EndpointSlice controller may move an endpoint from one slice to
another, and it may write the slice that the endpoint leaves first. Between the two
watch events the endpoint is in no slice, so its names do not exist: a client gets one
NXDOMAIN, which resolvers keep for the negative TTL.

Therefore an endpoint that was ready when it left its slice is held for a bounded time
(``hold_s``). The rules, each of which keeps it from answering longer than it should:

* A held endpoint answers only where no endpoint of the present slices does.
* It is released when its address shows up in any slice of its Service, ready or not.
* It is released when its Service or its Pod is deleted.
* It is released when its time is over: ``deadline`` says when the next one is.
* An endpoint that turned unready in its slice is never held.

Held endpoints are kept as slices of one endpoint each, so that lookups treat them like
any other slice. Every release returns the keys of the answers that it changes.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from msgspec.structs import replace

from minidns.kubernetes.objects import Endpoint, Endpoints, EndpointSlice, Key


class _Held(NamedTuple):
    slice: EndpointSlice
    """The slice that it left, reduced to the one endpoint."""
    address: str
    until: float

    def keys(self) -> tuple[Hashable, ...]:
        return ("endpoints", *self.slice.service), ("address", self.address)


class LingeringEndpoints:
    """Endpoints that left their slices, each held for ``hold_s`` seconds of ``now``."""

    def __init__(self, now: Callable[[], float], hold_s: float) -> None:
        self.hold_s = hold_s
        self._now = now
        self._held: dict[Key, tuple[_Held, ...]] = {}
        self._queue: deque[_Held] = deque()
        """In order of their deadlines; some of them were released before."""

    def slices_of(self, service: Key) -> tuple[EndpointSlice, ...]:
        """Return a slice for each held endpoint of a Service."""
        return tuple([held.slice for held in self._held.get(service, ())])

    def slices_at(self, address: str) -> tuple[EndpointSlice, ...]:
        """Return a slice for each held endpoint with ``address``."""
        return tuple([held.slice for held in self._all() if held.address == address])

    def deadline(self) -> float | None:
        """Return when the first endpoint is released; None if none is held."""
        queue = self._queue
        while queue and not self._holds(queue[0]):
            queue.popleft()
        return queue[0].until if queue else None

    def hold(self, old: EndpointSlice, endpoints: Iterable[Endpoint]) -> None:
        """Hold ``endpoints``, which left the slice ``old`` while they were ready."""
        until = self._now() + self.hold_s
        held = tuple(_Held(_only(old, end), end.address, until) for end in endpoints)
        if held:
            self._held[old.service] = self._held.get(old.service, ()) + held
            self._queue += held

    def arrived(self, new: EndpointSlice) -> set[Hashable]:
        """Release the endpoints that ``new`` has; return the keys that change."""
        if new.service not in self._held:
            return set()
        there = {endpoint.address for endpoint in new.endpoints}
        return self._release(
            held for held in self._held[new.service] if held.address in there
        )

    def pod_gone(self, namespace: str, address: str) -> set[Hashable]:
        """Release the endpoints of a deleted Pod; return the keys that change."""
        return self._release(
            held
            for held in self._all()
            if held.address == address and held.slice.key.namespace == namespace
        )

    def service_gone(self, service: Key) -> set[Hashable]:
        """Release the endpoints of a deleted Service; return the keys that change."""
        return self._release(self._held.get(service, ()))

    def expire(self) -> set[Hashable]:
        """Release the endpoints whose time is over; return the keys that change."""
        now, queue, expired = self._now(), self._queue, []
        while queue and queue[0].until <= now:
            expired.append(queue.popleft())
        return self._release(filter(self._holds, expired))

    def _holds(self, one: _Held) -> bool:
        # compared by identity: an equal endpoint may be held again later
        return any(held is one for held in self._held.get(one.slice.service, ()))

    def _all(self) -> list[_Held]:
        return [held for of_service in self._held.values() for held in of_service]

    def _release(self, released: Iterable[_Held]) -> set[Hashable]:
        changed: set[Hashable] = set()
        for one in list(released):
            service = one.slice.service
            rest = tuple(held for held in self._held[service] if held is not one)
            changed.update(one.keys())
            if rest:
                self._held[service] = rest
            else:
                del self._held[service]
        return changed


def _only(one: EndpointSlice, endpoint: Endpoint) -> EndpointSlice:
    return replace(one, endpoints=Endpoints.of(endpoint))
