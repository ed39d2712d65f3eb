"""The simulated API server, in memory: objects, change log, LIST and WATCH, writes.

`Cluster` does what requests do, for programs in the same process; `sim.api.http` lets
the same be done over HTTP. What `get` returns is the caller's; what `list`, `find`,
writes and events give is shared and must be left as it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import TypeAlias

from ..controllers import run
from ..controllers.namespaces import check_creation, undeletable
from . import admission, apply, bootstrap, writing
from .feed import Feed
from .fields import Manager
from .kinds import Kind, kind_of, named
from .objects import Clock, Json, Key, clone, key_of, timestamp, with_meta
from .patch import MERGE_PATCH, patched
from .selectors import EVERYTHING, Selection, selection
from .status import already_exists, invalid, not_found, required
from .watching import Cursor, WatchEvent
from .writing import Deletion, Write

Objects: TypeAlias = list[Json]

DIRECT = Write()
BY_SIM = Write(manager="sim")
AT_ONCE = Deletion()
HISTORY = 4096
"""Changes of each kind that are remembered for watchers that come back."""


class Cluster(Feed):
    """A cluster's objects and everything the API lets one do with them.

    ``now`` and ``seed`` make times and names the same in every run; ``nodes`` are the
    names of the nodes it begins with. Without controllers objects stay what is written.
    """

    def __init__(
        self,
        *,
        now: Clock = time.time,
        seed: int = 1,
        nodes: Iterable[str] = ("node-1",),
        dual_stack: bool = False,
        history: int = HISTORY,
        with_controllers: bool = True,
    ) -> None:
        families = ("IPv4", "IPv6") if dual_stack else ("IPv4",)
        super().__init__(now, seed, history, families)
        if with_controllers:
            run.start(self)
        bootstrap.fill(self, nodes)

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return an object, shared, or None; ``namespace`` is empty if it has none."""
        return self.store[named(kind)].objects.get((namespace, name))

    def get(self, kind: str, namespace: str, name: str) -> Json:
        """Return a copy of an object.

        Raises:
            ApiError: there is none (404).

        """
        return clone(self._existing(named(kind), namespace, name))

    def list(
        self, kind: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Objects:
        """Return the objects of one kind, shared, ordered by namespace and name.

        Raises:
            ApiError: a selector cannot be read (400).

        """
        row = named(kind)
        wanted = selection(row, namespace, labels, fields)
        found = self.store[row].now().within(namespace)
        return [obj for obj in found if not wanted.is_filtered or wanted.matches(obj)]

    async def watch(
        self, kind: str, version: int | None = None, wanted: Selection = EVERYTHING
    ) -> AsyncIterator[WatchEvent]:
        """Yield the events after ``version``, for ever; None: from now.

        Raises:
            ApiError: the log does not reach back that far (410).

        """
        collection = self.store[named(kind)]
        cursor = Cursor(
            collection, wanted, self.version if version is None else version
        )
        changed = asyncio.Event()
        collection.listeners.add(changed.set)
        try:
            while True:
                changed.clear()
                for event in cursor.following():
                    yield event
                await changed.wait()
        finally:
            collection.listeners.discard(changed.set)

    def create(self, obj: Json, write: Write = DIRECT) -> Json:
        """Create an object; the namespace is default if it names none.

        Raises:
            ApiError: the name is taken (409), the object is wrong (400, 422), its
                namespace is not there (404) or being deleted (403).

        """
        kind = kind_of(obj)
        obj = writing.read_body(kind, obj)
        self._place(kind, obj)
        writing.name_new(obj, self.new_suffix)
        if kind.has_status and not write.keeps_status:
            obj.pop("status", None)
        writing.born(kind, obj, self.new_uid(), timestamp(self.now()))
        admission.admit(kind, obj, None, self.addresses)
        if key_of(obj) in self.store[kind].objects:
            raise already_exists(kind, obj["metadata"]["name"])
        obj = self._owned(kind, None, obj, write)
        return obj if write.dry_run else self.commit(kind, obj)

    def update(self, obj: Json, write: Write = DIRECT) -> Json:
        """Replace an object; one with a resource version only at that version.

        Raises:
            ApiError: it does not exist (404), is at another version (409), or the new
                state is wrong (400, 422).

        """
        kind = kind_of(obj)
        obj = writing.read_body(kind, obj)
        live = self._existing(kind, *self._key(kind, obj))
        return self._replace(kind, live, obj, write)

    def patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        patch: object,
        style: str = MERGE_PATCH,
        write: Write = DIRECT,
    ) -> Json:
        """Change an object as ``patch`` says; ``style`` is its media type.

        Raises:
            ApiError: it does not exist (404), is at another version (409), the patch
                cannot be read (400, 415), or the new state is wrong (400, 422).

        """
        row = named(kind)
        live = self._existing(row, namespace, name)
        new = patched(row, live, patch, style)
        return self._replace(row, live, writing.read_body(row, new), write)

    def apply(self, obj: Json, write: Write = BY_SIM, *, force: bool = True) -> Json:
        """Create or change an object by server-side apply.

        Raises:
            ApiError: fields belong to others and it is not forced (409), or the new
                state is wrong (400, 422).

        """
        kind = kind_of(obj)
        obj = writing.read_body(kind, obj)
        live = self.store[kind].objects.get(self._key(kind, obj))
        if live is not None:
            writing.check_versions(kind, live, obj)
        new = apply.applied(
            kind,
            live or {"metadata": {}},
            obj,
            Manager(write.manager, "Apply", write.subresource),
            force=force,
            time=timestamp(self.now()),
        )
        owned = replace(write, manager="")  # apply has settled who owns what
        if live is None:
            return self.create(new, owned)
        return self._replace(kind, live, new, owned)

    def delete(
        self, kind: str, namespace: str, name: str, deletion: Deletion = AT_ONCE
    ) -> Json:
        """Delete an object, or mark it if it has finalizers; return its last state.

        Raises:
            ApiError: it does not exist (404), is not the one meant (409), or may not
                be deleted (403).

        """
        row = named(kind)
        live = self._existing(row, namespace, name)
        writing.check_deletion(row, live, deletion)
        if row.name == "Namespace" and (refused := undeletable(name)):
            raise refused
        if deletion.dry_run:
            return live
        if deletion.orphan:
            run.release(self, live)
        if not writing.finalizers_of(live):
            return self.remove(row, live)
        if "deletionTimestamp" in live["metadata"]:
            return live
        stamp = timestamp(self.now())
        marked = clone(
            with_meta(live, deletionTimestamp=stamp, deletionGracePeriodSeconds=0)
        )
        admission.admit(row, marked, live, self.addresses)
        return self.commit(row, marked)

    def delete_all(
        self,
        kind: str,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        deletion: Deletion = AT_ONCE,
    ) -> Objects:
        """Delete every object selected; return their last states."""
        found = self.list(kind, namespace, labels, fields)
        return [self.delete(kind, *key_of(obj), deletion) for obj in found]

    def _key(self, kind: Kind, obj: Json) -> Key:
        """Return namespace and name of a body; without a namespace it is default."""
        meta = obj["metadata"]
        if not meta.get("name"):
            cause = required("metadata.name", "name is required")
            raise invalid(kind.title, "", [cause])
        if kind.namespaced:
            meta["namespace"] = meta.get("namespace") or "default"
        return key_of(obj)

    def _existing(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return an object that must be there."""
        found = self.store[kind].objects.get((namespace, name))
        if found is None:
            raise not_found(kind, name)
        return found

    def _place(self, kind: Kind, obj: Json) -> None:
        """Put a new object into its namespace, which must be there."""
        meta = obj["metadata"]
        if kind.namespaced:
            meta["namespace"] = meta.get("namespace") or "default"
            check_creation(self, kind.name, meta["namespace"])
        else:
            meta.pop("namespace", None)

    def _replace(self, kind: Kind, live: Json, body: Json, write: Write) -> Json:
        """Write ``body``, the writer's own copy, in the place of ``live``."""
        writing.check_versions(kind, live, body)
        new = clone(writing.carried_over(kind, live, body, write))
        admission.admit(kind, new, live, self.addresses)
        writing.counted(kind, live, new)
        new = self._owned(kind, live, new, write)
        if writing.is_same(live, new):
            return live
        return new if write.dry_run else self.commit(kind, new)

    def _owned(self, kind: Kind, live: Json | None, obj: Json, write: Write) -> Json:
        """Return ``obj`` with its changed fields owned by who writes it."""
        if not write.manager:
            return obj
        manager = Manager(write.manager, "Update", write.subresource)
        return apply.tracked(kind, live, obj, manager, timestamp(self.now()))
