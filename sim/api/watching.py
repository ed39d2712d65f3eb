"""What a watcher is told: the change log as one selection of objects sees it."""

from collections.abc import Iterator
from typing import NamedTuple

from .kinds import Kind
from .objects import Json, with_meta
from .selectors import Selection
from .store import Change, Collection

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class WatchEvent(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    obj: Json


def seen_as(change: Change, selection: Selection) -> WatchEvent | None:
    """Return the event of ``change`` for one selection, None if it is none of its.

    An object that enters the selection is ADDED to it and one that leaves is DELETED,
    whatever was done to the object itself; one that leaves is shown as it was inside.
    """
    was, obj = change.previous, change.obj
    before = was is not None and selection.matches(was)
    after = change.type != "DELETED" and selection.matches(obj)
    if after:
        return WatchEvent("MODIFIED" if before else "ADDED", obj)
    if before and was is not None:
        version = str(change.version)
        return WatchEvent("DELETED", with_meta(was, resourceVersion=version))
    return None


def bookmark(kind: Kind, version: int, *, ends_initial: bool = False) -> WatchEvent:
    """Return the event that moves a watcher's version and nothing else."""
    meta: Json = {"resourceVersion": str(version), "creationTimestamp": None}
    if ends_initial:
        meta["annotations"] = {INITIAL_EVENTS_END: "true"}
    obj = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": meta}
    return WatchEvent("BOOKMARK", obj)


class Cursor:
    """Where one watcher stands in the change log of one kind.

    Raises:
        ApiError: the log does not reach back to ``version`` (410).

    """

    def __init__(
        self, collection: Collection, selection: Selection, version: int
    ) -> None:
        collection.check(version)
        self.kind = collection.kind
        self.version = version
        """The last version this watcher knows of."""
        self._collection = collection
        self._selection = selection

    def initial(self, version: int) -> Iterator[WatchEvent]:
        """Yield every object there is at ``version`` as ADDED, and go on from there."""
        self.version = version
        for obj in self._collection.at(version).within(self._selection.namespace):
            if self._selection.matches(obj):
                yield WatchEvent("ADDED", obj)

    def following(self, until: int | None = None) -> Iterator[WatchEvent]:
        """Yield the events after `version`, up to ``until`` if given, moving it along.

        Raises:
            ApiError: the watcher was so slow that some of them are forgotten (410).

        """
        for change in self._collection.since(self.version):
            if until is not None and change.version > until:
                return
            self.version = change.version
            if event := seen_as(change, self._selection):
                yield event

    def skip(self, version: int) -> None:
        """Take note that nothing of interest happened up to ``version``."""
        self.version = max(self.version, version)

    def recent(self, count: int) -> Iterator[WatchEvent]:
        """Yield the latest events again, older than `version` or not."""
        for change in self._collection.last(count):
            if event := seen_as(change, self._selection):
                yield event
