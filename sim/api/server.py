"""The simulated API server in memory: objects, change log, LIST, WATCH and writes.

`ClusterApi` serves callers in the same process; `sim.api.http` serves the same over
HTTP. `get` returns a copy; the objects that `list`, `find`, writes and events return
are shared and must not be changed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import ClassVar, TypeAlias

from . import admission, apply, bootstrap, writing
from .admission.namespaces import check_creation, undeletable
from .feed import Feed, Later, Subscriber, on_loop
from .fields import Manager
from .kind import Kind
from .kinds import KINDS, kind_of, named
from .objects import (
    Clock,
    Json,
    Key,
    clone,
    is_terminating,
    key_of,
    owners_of,
    timestamp,
    with_meta,
)
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
"""Changes of each kind in the change log."""


class ClusterApi(Feed):
    """The objects of a cluster and the operations of its API.

    With the same ``now`` and ``seed`` each run has the same times and names; ``later``
    calls what controllers do after a time. ``nodes`` are the names of the first Nodes.
    This class runs no controllers, so objects stay as they are written;
    `sim.controllers.cluster.Cluster` runs them.
    """

    controllers: ClassVar[tuple[Callable[["ClusterApi"], Subscriber], ...]] = ()
    """Constructors of the subscribers that see every change before a write returns."""

    def __init__(
        self,
        *,
        now: Clock = time.time,
        later: Later = on_loop,
        seed: int = 1,
        nodes: Iterable[str] = ("node-1",),
        dual_stack: bool = False,
        history: int = HISTORY,
    ) -> None:
        families = ("IPv4", "IPv6") if dual_stack else ("IPv4",)
        super().__init__(now, later, seed, history, families)
        for controller in self.controllers:
            self.subscribe(controller(self))
        for obj in bootstrap.objects(nodes, families):
            self.create(obj)

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return an object, shared, or None; cluster-scoped ones have no namespace."""
        return self.store[named(kind)].objects.get((namespace, name))

    def get(self, kind: str, namespace: str, name: str) -> Json:
        """Return a copy of an object.

        Raises:
            ApiError: there is no such object (404).

        """
        return clone(self._existing(named(kind), namespace, name))

    def list(
        self, kind: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Objects:
        """Return the objects of one kind, shared, ordered by namespace and name.

        Raises:
            ApiError: a selector is invalid (400).

        """
        row = named(kind)
        selected = selection(row, namespace, labels, fields)
        objects = self.store[row].now().within(namespace)
        return list(
            filter(selected.matches, objects) if selected.is_filtered else objects
        )

    async def watch(
        self, kind: str, version: int | None = None, selected: Selection = EVERYTHING
    ) -> AsyncIterator[WatchEvent]:
        """Yield the events after ``version``, or after the latest one, for ever.

        Raises:
            ApiError: ``version`` has been compacted (410).

        """
        collection = self.store[named(kind)]
        cursor = Cursor(
            collection, selected, self.version if version is None else version
        )
        changed = asyncio.Event()
        collection.listeners[changed.set] = None
        try:
            while True:
                changed.clear()
                for event in cursor.following():
                    yield event
                await changed.wait()
        finally:
            collection.listeners.pop(changed.set, None)

    def create(self, obj: Json, write: Write = DIRECT) -> Json:
        """Create an object; without a namespace it is in default.

        Raises:
            ApiError: the name is taken (409), the object is invalid (400, 422), its
                namespace does not exist (404) or is being deleted (403).

        """
        kind = kind_of(obj)
        obj = writing.read_body(kind, obj)
        self._place(kind, obj)
        writing.generate_name(obj, self.new_suffix)
        if kind.has_status and not write.keeps_status:
            obj.pop("status", None)
        writing.set_server_metadata(kind, obj, self.new_uid(), timestamp(self.now()))
        admission.admit(kind, obj, None, self.addresses)
        if key_of(obj) in self.store[kind].objects:
            raise already_exists(kind, obj["metadata"]["name"])
        obj = self._owned(kind, None, obj, write)
        return obj if write.dry_run else self.commit(kind, obj)

    def update(self, obj: Json, write: Write = DIRECT) -> Json:
        """Replace an object; a body with a resourceVersion requires that version.

        Raises:
            ApiError: it does not exist (404), is at another version (409), or the new
                state is invalid (400, 422).

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
        """Patch an object; ``style`` is the media type of ``patch``.

        Raises:
            ApiError: it does not exist (404), is at another version (409), the patch
                is invalid (400, 415), or the new state is invalid (400, 422).

        """
        row = named(kind)
        live = self._existing(row, namespace, name)
        new = patched(row, live, patch, style)
        return self._replace(row, live, writing.read_body(row, new), write)

    def apply(self, obj: Json, write: Write = BY_SIM, *, force: bool = True) -> Json:
        """Create or change an object by server-side apply.

        Raises:
            ApiError: fields belong to other managers without ``force`` (409), or the
                new state is invalid (400, 422).

        """
        kind = kind_of(obj)
        obj = writing.read_body(kind, obj)
        live = self.store[kind].objects.get(self._key(kind, obj))
        if live is not None:
            writing.check_versions(kind, live, obj)
        new = apply.server_side_apply(
            kind,
            live or {"metadata": {}},
            obj,
            Manager(write.manager, "Apply", write.subresource),
            force=force,
            time=timestamp(self.now()),
        )
        owned = replace(write, manager="")  # ownership is already in ``new``
        if live is None:
            return self.create(new, owned)
        return self._replace(kind, live, new, owned)

    def delete(
        self, kind: str, namespace: str, name: str, deletion: Deletion = AT_ONCE
    ) -> Json:
        """Delete an object, or set its deletionTimestamp.

        An object with finalizers stays, and so does a Pod that needs time to end.

        Return its last state.

        Raises:
            ApiError: it does not exist (404), fails a precondition (409), or is
                protected (403).

        """
        row = named(kind)
        live = self._existing(row, namespace, name)
        writing.check_deletion(row, live, deletion)
        if row.name == "Namespace" and (refused := undeletable(name)):
            raise refused
        if deletion.dry_run:
            return live
        if deletion.orphan:
            self._release(live)
        grace_s = writing.grace_s(row, live, deletion)
        if not grace_s and not writing.finalizers_of(live):
            return self.remove(row, live)
        left_s = live["metadata"].get("deletionGracePeriodSeconds") or 0
        if is_terminating(live) and grace_s >= left_s:
            return live
        times = {
            "deletionTimestamp": timestamp(self.now() + grace_s),
            "deletionGracePeriodSeconds": grace_s,
        }
        marked = clone(with_meta(live, **times))
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
        """Delete all selected objects; return their last states."""
        objects = self.list(kind, namespace, labels, fields)
        return [self.delete(kind, *key_of(obj), deletion) for obj in objects]

    def dependents(self, owner: Json) -> Objects:
        """Return the objects with an owner reference to ``owner``, shared.

        They are in its namespace, or anywhere if it has none.
        """
        namespace, uid = key_of(owner)[0], owner["metadata"]["uid"]
        return [
            obj
            for kind in KINDS
            if kind.namespaced or not namespace
            for obj in self.list(kind.name, namespace)
            if any(r["uid"] == uid for r in owners_of(obj))
        ]

    def _release(self, owner: Json) -> None:
        """Remove the references to ``owner`` (propagation policy Orphan)."""
        uid = owner["metadata"]["uid"]
        for obj in self.dependents(owner):
            others = [r for r in owners_of(obj) if r["uid"] != uid]
            self.commit(kind_of(obj), with_meta(obj, ownerReferences=others))

    def _key(self, kind: Kind, obj: Json) -> Key:
        """Return namespace and name of a body; the default namespace is set."""
        meta = obj["metadata"]
        if not meta.get("name"):
            cause = required("metadata.name", "name is required")
            raise invalid(kind.title, "", [cause])
        if kind.namespaced:
            meta["namespace"] = meta.get("namespace") or "default"
        return key_of(obj)

    def _existing(self, kind: Kind, namespace: str, name: str) -> Json:
        """Return an existing object, shared."""
        obj = self.store[kind].objects.get((namespace, name))
        if obj is None:
            raise not_found(kind, name)
        return obj

    def _place(self, kind: Kind, obj: Json) -> None:
        """Set and check the namespace of a new object."""
        meta = obj["metadata"]
        if kind.namespaced:
            meta["namespace"] = meta.get("namespace") or "default"
            name = meta["namespace"]
            check_creation(kind, name, self.find("Namespace", "", name))
        else:
            meta.pop("namespace", None)

    def _replace(self, kind: Kind, live: Json, body: Json, write: Write) -> Json:
        """Replace ``live`` by ``body``, which this server may change."""
        writing.check_versions(kind, live, body)
        new = clone(writing.merge_metadata(kind, live, body, write))
        admission.admit(kind, new, live, self.addresses)
        writing.bump_generation(kind, live, new)
        new = self._owned(kind, live, new, write)
        if writing.is_same(live, new):
            return live
        return new if write.dry_run else self.commit(kind, new)

    def _owned(self, kind: Kind, live: Json | None, obj: Json, write: Write) -> Json:
        """Return ``obj`` with its changed fields owned by the writing manager."""
        if not write.manager:
            return obj
        manager = Manager(write.manager, "Update", write.subresource)
        return apply.track_ownership(kind, live, obj, manager, timestamp(self.now()))
