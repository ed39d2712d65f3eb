"""How late this process is: its event loop wakes a task later than the task asked for.

A process that gets no processor time, or whose machine stands still, measures its own
delay instead of the network's. `Lateness` tells the two apart afterwards.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

STEP_S = 0.05
"""Seconds for which the task sleeps."""
KEPT = 2000
"""Sleeps that are remembered: 100 s at least."""


@dataclass(slots=True)
class Lateness:
    """Measures how late the event loop is, while `run` runs."""

    now: Callable[[], float]
    """Returns the seconds of the event loop."""
    _due: float = float("inf")
    """When the present sleep should end."""
    _late: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=KEPT)
    )
    """The end of each sleep, and the seconds by which it was late."""

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._due = self.now() + STEP_S
            await asyncio.sleep(STEP_S)
            now = self.now()
            self._late.append((now, now - self._due))

    def since(self, start: float) -> float:
        """Return for how many of the seconds since ``start`` the loop was late."""
        now = self.now()
        total = min(max(now - self._due, 0.0), now - start)
        for end, late_s in reversed(self._late):
            if end <= start:
                break
            total += min(late_s, end - start)
        return total
