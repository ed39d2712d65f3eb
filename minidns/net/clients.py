"""Who is connected: bounded in all and for each client, the longest idle makes room.

The newest connection is served whoever sits on the others, as long as one of them is
doing nothing. A client that keeps all of its own connections busy is refused more.
"""

import asyncio
from collections import OrderedDict
from typing import Protocol


class Client(Protocol):
    """An open connection."""

    host: str
    """The address at its other end."""

    @property
    def idle(self) -> bool:
        """Whether nothing is in work for it."""

    def stop(self) -> None:
        """End it when what is in work for it is answered."""

    def hang_up(self) -> None:
        """End it at once."""


class Clients:
    """The open connections of a listener, the least recently used first."""

    def __init__(self, most: int, most_each: int) -> None:
        """Hold up to ``most``, and up to ``most_each`` of one address."""
        self._most = most
        self._most_each = most_each
        self._all: OrderedDict[Client, None] = OrderedDict()
        self._by_host: dict[str, OrderedDict[Client, None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, client: Client) -> bool:
        """Take ``client`` in, if there is or can be made room for it."""
        own = self._by_host.get(client.host, ())
        if len(own) >= self._most_each and not make_room(own):
            return False
        if len(self._all) >= self._most and not self.make_room():
            return False
        self._all[client] = None
        self._by_host.setdefault(client.host, OrderedDict())[client] = None
        self._empty.clear()
        return True

    def make_room(self) -> bool:
        """End the connection that has been idle for longest; return whether one was."""
        return make_room(self._all)

    def used(self, client: Client) -> None:
        """Note that ``client`` has just asked something."""
        if client in self._all:
            self._all.move_to_end(client)
            self._by_host[client.host].move_to_end(client)

    def left(self, client: Client) -> None:
        """Forget ``client``; again does no harm."""
        if client not in self._all:
            return
        del self._all[client]
        own = self._by_host[client.host]
        del own[client]
        if not own:
            del self._by_host[client.host]
        if not self._all:
            self._empty.set()

    def each(self) -> tuple[Client, ...]:
        """Return those that are connected now."""
        return tuple(self._all)

    async def gone(self, within_s: float) -> bool:
        """Wait for all to leave; return whether they did in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True


def make_room(clients: "OrderedDict[Client, None] | tuple[Client, ...]") -> bool:
    """End the first idle one of ``clients``; return whether there was one."""
    for client in clients:
        if client.idle:
            client.hang_up()
            return True
    return False
