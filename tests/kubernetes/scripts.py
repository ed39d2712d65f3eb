"""An API server that says what a test wrote down, and takes note of what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.kubernetes.objects import Key, Meta, Object, Service
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import SERVICES, ApiError, Applied, Event, Gone, ListWatch, Page, Resource, WatchEvent
from tests.world import Clock, settle

Answer: TypeAlias = Page | Exception
Line: TypeAlias = WatchEvent | Exception | float
"""An event, an exception, or the seconds of a pause of a watch."""

FOREVER = 1e9


def svc(name: str, version: int = 1, address: str = "10.96.0.1") -> Service:
    return Service(Key("prod", name), cluster_ips=(address,), meta=Meta(name, str(version)))


def page(*objects: Object, version: int = 10, token: str = "") -> Page:
    return Page(objects, str(version), token)


def added(obj: Service) -> WatchEvent:
    return WatchEvent("ADDED", obj, obj.meta.version, key=obj.key)


def modified(obj: Service) -> WatchEvent:
    return WatchEvent("MODIFIED", obj, obj.meta.version, key=obj.key)


def deleted(obj: Service) -> WatchEvent:
    return WatchEvent("DELETED", obj, obj.meta.version, key=obj.key)


def bookmark(version: int, *, ends_initial: bool = False) -> WatchEvent:
    return WatchEvent("BOOKMARK", None, str(version), ends_initial)


class Scripted:
    """A ListWatch that plays lists and watches in turn; then it is silent for ever."""

    def __init__(
        self,
        clock: Clock,
        pages: Sequence[Answer] = (),
        watches: Sequence[Sequence[Line]] = (),
        probes: Sequence[Answer] = (),
    ) -> None:
        self.clock = clock
        self.pages = list(pages)
        self.watches = [list(lines) for lines in watches]
        self.probes = list(probes)
        self.asked: list[str] = []
        self.times: list[float] = []

    def note(self, what: str) -> None:
        self.asked.append(what)
        self.times.append(self.clock.now())

    @property
    def gaps(self) -> list[float]:
        return [after - before for before, after in pairwise(self.times)]

    async def page(self, token: str, version: str | None) -> Page:
        self.note(f"list {token}".strip() if version is None else f"probe {version}")
        answers = self.pages if version is None else self.probes
        if version is not None and not answers:
            return page()
        if not answers:
            await self.clock.sleep(FOREVER)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        self.note("stream" if initial else f"watch {version}")
        for line in self.watches.pop(0) if self.watches else [FOREVER]:
            if isinstance(line, Exception):
                raise line
            if isinstance(line, WatchEvent):
                yield line
            else:
                await self.clock.sleep(line)


class Kept:
    """A store that keeps every event that it received."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.events: list[Event] = []
        self.refuse: Callable[[Event], bool] = lambda event: False

    def apply(self, event: Event) -> None:
        self.events.append(event)
        if self.refuse(event):
            raise ValueError("no store takes this")
        if isinstance(event, Applied):
            self.objects[event.obj.key] = event.obj
        else:
            self.objects.pop(event.key, None)

    @property
    def names(self) -> list[str]:
        return sorted(key.name for key in self.objects)


def reflector(
    list_watch: ListWatch,
    clock: Clock,
    kept: Kept,
    *,
    resource: Resource = SERVICES,
    streaming: bool = False,
    on_synced: Callable[[], None] = lambda: None,
) -> Reflector:
    return Reflector(
        list_watch,
        resource,
        kept.apply,
        now=clock.now,
        sleep=clock.sleep,
        random=Random(1),
        on_synced=on_synced,
        streaming=streaming,
    )


A, B, C = svc("a"), svc("b"), svc("c")
CUT = ApiError("the watch broke off")
END = bookmark(20, ends_initial=True)
TOO_OLD = Gone("too old resource version: 5 (10)")


@asynccontextmanager
async def running(
    script: Scripted, kept: Kept, *, streaming: bool = False, resource: Resource = SERVICES
) -> AsyncIterator[Reflector]:
    made = reflector(script, script.clock, kept, streaming=streaming, resource=resource)
    task = asyncio.create_task(made.run())
    try:
        await settle()
        yield made
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Case(NamedTuple):
    """The script of the server, and the expected state after some seconds."""

    pages: Sequence[Answer]
    watches: Sequence[Sequence[Line]]
    asked: Sequence[str]
    names: str
    after_s: float = 0.0
    probes: Sequence[Answer] = ()
