"""A coroutine carried on by what it waits for: a Task at a third of the cost.

There is one for each query that is forwarded. It takes its first step at once, not in
the loop's next turn, and no task stands around it: what it awaits must not ask for the
current one (``asyncio.timeout`` does).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

Work: TypeAlias = Coroutine[Any, Any, None]


class Errand:
    """One coroutine on its way."""

    __slots__ = ("_cancelled", "_ended", "_waiting", "_work")

    def __init__(
        self, work: Work, ended: "Callable[[Errand, Exception | None], None]"
    ) -> None:
        """Tell ``ended`` of the end, and of what went wrong; a cancelling did not."""
        self._work = work
        self._ended = ended
        self._waiting: asyncio.Future[Any] | None = None
        self._cancelled = False

    def step(self, _: object = None) -> None:
        """Go on until ``work`` waits or ends."""
        try:
            if self._cancelled:
                self._cancelled = False
                waiting = self._work.throw(asyncio.CancelledError())
            else:
                waiting = self._work.send(None)
        except (StopIteration, asyncio.CancelledError):
            self._ended(self, None)
        except Exception as exc:
            self._ended(self, exc)
        else:
            self.carry_on(waiting)

    def carry_on(self, waiting: "asyncio.Future[Any] | None") -> None:
        """Take the next step when what ``work`` waits for is done."""
        if waiting is None:  # a bare yield: the loop's next turn
            waiting = asyncio.get_running_loop().create_task(asyncio.sleep(0))
        # what a Task does with a future that was awaited (PEP 3156)
        waiting._asyncio_future_blocking = False
        self._waiting = waiting
        waiting.add_done_callback(self.step)

    def cancel(self) -> None:
        """Raise CancelledError in ``work`` where it waits, in the loop's next turn."""
        if self._waiting is not None and not self._waiting.cancel():
            self._cancelled = True
