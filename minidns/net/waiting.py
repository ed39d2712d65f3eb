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
from typing import Any, TypeAlias

from minidns.net.answer import carry_on

_Work: TypeAlias = Coroutine[Any, Any, None]


class Waiting:
    """Tasks that wait, oldest first."""

    def __init__(self, most: int, dropped: Callable[[], None]) -> None:
        """Hold up to ``most``; ``dropped`` is told of each that had to make room."""
        self._most = most
        self._dropped = dropped
        self._tasks: OrderedDict[asyncio.Task[None], _Work] = OrderedDict()
        self._leaving: dict[asyncio.Task[None], _Work] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, work: _Work, waiting: object) -> asyncio.Task[None]:
        """Carry on ``work``, which was stepped once and waits for ``waiting``.

        When it has to make room it is cancelled; or closed (GeneratorExit), if the loop
        has not come round since.
        """
        if len(self._tasks) >= self._most:
            oldest, its_work = self._tasks.popitem(last=False)
            self._leaving[oldest] = its_work
            oldest.cancel()
            self._dropped()
        task = asyncio.get_running_loop().create_task(carry_on(work, waiting))
        self._tasks[task] = work
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        work = self._tasks.pop(task, None) or self._leaving.pop(task)
        work.close()  # a task that never began has not thrown anything into it

    async def end(self, grace_s: float) -> None:
        """Give all ``grace_s`` seconds to end, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=grace_s)
        tasks = (*self._tasks, *self._leaving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
