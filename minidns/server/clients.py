"""Who is connected, and who has to leave for another.

A connection is *idle* while nothing is in work for it: also when only a part of a query
has come. What an address can hold idle is limited; what is being answered is not, as
one address may be a node's whole cache (NodeLocal DNSCache with ``force_tcp``), a
gateway, or every pod of a host network.

Where there is no room for one more in all, the longest idle is ended; where none is
idle, the one that waits for longest, as it has had its chance (see ``waiting``). So
whoever comes is served, whoever sits on the others.
"""

import asyncio
from collections import OrderedDict
from typing import Protocol

GRACE_S = 0.5
"""Seconds that a connection too many has at least for its query: a client may open all
of its connections before it asks on the first."""


class Client(Protocol):
    """An open connection."""

    host: str
    """The address at its other end."""

    def stop(self) -> None:
        """End it when what is in work for it is answered."""

    def give_up(self) -> None:
        """End it now; what is in work for it is answered SERVFAIL."""

    def hang_up(self) -> None:
        """End it at once, without a word."""


class Clients:
    """The open connections of a listener."""

    def __init__(self, most: int, most_idle_each: int) -> None:
        """Hold up to ``most``, and up to ``most_idle_each`` idle ones of an address."""
        self._most = most
        self._most_idle_each = most_idle_each
        self._idle: OrderedDict[Client, None] = OrderedDict()
        """Longest idle first."""
        self._busy: OrderedDict[Client, None] = OrderedDict()
        """Longest busy first."""
        self._held: dict[str, OrderedDict[Client, float]] = {}
        """By address: the idle ones, longest first, and since when (loop seconds)."""
        self._trims: dict[str, asyncio.TimerHandle] = {}
        """By address: what ends the idle ones that are too many."""
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def admit(self, client: Client) -> bool:
        """Take ``client`` in; return whether another had to leave for it."""
        is_full = len(self) >= self._most
        if is_full:
            self.make_room()
        self._empty.clear()
        self._hold(client)
        return is_full

    def make_room(self) -> None:
        """End a connection, if there is one: the longest idle, else the oldest busy."""
        if self._idle:
            next(iter(self._idle)).hang_up()
        elif self._busy:
            oldest = next(iter(self._busy))
            self.left(oldest)
            oldest.give_up()

    def works(self, client: Client) -> None:
        """Note that something is in work for ``client`` from now on."""
        if client in self._idle:
            self._forget_idle(client)
            self._busy[client] = None

    def rests(self, client: Client) -> None:
        """Note that all that ``client`` asked is answered."""
        if client in self._idle or client in self._busy:
            self._busy.pop(client, None)
            self._forget_idle(client)
            self._hold(client)

    def _hold(self, client: Client) -> None:
        self._idle[client] = None
        held = self._held.setdefault(client.host, OrderedDict())
        held[client] = asyncio.get_running_loop().time()
        self._trim_later(client.host)

    def _trim_later(self, host: str) -> None:
        is_over = len(self._held.get(host, ())) > self._most_idle_each
        if is_over and host not in self._trims:
            loop = asyncio.get_running_loop()
            self._trims[host] = loop.call_later(GRACE_S, self._trim, host)

    def _trim(self, host: str) -> None:
        """End the idle connections that are too many, but not those that just came."""
        del self._trims[host]
        held = self._held.get(host, OrderedDict())
        until = asyncio.get_running_loop().time() - GRACE_S
        for client in list(held)[: -self._most_idle_each]:
            if held[client] <= until:
                client.hang_up()
        self._trim_later(host)

    def left(self, client: Client) -> None:
        """Forget ``client``; again does no harm."""
        self._forget_idle(client)
        self._busy.pop(client, None)
        if not len(self):
            self._empty.set()

    def _forget_idle(self, client: Client) -> None:
        self._idle.pop(client, None)
        if (held := self._held.get(client.host)) is not None:
            held.pop(client, None)
            if not held:
                del self._held[client.host]

    def each(self) -> tuple[Client, ...]:
        """Return those that are connected now."""
        return (*self._idle, *self._busy)

    async def gone(self, within_s: float) -> bool:
        """Wait for all to leave; return whether they did in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
