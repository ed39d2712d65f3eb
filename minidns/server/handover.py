"""A new process takes over from an old one on the same host (``-handover SOCKET``).

The new one starts, and waits until it is ready to answer. Then it gets the old one's
sockets: the very same, so that no datagram and no connection in their queues is lost,
whoever reads it. Once it answers, the old one reads no more, finishes what is under way
and ends. For a while both answer; there is no moment when nobody does.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from minidns.server.instance import Listener
from minidns.server.listener import Bound
from minidns.server.succession import (
    LOOK_EVERY_S,
    Predecessor,
    Shares,
    Successors,
    close,
)

log = logging.getLogger("minidns")


class Handover:
    """Both sides of it, for a server that serves whatever ``loaded`` last was."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._before: Predecessor | None = None
        self._given: dict[Listener, list[list[Bound]]] = {}
        self._after: Successors | None = None

    async def begin(self, is_ready: Callable[[], bool]) -> None:
        """Wait until we are ready, while another serves; then ask for its sockets.

        Raises:
            OSError: there is one, but it does not give them.

        """
        while self._path and (before := await Predecessor.at(self._path)) is not None:
            self._before = before
            with contextlib.suppress(ConnectionError):  # it has ended: look again
                if await before.wait(is_ready):
                    self._given = await before.sockets()
                    return
            before.close()
            self._before = None
            await asyncio.sleep(LOOK_EVERY_S)

    def take(self, listener: Listener) -> list[list[Bound]]:
        """Return the sockets that the predecessor had for ``listener``, if any."""
        return self._given.pop(listener, [])

    async def finish(
        self,
        shares: Callable[[], Mapping[Listener, Shares]],
        relieved: Callable[[int], None],
    ) -> None:
        """Let the predecessor go, and wait for a successor, who is told ``shares``.

        Raises:
            OSError: that is not possible.

        """
        close(self._given)
        self._given.clear()
        if not self._path:
            return
        self._after = Successors(self._path, shares, relieved)
        await self._after.open()
        if self._before is not None:
            await self._before.relieve()
            log.info("Took over from process %d", self._before.pid)
            self._before.close()

    async def close(self) -> None:
        """End our part in it."""
        close(self._given)
        if self._before is not None:
            self._before.close()
        if self._after is not None:
            await self._after.close()
