"""LIST then WATCH, forever: keeps a store equal to one resource of the API server.

Theory of operation. A reflector is a loop with one piece of state, ``version``:

* ``version`` is empty: list. Pages are applied as they arrive, in chunks between which
  the event loop runs. Only after the last page are the keys deleted that were known
  before and are not in the list. So a list that is cut removes nothing, a deletion
  that a watch missed is found, and old and new objects are never both in memory.
* ``version`` is set: watch from it. Every event, bookmarks too, moves it forward. The
  API server ends watches after minutes; the next one resumes from ``version``.
* 410 Gone, in a list or a watch: the version is too old, so it is emptied.

After the first sync a relist is a watch that begins with all objects (WatchList), as
long as the server knows it; before, an old server would only delay the sync.

Nothing that a server sends ends the loop. Errors wait with a backoff of their own kind
(outage, refused, overload, relist), so that a history of cheap failures does not make
another kind wait longer. Objects that cannot be read are counted and skipped.

A watch may be silent because nothing changes, or because the server was restored to an
earlier state and waits for a version it has not reached. When a watch ended without a
line, a list "not older than ``version``" tells the two apart (``_probe``).

The contract is that of client-go's reflector, except for faults it does not survive.
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
"""Events of a relist that are applied in one iteration of the event loop."""
SHORT_S = 1.0
"""Seconds: a watch without events that ends sooner counts as an error (client-go)."""
BROKEN_S = 60.0
"""Seconds that watches may fail with status 500 until a list is tried."""
OUTAGE_S = 5.0
"""Seconds from which the end of an outage is logged."""
QUIET_S = 60.0
"""Seconds in which the same line is logged once."""

T = TypeVar("T")

log = logging.getLogger("minidns.plugins.kubernetes")  # "plugin/kubernetes: ..."


class Reflector:
    """Lists and watches one resource and passes events to ``apply``."""

    synced = False
    """Whether the first list was applied to its end; stays true."""
    proof_of_life: float | None = None
    """Time of the last sign of life of the server; None before the first."""
    version = ""
    """resourceVersion from which the next watch resumes; empty if a list is due."""
    lists = 0
    watches = 0
    events = 0
    """Changes that watches brought, without bookmarks."""
    errors = 0
    skipped = 0
    """Objects that could not be read or applied."""
    last_error = ""
    named: set[Key] | None = None
    """Keys named since an audit set it; None without an audit."""

    _verb = "list"
    _lines = 0
    """Lines of watches, with bookmarks."""
    _failing: float | None = None
    """Time since which there were only errors; None without errors."""
    _gone_at = -inf
    """Time of the last 410 Gone, if no other error came since."""
    _relist_due = False
    """Whether a list is due although ``version`` is set."""
    _watch_timeout: asyncio.Timeout | None = None
    """Timeout that can end the running watch."""

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
        self.resource = resource
        self._name = resource.type_name
        self._list_watch = list_watch
        self._apply = apply
        self._now = now
        self._sleep = sleep
        self._on_synced = on_synced
        self._settle = settle
        """Called after each chunk of a list, see ``Edges``."""
        self._streaming = streaming
        """Whether a relist is tried as a streaming list; off after a failure."""
        # one for each kind of failure: outages are cheap to retry, so a history of
        # them must not delay the retry after an overload, and the other way round
        self._outages = Backoff(now, random, OUTAGE_MOST_S)
        self._refusals = Backoff(now, random, RIGHTS_MOST_S)
        self._overload = Backoff(now, random)
        self._relists = Backoff(now, random)
        self._keys: set[Key] = set()
        """Keys of the objects that were applied and not deleted."""
        self._logged_at: dict[str, float] = {}

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                await self._step()
            except Gone as gone:
                await self._start_over(gone)
            except ApiError as error:
                await self._retry_later(error)
            except Exception as error:  # the top of the task: nothing may end it
                await self._retry_later(ApiError(plainly(error)))

    @property
    def watching(self) -> bool:
        """Whether it watches from a version without errors."""
        return bool(self.version) and self._failing is None

    def distrust(self, extra: Iterable[Key]) -> None:
        """List again at once; the store has the keys ``extra`` without an event."""
        self._keys.update(extra)
        if not self._relist_due:
            self._relist_due = True
            if self._watch_timeout is not None:
                self._watch_timeout.reschedule(0.0)

    async def _step(self) -> None:
        if self._relist_due:
            self._relist_due, self.version = False, ""
        if self.version:
            await self._watch()
        elif self._streaming and self.synced:
            # not before: a server without WatchList would delay the first sync
            await self._stream()
        else:
            await self._list()

    async def _list(self) -> None:
        self._verb = "list"
        missing = set(self._keys)
        page = await self._list_watch.page("", None)
        version = page.version
        await self._apply_page(page, missing)
        while page.token:
            page = await self._list_watch.page(page.token, None)
            await self._apply_page(page, missing)
        await self._listed(missing, version, page.age_s)

    async def _apply_page(self, page: Page, missing: set[Key]) -> None:
        for chunk in chunks(page.objects):
            for obj in chunk:
                missing.discard(obj.key)
                self._keys.add(obj.key)
                self._pass_on(Applied(obj), obj.key)
            self._settle()
            await asyncio.sleep(0)
        # the object exists, so its last readable state stays
        missing.difference_update(page.unread)
        if page.skipped:
            self.skipped += page.skipped
            text = f"{page.skipped} of {self._name} cannot be read"
            self._log(logging.WARNING, text)
        self._alive(page.age_s)

    async def _listed(
        self, missing: set[Key], version: str, age_s: float = 0.0
    ) -> None:
        """Delete the keys that a complete list did not name; watch from its version."""
        if not version:
            raise ApiError("the list has no resourceVersion")
        for chunk in chunks(missing):  # not earlier: the list could have broken off
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
        """List by a watch that begins with all objects, and continue with it."""
        try:
            await self._watch(initial=True)
        except Exception as error:
            if self.version:
                raise  # the list was complete: an error of the watch
            self._streaming = False  # pages work with every server
            status = error.status if isinstance(error, ApiError) else 0
            if not status and not isinstance(error, Gone):
                raise
            log.info("No streaming list of %s, pages instead: %s", self._name, error)

    async def _watch(self, *, initial: bool = False) -> None:
        self._verb = "watch"
        self.watches += 1
        started, lines, events = self._now(), self._lines, self.events
        missing = set(self._keys) if initial else None
        stream = self._list_watch.watch(self.version, initial=initial)
        try:
            async with asyncio.timeout(None) as self._watch_timeout:
                missing = await self._apply_events(stream, missing)
        except TimeoutError:
            if self._relist_due:
                return
            raise
        finally:
            self._watch_timeout = None
            if isinstance(stream, AsyncGenerator):  # which holds a connection
                await stream.aclose()
        if missing is not None:
            raise ApiError("the streaming list was not complete", status=504)
        if self.events == events and self._now() - started < SHORT_S:
            raise ApiError("the watch ended at once")
        if self._lines == lines:
            await self._probe()

    async def _apply_events(
        self, stream: AsyncIterator[WatchEvent], missing: set[Key] | None
    ) -> set[Key] | None:
        """Apply the events of a watch; ``missing`` are keys it has yet to name."""
        async for event in stream:
            self._lines += 1
            if missing is None:
                self._on_event(event)
            elif event.ends_initial:
                await self._listed(missing, event.version, event.age_s)
                missing = None
            else:
                self._on_initial(event, missing)
        return missing

    async def _probe(self) -> None:
        """Check that a silent watch does not wait for a future resourceVersion.

        A server that was restored to an earlier state accepts such a watch, and
        refuses a list not older than that version (504).
        """
        try:
            await self._list_watch.page("", self.version)
        except ApiError as error:
            if error.status == 504:
                raise Gone(str(error)) from error
            raise
        self._alive()

    def _on_event(self, event: WatchEvent) -> None:
        self._alive(event.age_s)
        if event.type in ("ADDED", "MODIFIED", "DELETED"):
            self.events += 1
            self._change(event)
        elif event.type != "BOOKMARK":
            return  # an unknown type: its version may mean something else
        self.version = event.version or self.version

    def _on_initial(self, event: WatchEvent, missing: set[Key]) -> None:
        """Apply an event of a streaming list before its end, and ignore its version."""
        self._alive(event.age_s)
        if event.type not in ("ADDED", "MODIFIED", "DELETED"):
            return
        self._change(event)
        if key := key_of(event):
            missing.discard(key)
        if self._lines % CHUNK == 0:
            self._settle()

    def _change(self, event: WatchEvent) -> None:
        key = key_of(event)
        if event.type == "DELETED" and key is not None:
            self._drop(key)
        elif event.obj is not None:
            self._keys.add(event.obj.key)
            self._pass_on(Applied(event.obj), event.obj.key)
        else:
            if key is not None and self.named is not None:
                self.named.add(key)
            self.skipped += 1
            text = f"{self._name} {key or 'without a name'} cannot be read"
            self._log(logging.WARNING, text)

    def _drop(self, key: Key) -> None:
        self._keys.discard(key)
        self._pass_on(Deleted(self.resource.kind, key), key)

    def _pass_on(self, event: Event, key: Key) -> None:
        if self.named is not None:
            self.named.add(key)
        try:
            self._apply(event)
        except Exception as error:  # one object must not stop the others
            self.skipped += 1
            text = f"{self._name} {key} cannot be applied: {plainly(error)}"
            self._log(logging.ERROR, text)

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
        """List again: at once, or with backoff after another 410 a short time ago."""
        self._failed(str(gone))
        text = f"Warning: {self._verb} of {self._name} ended with error: {gone}"
        self._log(logging.INFO, text)
        self.version = ""
        before, self._gone_at = self._gone_at, self._now()
        if self._gone_at - before < RESET_S:
            await self._sleep(self._relists.wait_s())

    async def _retry_later(self, error: ApiError) -> None:
        self._failed(str(error))
        self._gone_at = -inf
        self._relists.reset()
        text = f"Failed to watch: failed to {self._verb} {self._name}: {error}"
        self._log(logging.ERROR, text)
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

    def _log(self, level: int, text: str) -> None:
        """Log a line unless the same line was logged a short time ago."""
        now = self._now()
        self._logged_at = {
            t: at for t, at in self._logged_at.items() if now - at < QUIET_S
        }
        if text not in self._logged_at:
            self._logged_at[text] = now
            log.log(level, "%s", text)


def key_of(event: WatchEvent) -> Key | None:
    """Return the key of the event's object, if it could be read."""
    return event.obj.key if event.obj is not None else event.key


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield ``items`` in lists of at most ``size``."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def plainly(error: Exception) -> str:
    """Return an unexpected error as one line."""
    return printable(f"{type(error).__name__}: {error}")
