"""Queries that wait for something: bounded in number, the oldest makes room.

When more wait than may, somebody must go without an answer. Not the newest: then a
client that asks for names nobody answers holds every place until the deadlines, and
everyone who comes after it is turned away. The oldest has had its chance: what can be
answered is answered in milliseconds, and whoever has waited longest is the likeliest
to have given up or asked again. So places change hands at the speed of the attack,
and an answer that comes sooner than that still finds its query.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

from minidns.upstream.errand import Errand, Work

log = logging.getLogger(__name__)


Future: TypeAlias = "asyncio.Future[Any] | None"
Ended: TypeAlias = Callable[[Errand, Exception | None], None]


def logged(_: Errand, failure: Exception | None) -> None:
    """Log why a query could not be answered."""
    if failure is not None:
        log.error("no reply could be made", exc_info=failure)


class Waiting:
    """Errands that wait, oldest first."""

    def __init__(self, most: int, dropped: Callable[[], None]) -> None:
        """Hold up to ``most``; ``dropped`` is told of each that had to make room."""
        self._most = most
        self._dropped = dropped
        self._waiting: OrderedDict[Errand, Ended] = OrderedDict()
        self._leaving: dict[Errand, Ended] = {}
        self._over: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, work: Work, waiting: Future, ended: Ended = logged) -> Errand:
        """Carry on ``work``, which was stepped once and waits for ``waiting``.

        It is carried on outside any task, and cancelled when it has to make room.
        ``ended`` is told of its end.
        """
        errand = Errand(work, self._ended)
        if len(self._waiting) >= self._most:
            oldest, its_end = self._waiting.popitem(last=False)
            self._leaving[oldest] = its_end
            oldest.cancel()
            self._dropped()
        self._waiting[errand] = ended
        errand.carry_on(waiting)
        return errand

    def _ended(self, errand: Errand, failure: Exception | None) -> None:
        ended = self._waiting.pop(errand, None) or self._leaving.pop(errand)
        if self._over is not None and not self._waiting and not self._leaving:
            self._over.set_result(None)
            self._over = None
        ended(errand, failure)

    async def end(self, grace_s: float) -> None:
        """Give all ``grace_s`` seconds to end, then cancel the rest."""
        for seconds in (grace_s, None):
            if self._waiting or self._leaving:
                self._over = self._over or asyncio.get_running_loop().create_future()
                await asyncio.wait((self._over,), timeout=seconds)
            for each in (*self._waiting, *self._leaving):
                each.cancel()
