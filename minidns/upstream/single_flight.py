"""Single flight: equal queries to upstreams share one exchange.

Many exchanges for one name at a time are many chances for a forged reply to fit one of
them (birthday attack, CVE-2023-30464). So callers with the same key share one task, and
the tasks of one *queue* run one after the other: these are for queries that differ only
in what a client can vary at will.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

R = TypeVar("R")


class Flight(Generic[R]):
    """One call, and how many wait for its result."""

    __slots__ = ("callers", "task")

    def __init__(self, task: "asyncio.Task[R]") -> None:
        self.task = task
        self.callers = 0


class SingleFlight(Generic[R]):
    """The calls in flight, by key."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[R]] = {}
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        """A lock for each queue, while a task holds it or waits for it."""

    def __len__(self) -> int:
        return len(self._flights)

    async def run(
        self, key: Hashable, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        """Return the result of ``call``, called once for all who wait with ``key``.

        Of several keys with the same ``queue`` one is called at a time. When one of
        those who wait is cancelled, the others still get the result; when the last one
        is, so is the call.

        Raises:
            Exception: what ``call`` raised, the same exception for all.
            ConnectionError: `close` came first.

        """
        flight = self._flights.get(key)
        if flight is None:
            task = asyncio.get_running_loop().create_task(self._call(queue, call))
            flight = self._flights[key] = Flight(task)
            task.add_done_callback(partial(self._landed, key))
        task = flight.task
        # one future per caller: asyncio.shield would report an exception that comes
        # after the last caller has left, and asyncio.wait takes three times the memory
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake = partial(_wake, waiter)
        task.add_done_callback(wake)
        flight.callers += 1
        try:
            await waiter
        finally:
            task.remove_done_callback(wake)
            flight.callers -= 1
            if not flight.callers and not task.done():
                del self._flights[key]  # the next caller begins a new one
                task.cancel()
        if task.cancelled():
            raise ConnectionError("stopped while waiting")
        return task.result()

    async def _call(
        self, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        if queue is None:
            return await call()
        lock = self._locks.setdefault(queue, asyncio.Lock())
        async with lock:
            return await call()

    def _landed(self, key: Hashable, task: "asyncio.Task[R]") -> None:
        if (flight := self._flights.get(key)) is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # nobody may be left to hear of it

    async def close(self) -> None:
        """Cancel all calls; those who wait get a ConnectionError."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _wake(waiter: "asyncio.Future[None]", _: object) -> None:
    if not waiter.done():
        waiter.set_result(None)
