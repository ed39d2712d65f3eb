"""A steady rate: each turn comes a fixed time after the one before."""

import asyncio
from contextlib import suppress

_SLACK_S = 0.01
"""The loop wakes late by some milliseconds: turns as old as this are made up for."""


class Pace:
    """Gives turns at ``rate`` a second; turns that nobody took are not made up for."""

    def __init__(self, rate: float) -> None:
        """``rate`` is above 0."""
        self._interval_s = 1 / rate
        self._next = 0.0

    async def turn(self, stop: asyncio.Event | None = None) -> None:
        """Wait for the next turn, or until ``stop`` is set."""
        now = asyncio.get_running_loop().time()
        at = max(self._next, now - _SLACK_S)
        self._next = at + self._interval_s
        if at <= now:
            # other tasks run also while the rate is more than the machine can do
            await asyncio.sleep(0)
        elif stop is None:
            await asyncio.sleep(at - now)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(at - now):
                    await stop.wait()
