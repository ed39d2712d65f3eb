"""Queries that wait for something: bounded in number, the oldest makes room.

When more wait than may, somebody must go without an answer. Not the newest: then a
client that asks for names nobody answers holds every place until the deadlines, and
everyone who comes after it is turned away. The oldest has had its chance: what can be
answered is answered in milliseconds, and whoever has waited longest is the likeliest
to have given up or asked again. So places change hands at the speed of the attack,
and an answer that comes sooner than that still finds its query.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from minidns.net.answer import carry_on


class Waiting:
    """Tasks that wait, oldest first."""

    def __init__(self, most: int, dropped: Callable[[], None]) -> None:
        """Hold up to ``most``; ``dropped`` is told of each that had to make room."""
        self._most = most
        self._dropped = dropped
        self._tasks: OrderedDict[asyncio.Task[None], None] = OrderedDict()
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(
        self, work: Coroutine[Any, Any, None], waiting: object
    ) -> asyncio.Task[None]:
        """Carry on ``work``, which was stepped once and waits for ``waiting``."""
        if len(self._tasks) >= self._most:
            oldest, _ = self._tasks.popitem(last=False)
            self._leaving.add(oldest)
            oldest.cancel()
            self._dropped()
        task = asyncio.get_running_loop().create_task(carry_on(work, waiting))
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._leaving.discard(task)

    async def end(self, grace_s: float) -> None:
        """Give all ``grace_s`` seconds to end, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=grace_s)
        tasks = (*self._tasks, *self._leaving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
