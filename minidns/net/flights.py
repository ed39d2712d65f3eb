"""Questions on their way: each is asked once, however many wait for the answer.

Many queries for one name at a time are many chances for a forged reply to fit one of
them (birthday attack, CVE-2023-30464). So equal questions share one exchange, and those
that differ only in what a client can vary at will stand in line behind each other.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

R = TypeVar("R")


class Flights(Generic[R]):
    """The exchanges under way, by what is asked."""

    def __init__(
        self, start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]]
    ) -> None:
        """``start`` runs a coroutine in the background."""
        self._start = start
        self._flying: dict[Hashable, asyncio.Future[R]] = {}
        self._lines: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._flying)

    async def join(
        self, key: Hashable, line: Hashable | None, ask: Callable[[], Awaitable[R]]
    ) -> R:
        """Return what ``ask`` gives, called once for all that come with ``key``.

        Of several keys with the same ``line`` one is asked at a time. May be awaited
        outside a task. Cancelling one that waits leaves the others their answer.

        Raises:
            Exception: what ``ask`` raised, the same one to all; or ConnectionError when
                the background was stopped.

        """
        flight = self._flying.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_future()
            self._flying[key] = flight
            task = self._start(self._fly(line, ask, flight))
            task.add_done_callback(functools.partial(self._landed, key, flight))
        return await asyncio.shield(flight)

    async def _fly(
        self,
        line: Hashable | None,
        ask: Callable[[], Awaitable[R]],
        flight: asyncio.Future[R],
    ) -> None:
        try:
            if line is None:
                flight.set_result(await ask())
                return
            async with self._lines.setdefault(line, asyncio.Lock()):
                flight.set_result(await ask())
        except Exception as exc:
            flight.set_exception(exc)

    def _landed(
        self, key: Hashable, flight: asyncio.Future[R], _: asyncio.Task[None]
    ) -> None:
        del self._flying[key]
        if not flight.done():
            flight.set_exception(ConnectionError("stopped while waiting"))
        flight.exception()  # everybody may have left: nobody has to read it
