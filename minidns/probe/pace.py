"""A steady rate: each turn comes a fixed time after the one before."""

import asyncio


class Pace:
    """Gives turns at ``rate`` a second; turns that nobody took are not made up for."""

    def __init__(self, rate: float) -> None:
        """``rate`` is above 0."""
        self._interval_s = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = asyncio.get_running_loop().time()
        at = max(self._next, now - _SLACK_S)
        self._next = at + self._interval_s
        if at > now:
            await asyncio.sleep(at - now)


_SLACK_S = 0.01
"""The loop wakes late by a few milliseconds: turns this old are still given."""
