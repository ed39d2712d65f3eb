"""LIST then WATCH, forever: keeps a store equal to one resource of the API server.

client-go's reflector in its contract: a list cut in the middle removes nothing, a
deletion missed in a gap is found by the next list, a watch goes on from the last
version heard, 410 means list again, and nothing that a server says ends the loop.
"""

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from itertools import islice
from math import inf
from random import Random
from typing import TypeVar

from minidns.kubernetes.decode import printable
from minidns.kubernetes.objects import Key
from minidns.kubernetes.resources import (
    ApiError,
    Applied,
    Deleted,
    Event,
    Gone,
    ListWatch,
    Page,
    Resource,
    WatchEvent,
)
from minidns.system.backoff import OUTAGE_MOST_S, RESET_S, RIGHTS_MOST_S, Backoff

CHUNK = 100
"""Events of a relist applied in one turn of the loop."""
SHORT_S = 1.0
"""A watch that brings nothing and ends sooner counts as an error (client-go)."""
BROKEN_S = 60.0
"""How long watches may fail inside the server (500) until a list is tried."""
OUTAGE_S = 5.0
"""From how long an outage on its end is worth a line."""
QUIET_S = 60.0
"""The same line is logged once in this time."""

T = TypeVar("T")

log = logging.getLogger("minidns.plugins.kubernetes")  # "plugin/kubernetes: ..."


