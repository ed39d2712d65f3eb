"""Single flight: equal queries to upstreams share one exchange.

Many exchanges for one name at a time are many chances for a forged reply to fit one of
them (birthday attack, CVE-2023-30464). Therefore callers with the same key share one
task, and of the tasks of one *queue* only a few run at a time: these are for queries
that differ only in what a client can vary at will.

No caller may suffer from what others asked for. A call that began a while ago may have
lost its packet, so it is not joined any more. And an upstream may be silent to some
variants of a query, so several run at a time, and one client cannot occupy all turns.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from minidns.upstream.turns import Turns

R = TypeVar("R")

JOINED_S = 0.5
"""Seconds after its start in which others join a call. Most upstreams reply sooner. A
query that comes later is sent itself: the packet of the first may have been lost."""
AT_ONCE = 16
"""Calls of a queue at a time: each is a chance for a forged reply."""
AT_ONCE_PER_CLIENT = 8
"""Calls of a queue at a time that one client has begun."""


class _Flight(Generic[R]):
    """A call, and one future for each caller that waits for its result.

    If the callers awaited the task itself, cancelling one would cancel it for all.
    """

    __slots__ = ("began", "task", "waiters")

    def __init__(self, began: float) -> None:
        self.began = began
        self.task: asyncio.Task[None] | None = None
        self.waiters: list[asyncio.Future[R]] = []

    def land(self, result: R) -> None:
        """Give ``result`` to the callers."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise ``error`` in the callers."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(error)


class SingleFlight(Generic[R]):
    """The calls in flight, by key."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._flights: dict[Hashable, _Flight[R]] = {}
        """The newest call of each key."""
        self._turns = Turns(AT_ONCE)
        self._turns_of_clients = Turns(AT_ONCE_PER_CLIENT)
        self._flying: set[_Flight[R]] = set()
        """All calls, also those that are not joined any more."""

    def __len__(self) -> int:
        return len(self._flying)

    async def run(
        self,
        key: Hashable,
        queue: Hashable | None,
        client: Hashable,
        call: Callable[[], Awaitable[R]],
    ) -> R:
        """Return the result of ``call``, called once for all callers with ``key``.

        Of several keys with the same ``queue``, a few are called at a time, and fewer
        for the same ``client``. When a caller is cancelled, the others still get the
        result; when the last one is cancelled, so is the call.

        Raises:
            Exception: what ``call`` raised, the same exception for all.
            ConnectionError: `close` was called.

        """
        if queue is None or self._joinable(key) is not None:
            return await self._join(key, queue, call)
        turn = queue, client
        if not self._turns_of_clients.take(turn):
            await self._turns_of_clients.wait(turn)
        try:
            return await self._join(key, queue, call)
        finally:
            self._turns_of_clients.release(turn)

    def _joinable(self, key: Hashable) -> _Flight[R] | None:
        """Return the call with ``key`` if it began a short time ago."""
        flight = self._flights.get(key)
        if flight is None or self._now() - flight.began > JOINED_S:
            return None
        return flight

    async def _join(
        self, key: Hashable, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        loop = asyncio.get_running_loop()
        flight = self._joinable(key)
        if flight is None:
            flight = self._flights[key] = _Flight(self._now())
            self._flying.add(flight)
            flight.task = loop.create_task(self._fly(flight, key, queue, call))
        waiter: asyncio.Future[R] = loop.create_future()
        flight.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self._leave(flight, key, waiter)
            raise

    def _leave(
        self, flight: _Flight[R], key: Hashable, waiter: "asyncio.Future[R]"
    ) -> None:
        if waiter.done() and not waiter.cancelled():  # landed in the same iteration
            waiter.exception()  # asyncio logs exceptions that nobody retrieves
        flight.waiters.remove(waiter)
        if not flight.waiters:
            self._remove(flight, key)  # the next caller begins a new flight
            assert flight.task is not None
            flight.task.cancel()

    async def _fly(
        self,
        flight: _Flight[R],
        key: Hashable,
        queue: Hashable | None,
        call: Callable[[], Awaitable[R]],
    ) -> None:
        """Run ``call`` when it is its turn, and give the outcome to the callers."""
        try:
            result = await self._in_turn(queue, call)
        except asyncio.CancelledError:
            self._remove(flight, key)
            flight.fail(ConnectionError("stopped while waiting"))
            raise
        except Exception as exc:
            self._remove(flight, key)
            flight.fail(exc)
        else:
            self._remove(flight, key)
            flight.land(result)

    def _remove(self, flight: _Flight[R], key: Hashable) -> None:
        """Remove ``flight``; another one may have its key already."""
        self._flying.discard(flight)
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _in_turn(
        self, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        if queue is None:
            return await call()
        if not self._turns.take(queue):
            await self._turns.wait(queue)
        try:
            return await call()
        finally:
            self._turns.release(queue)

    async def close(self) -> None:
        """Cancel all calls; their callers get a ConnectionError."""
        stopped = ConnectionError("stopped while waiting")
        self._turns_of_clients.fail(stopped)
        flights, self._flying = self._flying, set()
        self._flights.clear()
        tasks = [flight.task for flight in flights if flight.task is not None]
        for task in tasks:
            task.cancel()
        for flight in flights:
            flight.fail(stopped)
        if tasks:
            await asyncio.wait(tasks)
