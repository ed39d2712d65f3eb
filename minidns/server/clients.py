"""The open connections of a listener, and which of them is closed to admit another.

A connection is *idle* while no query of it is in flight, also when only a part of a
query has arrived. The number of idle connections of one address is limited. The number
of busy ones is not: one address may be a node's whole cache (NodeLocal DNSCache with
``force_tcp``), a gateway, or all pods of a host network.

When the listener is full, the connection that has been idle longest is closed; if none
is idle, the one that has been busy longest, as its query had its chance (see
`in_flight`). So a client that holds connections without asking cannot lock out others.
"""

import asyncio
from collections import OrderedDict
from typing import Protocol

GRACE_S = 0.5
"""Seconds before an idle connection beyond the limit is closed: a client may open all
of its connections before it sends the first query."""


class Client(Protocol):
    """An open connection."""

    host: str
    """The address at its other end."""

    def stop(self) -> None:
        """Close it when its queries in flight are answered."""

    def cancel(self) -> None:
        """Close it now; its queries in flight are answered SERVFAIL."""

    def abort(self) -> None:
        """Close it at once; nothing more is sent."""


class Clients:
    """The open connections of a listener."""

    def __init__(self, limit: int, max_idle_per_host: int) -> None:
        """Hold up to ``limit``, of them ``max_idle_per_host`` idle ones per address."""
        self._limit = limit
        self._max_idle_per_host = max_idle_per_host
        self._idle: OrderedDict[Client, None] = OrderedDict()
        """Longest idle first."""
        self._busy: OrderedDict[Client, None] = OrderedDict()
        """Longest busy first."""
        self._idle_by_host: dict[str, OrderedDict[Client, float]] = {}
        """By address: its idle connections and the time of the loop since when, longest
        idle first."""
        self._trims: dict[str, asyncio.TimerHandle] = {}
        """By address: the timer that closes its idle connections beyond the limit."""
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def admit(self, client: Client) -> bool:
        """Add ``client``; return whether another connection was closed for it."""
        is_full = len(self) >= self._limit
        if is_full:
            self.evict_one()
        self._empty.clear()
        self._add_idle(client)
        return is_full

    def evict_one(self) -> None:
        """Close the connection that is idle longest; if none is, busy longest."""
        if self._idle:
            next(iter(self._idle)).abort()
        elif self._busy:
            oldest = next(iter(self._busy))
            self.remove(oldest)
            oldest.cancel()

    def mark_busy(self, client: Client) -> None:
        """Note that a query of ``client`` is in flight."""
        if client in self._idle:
            self._remove_idle(client)
            self._busy[client] = None

    def mark_idle(self, client: Client) -> None:
        """Note that all queries of ``client`` are answered."""
        if client in self._idle or client in self._busy:
            self._busy.pop(client, None)
            self._remove_idle(client)
            self._add_idle(client)

    def _add_idle(self, client: Client) -> None:
        self._idle[client] = None
        idle = self._idle_by_host.setdefault(client.host, OrderedDict())
        idle[client] = asyncio.get_running_loop().time()
        self._trim_later(client.host)

    def _trim_later(self, host: str) -> None:
        is_over = len(self._idle_by_host.get(host, ())) > self._max_idle_per_host
        if is_over and host not in self._trims:
            loop = asyncio.get_running_loop()
            self._trims[host] = loop.call_later(GRACE_S, self._trim, host)

    def _trim(self, host: str) -> None:
        """Close the idle connections beyond the limit, except new ones."""
        del self._trims[host]
        idle = self._idle_by_host.get(host, OrderedDict())
        until = asyncio.get_running_loop().time() - GRACE_S
        for client in list(idle)[: -self._max_idle_per_host]:
            if idle[client] <= until:
                client.abort()
        self._trim_later(host)

    def remove(self, client: Client) -> None:
        """Forget ``client``, if it is known."""
        self._remove_idle(client)
        self._busy.pop(client, None)
        if not len(self):
            self._empty.set()

    def _remove_idle(self, client: Client) -> None:
        self._idle.pop(client, None)
        if (idle := self._idle_by_host.get(client.host)) is not None:
            idle.pop(client, None)
            if not idle:
                del self._idle_by_host[client.host]

    def all(self) -> tuple[Client, ...]:
        """Return the connections that are open now."""
        return (*self._idle, *self._busy)

    async def wait_empty(self, within_s: float) -> bool:
        """Wait until no connection is open; return whether that was in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