class Reflector:
    """Follows one resource and tells ``apply`` of it; see ``events`` for the rules."""

    def __init__(
        self,
        list_watch: ListWatch,
        resource: Resource,
        apply: Callable[[Event], object],
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        random: Random,
        on_synced: Callable[[], None] = lambda: None,
        streaming: bool = True,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        # longer than others: what a reflector knows, each piece with its meaning
        self.resource = resource
        self._name = resource.type_name
        self.synced = False
        """Whether the first list has been applied to its end; never false again."""
        self.proof_of_life: float | None = None
        """When (``now``) the server last said something that shows it is in touch."""
        self.version = ""
        """resourceVersion the next watch goes on from; empty when a list is due."""
        self.lists = 0
        self.watches = 0
        self.events = 0
        """Changes that watches told of; bookmarks are none."""
        self.errors = 0
        self.skipped = 0
        """Objects that could not be read, or applied."""
        self.last_error = ""
        self._list_watch = list_watch
        self._apply = apply
        self._now = now
        self._sleep = sleep
        self._on_synced = on_synced
        self._settle = settle
        """Told of every so many objects of a list."""
        self._streaming = streaming
        """Whether a relist may be a watch with initial events; off once one failed."""
        # one for each kind of failure: a history of outages, which are cheap to try,
        # must not make the next one longer, and must not be taken for overload
        self._outages = Backoff(now, random, OUTAGE_MOST_S)
        self._refusals = Backoff(now, random, RIGHTS_MOST_S)
        self._overload = Backoff(now, random)
        self._relists = Backoff(now, random)
        self._keys: set[Key] = set()
        """What the store was told is there."""
        self._verb = "list"
        self._heard = 0
        """Lines of watches, bookmarks too."""
        self._failing: float | None = None
        """Since when nothing but errors came."""
        self._gone_at = -inf
        """When the server last asked for a new list, if nothing else failed since."""
        self.named: set[Key] | None = None
        """What has been heard of since an audit made it a set; None without one."""
        self._doubted = False
        """Whether a list is due whatever the version."""
        self._hearing: asyncio.Timeout | None = None
        """By which the running watch can be ended."""
        self._noted: dict[str, float] = {}

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                await self._step()
            except Gone as gone:
                await self._start_over(gone)
            except ApiError as error:
                await self._try_later(error)
            except Exception as error:  # the top of the task: nothing may end it
                await self._try_later(ApiError(plainly(error)))

    @property
    def watching(self) -> bool:
        """Whether it follows a version, and nothing is wrong with that."""
        return bool(self.version) and self._failing is None

    def distrust(self, extra: Iterable[Key]) -> None:
        """List again at once; ``extra`` is in the store, though never told of."""
        self._keys.update(extra)
        if not self._doubted:
            self._doubted = True
            if self._hearing is not None:
                self._hearing.reschedule(0.0)

    async def _step(self) -> None:
        if self._doubted:
            self._doubted, self.version = False, ""
        if self.version:
            await self._watch()
        elif self._streaming and self.synced:
            # only now: a server too old to know them would hold the first sync up
            await self._stream()
        else:
            await self._list()

    async def _list(self) -> None:
        self._verb = "list"
        missing = set(self._keys)
        page = await self._list_watch.page("", None)
        version = page.version
        await self._take(page, missing)
        while page.token:
            page = await self._list_watch.page(page.token, None)
            await self._take(page, missing)
        await self._listed(missing, version, page.age_s)

    async def _take(self, page: Page, missing: set[Key]) -> None:
        for chunk in chunks(page.objects):
            for obj in chunk:
                missing.discard(obj.key)
                self._keys.add(obj.key)
                self._tell(Applied(obj), obj.key)
            self._settle()
            await asyncio.sleep(0)
        # there, so no reason to delete what it was
        missing.difference_update(page.unread)
        if page.skipped:
            self.skipped += page.skipped
            text = f"{page.skipped} of {self._name} cannot be read"
            self._note(logging.WARNING, text)
        self._alive(page.age_s)

    async def _listed(
        self, missing: set[Key], version: str, age_s: float = 0.0
    ) -> None:
        """Delete what a complete list did not name; from then on, watch."""
        if not version:
            raise ApiError("the list has no resourceVersion")
        for chunk in chunks(missing):
            for key in chunk:
                self._drop(key)
            await asyncio.sleep(0)
        self.version = version
        self.lists += 1
        self._alive(age_s)
        if not self.synced:
            self.synced = True
            self._on_synced()

    async def _stream(self) -> None:
        """List by a watch that begins with all there is, and go on with it."""
        try:
            await self._watch(initial=True)
        except Exception as error:
            if self.version:
                raise  # it had become a watch as any other
            self._streaming = False
            said = error.status if isinstance(error, ApiError) else 0
            if not said and not isinstance(error, Gone):
                raise
            log.info("No streaming list of %s, pages instead: %s", self._name, error)

    async def _watch(self, *, initial: bool = False) -> None:
        self._verb = "watch"
        self.watches += 1
        started, heard, events = self._now(), self._heard, self.events
        missing = set(self._keys) if initial else None
        stream = self._list_watch.watch(self.version, initial=initial)
        try:
            async with asyncio.timeout(None) as self._hearing:
                missing = await self._hear(stream, missing)
        except TimeoutError:
            if self._doubted:
                return
            raise
        finally:
            self._hearing = None
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
        if missing is not None:
            raise ApiError("the streaming list was not complete", status=504)
        if self.events == events and self._now() - started < SHORT_S:
            raise ApiError("the watch ended at once")
        if self._heard == heard:
            await self._probe()

    async def _hear(
        self, stream: AsyncIterator[WatchEvent], missing: set[Key] | None
    ) -> set[Key] | None:
        """Take in a watch to its end; ``missing`` is what its list has yet to name."""
        async for event in stream:
            self._heard += 1
            if missing is None:
                self._on(event)
            elif event.ends_initial:
                await self._listed(missing, event.version, event.age_s)
                missing = None
            else:
                self._on_initial(event, missing)
        return missing

    async def _probe(self) -> None:
        """Make sure that silence is not deafness.

        A server set back to an earlier state lets a watch from a version it has not
        reached wait in silence; a list not older than that version it refuses.
        """
        try:
            await self._list_watch.page("", self.version)
        except ApiError as error:
            if error.status == 504:
                raise Gone(str(error)) from error
            raise
        self._alive()

    def _on(self, event: WatchEvent) -> None:
        self._alive(event.age_s)
        if event.type in ("ADDED", "MODIFIED", "DELETED"):
            self.events += 1
            self._change(event)
        elif event.type != "BOOKMARK":
            return  # whatever it is, its version need not be one of ours
        self.version = event.version or self.version

    def _on_initial(self, event: WatchEvent, missing: set[Key]) -> None:
        """Take what comes before the end of a streaming list; versions mean nothing."""
        self._alive(event.age_s)
        if event.type not in ("ADDED", "MODIFIED", "DELETED"):
            return
        self._change(event)
        if key := key_of(event):
            missing.discard(key)
        if self._heard % CHUNK == 0:
            self._settle()

    def _change(self, event: WatchEvent) -> None:
        key = key_of(event)
        if event.type == "DELETED" and key is not None:
            self._drop(key)
        elif event.obj is not None:
            self._keys.add(event.obj.key)
            self._tell(Applied(event.obj), event.obj.key)
        else:
            if key is not None and self.named is not None:
                self.named.add(key)
            self.skipped += 1
            text = f"{self._name} {key or 'without a name'} cannot be read"
            self._note(logging.WARNING, text)

    def _drop(self, key: Key) -> None:
        self._keys.discard(key)
        self._tell(Deleted(self.resource.kind, key), key)

    def _tell(self, event: Event, key: Key) -> None:
        if self.named is not None:
            self.named.add(key)
        try:
            self._apply(event)
        except Exception as error:  # one odd object must not cost all the others
            self.skipped += 1
            text = f"{self._name} {key} cannot be applied: {plainly(error)}"
            self._note(logging.ERROR, text)

    def _alive(self, age_s: float = 0.0) -> None:
        now = self._now()
        self.proof_of_life = now - age_s
        if self._failing is not None:
            if now - self._failing >= OUTAGE_S:
                text = "Watching again after %.0f s: %s"
                log.info(text, now - self._failing, self._name)
            self._failing = None
            self._overload.reset()

    async def _start_over(self, gone: Gone) -> None:
        """List again: at once, unless that was asked for a short while ago."""
        self._failed(str(gone))
        text = f"Warning: {self._verb} of {self._name} ended with error: {gone}"
        self._note(logging.INFO, text)
        self.version = ""
        asked, self._gone_at = self._gone_at, self._now()
        if self._gone_at - asked < RESET_S:
            await self._sleep(self._relists.wait_s())

    async def _try_later(self, error: ApiError) -> None:
        self._failed(str(error))
        self._gone_at = -inf
        self._relists.reset()
        text = f"Failed to watch: failed to {self._verb} {self._name}: {error}"
        self._note(logging.ERROR, text)
        now = self._now()
        if self._failing is None:
            self._failing = now
        if error.status == 500 and now - self._failing > BROKEN_S:
            self.version = ""
        await self._sleep(self._backoff(error).wait_s(error.retry_after_s))

    def _backoff(self, error: ApiError) -> Backoff:
        if error.status in (401, 403):
            return self._refusals
        return self._overload if 400 <= error.status < 500 else self._outages

    def _failed(self, text: str) -> None:
        self.errors += 1
        self.last_error = text

    def _note(self, level: int, text: str) -> None:
        """Log a line, but the same one only once in a while."""
        now = self._now()
        self._noted = {t: at for t, at in self._noted.items() if now - at < QUIET_S}
        if text not in self._noted:
            self._noted[text] = now
            log.log(level, "%s", text)


def key_of(event: WatchEvent) -> Key | None:
    """Return whose event it is, if that could be read."""
    return event.obj.key if event.obj is not None else event.key


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield ``items`` in lists of at most ``size``."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def plainly(error: Exception) -> str:
    """Return an error nobody foresaw, as one line."""
    return printable(f"{type(error).__name__}: {error}")
