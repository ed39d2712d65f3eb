"""An API server in memory, as reflectors see one: LIST and WATCH of plain objects."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

from minidns.kubernetes import objects
from minidns.kubernetes.resources import Access, ApiError, ListWatch, Page, Resource, WatchEvent

Tree = dict[str, Any]


def matches(tree: Tree, selector: str) -> bool:
    """Return whether the labels of ``tree`` are what ``selector`` asks for."""
    labels = tree["metadata"].get("labels") or {}
    for requirement in re.split(r",(?![^(]*\))", selector):
        key, sign, value = re.fullmatch(  # type: ignore[union-attr]  # tests write it well
            r"\s*(\S+?)\s*(?:(==?|!=|\bin\b|\bnotin\b)\s*(.*?)\s*)?", requirement
        ).groups()
        values = [part.strip() for part in (value or "").strip("()").split(",")]
        if sign is None and key and key not in labels:
            return False
        if sign in ("=", "==", "in") and labels.get(key) not in values:
            return False
        if sign in ("!=", "notin") and labels.get(key) in values:
            return False
    return True


def has_fields(tree: Tree, selector: str) -> bool:
    """Return whether ``tree`` meets the ``field!=value`` terms of ``selector``."""
    for term in filter(None, selector.split(",")):
        path, value = term.split("!=")
        at: Any = tree
        for word in path.split("."):
            at = (at or {}).get(word)
        if (at or "") == value:
            return False
    return True


class Change(NamedTuple):
    """One write: the object as it is after it and as it was before."""

    version: int
    new: Tree | None
    old: Tree | None


class Api:
    """Objects by kind and key; each apply and delete reaches every watch at once."""

    def __init__(self, trees: Iterable[Tree]) -> None:
        self.trees: dict[tuple[str, str, str], Tree] = {}
        self.version = 1000
        self.changes: list[Change] = []
        self.forbidden: Callable[[Resource], bool] = lambda resource: False
        self._watches: list[asyncio.Queue[Change]] = []
        for tree in trees:
            self.apply(tree)

    def apply(self, tree: Tree) -> None:
        """Make or replace an object."""
        meta = tree["metadata"]
        key = (tree["kind"], meta.get("namespace", ""), meta["name"])
        old = self.trees.get(key)
        stamp = {"uid": "-".join(key), "resourceVersion": str(self.version + 1)}
        self.trees[key] = new = {**tree, "metadata": {**meta, **stamp}}
        self._changed(new, old)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Take an object away."""
        self._changed(None, self.trees.pop((kind, namespace, name)))

    def _changed(self, new: Tree | None, old: Tree | None) -> None:
        self.version += 1
        change = Change(self.version, new, old)
        self.changes.append(change)
        for queue in self._watches:
            queue.put_nowait(change)

    def list_watch(self, access: Access, resource: Resource) -> ListWatch:
        """Return what a reflector needs for ``resource``."""
        return _Collection(self, resource)

    async def since(self, version: int) -> AsyncIterator[Change]:
        """Yield the changes after ``version``, and then each as it happens."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        for change in self.changes:
            if change.version > version:
                queue.put_nowait(change)
        self._watches.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watches.remove(queue)


def told(change: Change, resource: Resource) -> tuple[str, Tree] | None:
    """Return what a watch of ``resource`` hears of ``change``, if anything."""
    was = change.old is not None and wanted(change.old, resource)
    if change.new is not None and wanted(change.new, resource):
        return "MODIFIED" if was else "ADDED", change.new
    if not was or change.old is None:
        return None
    stamp = {"resourceVersion": str(change.version)}
    return "DELETED", {**change.old, "metadata": {**change.old["metadata"], **stamp}}


def wanted(tree: Tree, resource: Resource) -> bool:
    """Return whether ``tree`` is part of ``resource``."""
    return (
        tree["kind"] == resource.kind.__name__
        and resource.namespace in ("", tree["metadata"].get("namespace", ""))
        and (not resource.label_selector or matches(tree, resource.label_selector))
        and has_fields(tree, resource.field_selector)
    )


class _Collection:
    def __init__(self, api: Api, resource: Resource) -> None:
        self._api = api
        self._resource = resource

    def _read(self, tree: Tree) -> objects.Object:
        return self._resource.read(objects.from_dict(tree))

    async def page(self, token: str, version: str | None) -> Page:
        api, resource = self._api, self._resource
        if api.forbidden(resource):
            text = f'{resource.plural} is forbidden: User "someone" cannot list resource'
            raise ApiError(text, status=403)
        found = [tree for tree in api.trees.values() if wanted(tree, resource)]
        return Page(tuple(map(self._read, found)), str(api.version))

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        async for change in self._api.since(int(version)):
            if event := told(change, self._resource):
                verb, tree = event
                yield WatchEvent(verb, self._read(tree), str(change.version))
