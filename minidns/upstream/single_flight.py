"""Single flight: equal queries to upstreams share one exchange.

Many exchanges for one name at a time are many chances for a forged reply to fit one of
them (birthday attack, CVE-2023-30464). Therefore callers with the same key share one
task, and the tasks of one *queue* run one after the other: these are for queries that
differ only in what a client can vary at will.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

R = TypeVar("R")


class _Flight(Generic[R]):
    """A call, and one future for each caller that waits for its result.

    If the callers awaited the task itself, cancelling one would cancel it for all.
    """

    __slots__ = ("task", "waiters")

    def __init__(self) -> None:
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

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[R]] = {}
        self._queues: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """The flights that wait for their turn, for each queue with a running call."""

    def __len__(self) -> int:
        return len(self._flights)

    async def run(
        self, key: Hashable, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        """Return the result of ``call``, called once for all callers with ``key``.

        Of several keys with the same ``queue`` one is called at a time. When a caller
        is cancelled, the others still get the result; when the last one is cancelled,
        so is the call.

        Raises:
            Exception: what ``call`` raised, the same exception for all.
            ConnectionError: `close` was called.

        """
        loop = asyncio.get_running_loop()
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
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
        if not flight.waiters and self._flights.get(key) is flight:
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
        """Remove ``flight``, unless another one has its key already."""
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _in_turn(
        self, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        if queue is None:
            return await call()
        if queue in self._queues:
            await self._wait_for_turn(queue)
        else:
            self._queues[queue] = deque()
        try:
            return await call()
        finally:
            self._start_next(queue)

    async def _wait_for_turn(self, queue: Hashable) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues[queue].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._start_next(queue)
            raise

    def _start_next(self, queue: Hashable) -> None:
        turns = self._queues[queue]
        while turns:
            turn = turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[queue]

    async def close(self) -> None:
        """Cancel all calls; their callers get a ConnectionError."""
        flights, self._flights = list(self._flights.values()), {}
        tasks = [flight.task for flight in flights if flight.task is not None]
        for task in tasks:
            task.cancel()
        for flight in flights:
            flight.fail(ConnectionError("stopped while waiting"))
        if tasks:
            await asyncio.wait(tasks)
