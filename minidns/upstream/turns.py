"""Turns: of those that want the same, a few go at a time, in order of arrival."""

import asyncio
from collections import deque
from collections.abc import Hashable


class _Line:
    """The turns of one key."""

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Turns:
    """Up to ``at_once`` turns of each key are taken at a time, in order of arrival."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._lines: dict[Hashable, _Line] = {}

    async def take(self, key: Hashable) -> None:
        """Wait for a turn of ``key``, which must be released."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        if line.taken < self._at_once:
            line.taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn came in the same iteration
                self.release(key)
            raise

    def release(self, key: Hashable) -> None:
        """Give a turn of ``key`` to whoever waits for one."""
        line = self._lines[key]
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        line.taken -= 1
        if not line.taken:
            del self._lines[key]

    def fail(self, error: Exception) -> None:
        """Raise ``error`` in all that wait."""
        for line in self._lines.values():
            for turn in line.waiting:
                if not turn.done():
                    turn.set_exception(error)
