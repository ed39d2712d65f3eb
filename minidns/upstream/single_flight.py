"""Single flight: equal queries to upstreams share one exchange.

Many exchanges for one name at a time are many chances for a forged reply to fit one of
them (birthday attack, CVE-2023-30464). Therefore callers with the same key share one
call, and the calls of one *queue* run one after the other: these are for queries that
differ only in what a client can vary at will.

The first caller makes the call in its own task, because another task would cost as much
as the call. When it is cancelled, one of the others calls again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

R = TypeVar("R")


class _Flight(Generic[R]):
    """A call: the task that makes it, and a future for each caller that waits."""

    __slots__ = ("_is_stopped", "_task", "_waiters")

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self._task = task
        self._waiters: list[asyncio.Future[R | None]] = []
        self._is_stopped = False

    async def wait(self) -> R | None:
        """Return the result of the call; None if its caller was cancelled."""
        waiter: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # in the same iteration
                waiter.exception()  # asyncio logs exceptions that nobody retrieves
            raise

    def land(self, result: R | None) -> None:
        """Give ``result`` to the callers that wait."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise ``error`` in the callers that wait."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)

    def stop(self) -> "asyncio.Future[R | None]":
        """Cancel the call, but not the task that makes it; return the end of it."""
        self._is_stopped = True
        self._task.cancel()
        end: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(end)
        return end

    def is_cancelled(self) -> bool:
        """Return whether the task was cancelled, and not only the call."""
        if self._is_stopped:
            return self._task.uncancel() > 0
        return self._task.cancelling() > 0


class SingleFlight(Generic[R]):
    """The calls in flight, by key."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[R]] = {}
        self._busy: set[Hashable] = set()
        """The queues with a running call."""
        self._queues: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """The calls that wait for their turn, by queue."""

    def __len__(self) -> int:
        return len(self._flights)

    async def run(
        self, key: Hashable, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        """Return the result of ``call``, called once for all callers with ``key``.

        Of several keys with the same ``queue`` one is called at a time. The result is
        not None. When the caller that called is cancelled, so is the call, and the next
        caller calls; a caller that only waits takes nothing from the others.

        Raises:
            Exception: what ``call`` raised, the same exception for all.
            ConnectionError: `close` was called.

        """
        while (flight := self._flights.get(key)) is not None:
            if (known := await flight.wait()) is not None:
                return known
        task = asyncio.current_task()
        assert task is not None
        flight = self._flights[key] = _Flight(task)
        try:
            if queue in self._busy:
                await self._wait_for_turn(queue)
            elif queue is not None:
                self._busy.add(queue)
            try:
                result = await call()
            finally:
                self._start_next(queue)
        except asyncio.CancelledError:
            del self._flights[key]
            if flight.is_cancelled():
                flight.land(None)
                raise
            error = ConnectionError("stopped while waiting")
            flight.fail(error)
            raise error from None
        except Exception as exc:
            del self._flights[key]
            flight.fail(exc)
            raise
        del self._flights[key]
        flight.land(result)
        return result

    async def _wait_for_turn(self, queue: Hashable) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(queue, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # the turn has come already: pass it on, or the queue would stand still
            if not turn.cancelled():
                self._start_next(queue)
            raise

    def _start_next(self, queue: Hashable | None) -> None:
        turns = self._queues.get(queue)
        while turns:
            turn = turns.popleft()
            # skip turns whose callers have all gone
            if not turn.done():
                turn.set_result(None)
                return
        self._queues.pop(queue, None)
        self._busy.discard(queue)

    async def close(self) -> None:
        """Cancel all calls; their callers get a ConnectionError."""
        ends = [flight.stop() for flight in self._flights.values()]
        await asyncio.gather(*ends, return_exceptions=True)
