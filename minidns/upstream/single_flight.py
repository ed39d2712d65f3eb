"""Single flight: equal queries to upstreams share one exchange.

Many exchanges for one name at a time are many chances for a forged reply to fit one of
them (birthday attack, CVE-2023-30464). Therefore callers with the same key share one
call, and the calls of one *queue* run one after the other: these are for queries that
differ only in what a client can vary at will.

The first caller makes the call in its own task, because another task would cost as much
as the call. When it is cancelled while others wait, the call is repeated once, in a
task of its own that ends when nobody waits: a flood of queries for one slow name, in
which the oldest are evicted all the time, must not begin again and again.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

R = TypeVar("R")


class _Flight(Generic[R]):
    """A call: the task that makes it, and a future for each caller that waits."""

    __slots__ = ("_is_stopped", "_task", "_waiters", "is_own")

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._waiters: list[asyncio.Future[R | None]] = []
        self._is_stopped = False
        self.is_own = False
        """True if the task is for the call alone, and not that of a caller."""

    async def wait(self) -> R | None:
        """Return the result of the call; None if its caller was cancelled."""
        waiter: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # in the same iteration
                waiter.exception()  # asyncio logs exceptions that nobody retrieves
            elif self.is_own and all(other.done() for other in self._waiters):
                self._cancel()
            raise

    def begin(self) -> None:
        """Note that the running task makes the call."""
        self._task = asyncio.current_task()
        if self._is_stopped:
            self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

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
        self._cancel()
        end: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(end)
        return end

    def is_cancelled(self) -> bool:
        """Return whether the task was cancelled, and not only the call."""
        assert self._task is not None
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
        self._repeated: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._flights)

    async def run(
        self, key: Hashable, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> R:
        """Return the result of ``call``, called once for all callers with ``key``.

        Of several keys with the same ``queue`` one is called at a time. The result is
        not None. When the caller that called is cancelled, so is the call, and it is
        repeated for the others; when the last one is cancelled, so is that call.

        Raises:
            Exception: what ``call`` raised, the same exception for all.
            ConnectionError: `close` was called.

        """
        while (flight := self._flights.get(key)) is not None:
            if (known := await flight.wait()) is not None:
                return known
            if key not in self._flights:
                self._repeat(key, queue, call)
        flight = self._flights[key] = _Flight()
        return await self._fly(flight, key, queue, call)

    def _repeat(
        self, key: Hashable, queue: Hashable | None, call: Callable[[], Awaitable[R]]
    ) -> None:
        """Call again in a task that is not cancelled with one of the callers."""
        flight = self._flights[key] = _Flight()
        flight.is_own = True

        async def repeat() -> None:
            with contextlib.suppress(Exception):  # the callers get it
                await self._fly(flight, key, queue, call)

        task = asyncio.get_running_loop().create_task(repeat(), name="exchange")
        self._repeated.add(task)
        task.add_done_callback(self._repeated.discard)

    async def _fly(
        self,
        flight: _Flight[R],
        key: Hashable,
        queue: Hashable | None,
        call: Callable[[], Awaitable[R]],
    ) -> R:
        """Call when it is the turn of ``flight``, and share the outcome."""
        flight.begin()
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
