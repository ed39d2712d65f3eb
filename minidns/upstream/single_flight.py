"""Questions on their way: each is asked once, however many wait for the answer.

Many queries for one name at a time are many chances for a forged reply to fit one of
them (birthday attack, CVE-2023-30464). So equal questions share one exchange, and those
that differ only in what a client can vary at will stand in line behind each other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from minidns.upstream.errand import Errand

R = TypeVar("R")


class Flight(Generic[R]):
    """One exchange, and who waits for it."""

    __slots__ = ("errand", "key", "left", "line", "waiting")

    def __init__(self, key: Hashable, line: Hashable | None) -> None:
        self.key = key
        self.line = self if line is None else line  # else a line of its own
        self.waiting: list[asyncio.Future[R]] = []
        self.left = 0
        self.errand: Errand | None = None
        """The coroutine that asks."""

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it."""
        return self.left < len(self.waiting)

    def land(self, result: R) -> None:
        """Give ``result`` to all who still wait."""
        for each in self.waiting:
            if not each.done():
                each.set_result(result)

    def fail(self, error: Exception) -> None:
        """Give ``error`` to all who still wait."""
        for each in self.waiting:
            if not each.done():
                each.set_exception(error)


class Flights(Generic[R]):
    """The exchanges under way, by what is asked."""

    def __init__(self) -> None:
        self._flying: dict[Hashable, Flight[R]] = {}
        self._lines: dict[Hashable, list[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    async def join(
        self, key: Hashable, line: Hashable | None, ask: Callable[[], Awaitable[R]]
    ) -> R:
        """Return what ``ask`` gives, called once for all that come with ``key``.

        Of several keys with the same ``line`` one is asked at a time. May be awaited
        outside a task, and so is what ``ask`` gives. Cancelling one that waits leaves
        the others their answer; when nobody waits any more, nobody is asked any more.

        Raises:
            Exception: what ``ask`` raised, the same one to all; or ConnectionError when
                the flights were stopped.

        """
        mine: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        flight = self._flying.get(key)
        if flight is None:
            flight = self._flying[key] = Flight(key, line)
            flight.waiting.append(mine)
            flight.errand = Errand(self._fly(flight, ask), _landed)
            flight.errand.step()
        else:
            flight.waiting.append(mine)
        try:
            return await mine
        except BaseException:
            if self._flying.get(key) is flight:  # it has not landed: one leaves
                flight.left += 1
                if flight.errand and not flight.is_awaited:
                    del self._flying[key]
                    flight.errand.cancel()
            raise

    async def stop(self) -> None:
        """End all exchanges; those who wait are told."""
        for flight in tuple(self._flying.values()):
            if flight.errand:
                flight.errand.cancel()
        await asyncio.sleep(0)  # they end in the loop's next turn

    async def _fly(self, flight: Flight[R], ask: Callable[[], Awaitable[R]]) -> None:
        """Ask when it is the flight's turn."""
        try:
            if flight.line in self._lines:
                await self._turn(flight.line)
            else:
                self._lines[flight.line] = []
            try:
                result = await ask()
            finally:
                self._next(flight.line)
        except asyncio.CancelledError:
            flight.fail(ConnectionError("stopped while waiting"))
        except Exception as exc:
            flight.fail(exc)
        else:
            flight.land(result)
        finally:
            if self._flying.get(flight.key) is flight:
                del self._flying[flight.key]

    async def _turn(self, line: Hashable) -> None:
        """Wait until all have asked that came before in the same ``line``."""
        turn = asyncio.get_running_loop().create_future()
        self._lines[line].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn had come
                self._next(line)
            raise

    def _next(self, line: Hashable) -> None:
        behind = self._lines[line]
        while behind:
            turn = behind.pop(0)
            if not turn.done():
                turn.set_result(None)
                return
        del self._lines[line]


def _landed(_: Errand, failure: Exception | None) -> None:
    """Do nothing: all who waited were told."""
