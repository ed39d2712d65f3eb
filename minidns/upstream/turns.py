"""Limits how many tasks with the same key run at a time; others wait in order."""

import asyncio
from collections import deque
from collections.abc import Hashable


class Turns:
    """The turns of tasks: up to ``at_once`` with the same key run at a time.

    Unlike a semaphore for each key, a free turn is taken without a coroutine, and a key
    that nobody uses takes no memory.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._taken: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    def take(self, key: Hashable) -> bool:
        """Take a turn of ``key`` if one is free, and return whether it was.

        A turn must be released.
        """
        taken = self._taken.get(key, 0)
        if taken == self._at_once:
            return False
        self._taken[key] = taken + 1
        return True

    async def wait(self, key: Hashable) -> None:
        """Wait for a turn of ``key``, when none is free."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn came in the same iteration
                self.release(key)
            raise

    def release(self, key: Hashable) -> None:
        """Give a turn of ``key`` to the first that waits for one."""
        waiting = self._waiting.get(key)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        if waiting is not None:
            del self._waiting[key]
        if self._taken[key] == 1:
            del self._taken[key]
        else:
            self._taken[key] -= 1

    def fail(self, error: Exception) -> None:
        """Raise ``error`` in all that wait."""
        for waiting in self._waiting.values():
            for turn in waiting:
                if not turn.done():
                    turn.set_exception(error)
