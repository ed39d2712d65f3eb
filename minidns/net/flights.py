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


class _Flight(Generic[R]):
    """One exchange, and how many wait for it."""

    __slots__ = ("result", "task", "waiting")

    def __init__(self) -> None:
        self.result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None
        self.waiting = 0


class Flights(Generic[R]):
    """The exchanges under way, by what is asked."""

    def __init__(
        self, start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]]
    ) -> None:
        """``start`` runs a coroutine in the background."""
        self._start = start
        self._flying: dict[Hashable, _Flight[R]] = {}
        self._lines: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._flying)

    async def join(
        self, key: Hashable, line: Hashable | None, ask: Callable[[], Awaitable[R]]
    ) -> R:
        """Return what ``ask`` gives, called once for all that come with ``key``.

        Of several keys with the same ``line`` one is asked at a time. May be awaited
        outside a task. Cancelling one that waits leaves the others their answer; when
        nobody waits any more, nobody is asked any more.

        Raises:
            Exception: what ``ask`` raised, the same one to all; or ConnectionError when
                the background was stopped.

        """
        flight = self._flying.get(key)
        if flight is None:
            flight = self._flying[key] = _Flight()
            flight.task = self._start(self._fly(line, ask, flight.result))
            flight.task.add_done_callback(functools.partial(self._end, key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.result)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.result.done():
                self._forget(key, flight)
                assert flight.task is not None
                flight.task.cancel()

    async def _fly(
        self,
        line: Hashable | None,
        ask: Callable[[], Awaitable[R]],
        result: asyncio.Future[R],
    ) -> None:
        try:
            if line is None:
                result.set_result(await ask())
                return
            async with self._lines.setdefault(line, asyncio.Lock()):
                result.set_result(await ask())
        except Exception as exc:
            result.set_exception(exc)

    def _end(self, key: Hashable, flight: _Flight[R], _: asyncio.Task[None]) -> None:
        self._forget(key, flight)
        if not flight.result.done():
            flight.result.set_exception(ConnectionError("stopped while waiting"))
        flight.result.exception()  # everybody may have left: nobody has to read it

    def _forget(self, key: Hashable, flight: _Flight[R]) -> None:
        if self._flying.get(key) is flight:
            del self._flying[key]
