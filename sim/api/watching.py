"""The events of a watch: the change log seen through a selection of objects."""

from collections.abc import Iterator
from typing import NamedTuple

from .kind import Kind
from .objects import Json, with_meta
from .selectors import Selection
from .store import Change, Collection

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class WatchEvent(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    obj: Json


def event_for(change: Change, selection: Selection) -> WatchEvent | None:
    """Return the event of ``change`` for a selection, or None.

    An object that enters the selection is ADDED, one that leaves it is DELETED with its
    last state inside the selection.
    """
    was, obj = change.previous, change.obj
    matched = was is not None and selection.matches(was)
    matches = change.type != "DELETED" and selection.matches(obj)
    if matches:
        return WatchEvent("MODIFIED" if matched else "ADDED", obj)
    if matched and was is not None:
        version = str(change.version)
        return WatchEvent("DELETED", with_meta(was, resourceVersion=version))
    return None


def bookmark(kind: Kind, version: int, *, ends_initial: bool = False) -> WatchEvent:
    """Return a BOOKMARK event."""
    meta: Json = {"resourceVersion": str(version), "creationTimestamp": None}
    if ends_initial:
        meta["annotations"] = {INITIAL_EVENTS_END: "true"}
    obj = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": meta}
    return WatchEvent("BOOKMARK", obj)


class Cursor:
    """The position of one watcher in the change log of one kind.

    Raises:
        ApiError: ``version`` has been compacted (410).

    """

    def __init__(
        self, collection: Collection, selection: Selection, version: int
    ) -> None:
        collection.check(version)
        self.kind = collection.kind
        self.version = version
        """The last version that this watcher has seen."""
        self._collection = collection
        self._selection = selection

    def initial(self, version: int) -> Iterator[WatchEvent]:
        """Yield all objects at ``version`` as ADDED, and continue from there."""
        self.version = version
        for obj in self._collection.at(version).within(self._selection.namespace):
            if self._selection.matches(obj):
                yield WatchEvent("ADDED", obj)

    def following(self, until: int | None = None) -> Iterator[WatchEvent]:
        """Yield the events after `version` up to ``until``, and advance `version`.

        Raises:
            ApiError: some of the changes have been compacted (410).

        """
        for change in self._collection.since(self.version):
            if until is not None and change.version > until:
                return
            self.version = change.version
            if event := event_for(change, self._selection):
                yield event

    def skip(self, version: int) -> None:
        """Advance to ``version`` without events."""
        self.version = max(self.version, version)

    def recent(self, count: int) -> Iterator[WatchEvent]:
        """Yield the latest ``count`` events, also those before `version`."""
        for change in self._collection.last(count):
            if event := event_for(change, self._selection):
                yield event
