"""An API server in memory that has whatever history a test gives it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import strategies as st

from minidns.kubernetes.objects import Key, Service
from minidns.kubernetes.resources import ApiError, Gone, Page, WatchEvent
from tests.kubernetes.scripts import bookmark, svc
from tests.world import Clock

NAMES = "abcdef"
PER_PAGE = 2


@dataclass
class Truth:
    """An API server in memory: objects, change log, and what is wrong with it."""

    clock: Clock
    version: int = 10_000_000
    objects: dict[Key, Service] = field(default_factory=dict)
    log: list[tuple[int, WatchEvent]] = field(default_factory=list)
    forgotten: int = 0
    """Versions up to this cannot be watched from."""
    faults: list[str] = field(default_factory=list)
    """Each spoils one page or one line."""
    down: bool = False
    streams: bool = True
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    cut: int = 0
    pages: dict[str, list[Service]] = field(default_factory=dict)
    """Versions that lists are under way of, where that is allowed (``keeps``)."""
    keeps: bool = False
    """True if a list can be continued after a change."""

    def put(self, name: str) -> None:
        obj = svc(name, self.version + 1, f"10.96.0.{self.version % 250}")
        self.tell("MODIFIED" if obj.key in self.objects else "ADDED", obj)
        self.objects[obj.key] = obj

    def delete(self, name: str) -> None:
        obj = svc(name, self.version + 1)
        if self.objects.pop(obj.key, None):
            self.tell("DELETED", obj)

    def tell(self, kind: str, obj: Service) -> None:
        self.version += 1
        event = WatchEvent(kind, obj, str(self.version), key=obj.key)
        self.log.append((self.version, event))
        self._wake()

    def forget(self) -> None:
        """Lose the change log, and with it every running watch."""
        self.forgotten = self.version
        self.end()

    def end(self) -> None:
        self.cut += 1
        self._wake()

    def restore(self) -> None:
        """Come back from a backup of nothing, at a version long ago."""
        self.version -= 100_000
        self.objects, self.forgotten = {}, 0
        self.log.clear()
        self.end()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def _fault(self) -> str:
        return self.faults.pop(0) if self.faults else ""

    def _refuse(self) -> None:
        if self.down:
            raise ApiError("connection refused")

    async def page(self, token: str, version: str | None) -> Page:
        await asyncio.sleep(0)
        self._refuse()
        if version is not None and int(version) > self.version:
            raise Gone("Too large resource version")
        match self._fault():
            case "busy":
                raise ApiError("too many requests", status=429, retry_after_s=3.0)
            case "expired" if token:
                raise Gone("the token is too old")
            case "cut" | "inside":
                raise ApiError("broken", status=500)
        at, start = token.split("/") if token else (str(self.version), "")
        if int(at) < self.forgotten or not (self.keeps or not token or int(at) == self.version):
            raise Gone("the token is too old")
        if not token:
            self.pages[at] = sorted(self.objects.values(), key=lambda obj: obj.key)
        left = [obj for obj in self.pages[at] if obj.key.name > start]
        objects = tuple(left[:PER_PAGE])
        more = f"{at}/{objects[-1].key.name}" if len(left) > PER_PAGE else ""
        return Page(objects, at, more)

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        await asyncio.sleep(0)
        self._refuse()
        if initial:
            if not self.streams:
                raise ApiError("sendInitialEvents is forbidden", status=422)
            for obj in list(self.objects.values()):
                yield WatchEvent("ADDED", obj, obj.meta.version, key=obj.key)
            version = str(self.version)
            yield bookmark(self.version, ends_initial=True)
        position, cut = int(version), self.cut
        if position < self.forgotten:
            raise Gone("too old resource version")
        while True:
            changed = self.changed
            for at, event in [each for each in self.log if each[0] > position]:
                if cut != self.cut:
                    return
                for line in self._spoiled(event):
                    yield line
                position = at
            if cut != self.cut or not await self._wait(changed):
                return

    async def _wait(self, event: asyncio.Event) -> bool:
        """Wait for a change; False after a silence that ends a watch."""
        changed = asyncio.create_task(event.wait())
        silence = asyncio.create_task(self.clock.sleep(90.0))
        try:
            await asyncio.wait({changed, silence}, return_when="FIRST_COMPLETED")
            return changed.done()
        finally:
            changed.cancel()
            silence.cancel()

    def _spoiled(self, event: WatchEvent) -> list[WatchEvent]:
        match self._fault():
            case "cut":
                raise ApiError("a line of the watch cannot be read")
            case "inside":
                raise ApiError("etcdserver: timeout", status=500)
            case "busy":
                raise ApiError("too many requests", status=429, retry_after_s=3.0)
            case "expired":
                raise Gone("too old resource version")
            case "twice":
                return [event, event]
            case "unknown":
                return [WatchEvent("PING", None, "99999"), event]
            case "bookmark":
                return [bookmark(int(event.version) - 1), event]
        return [event]


FAULTS = ["cut", "inside", "busy", "expired", "twice", "unknown", "bookmark"]

actions = st.one_of(
    st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from(NAMES)),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.sampled_from(["forget", "end", "restore", "down", "up"]), st.just("")),
)
waits = st.sampled_from([0.0, 0.0, 0.0, 3.0, 3.0, 100.0])
steps = st.lists(st.tuples(actions, waits), max_size=40)


History: TypeAlias = list[tuple[tuple[str, str], float]]


def play(truth: Truth, what: str, how: str) -> None:
    if what in ("put", "delete"):
        getattr(truth, what)(how)
    elif what == "fault":
        truth.faults.append(how)
    elif what in ("down", "up"):
        truth.down = what == "down"
        truth.end()
    else:
        getattr(truth, what)()
