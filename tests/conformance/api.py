"""An API server in memory, as reflectors see one: LIST and WATCH of plain objects."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from minidns.kube import objects
from minidns.kube.resource import (
    Access,
    ApiError,
    ListWatch,
    Page,
    Resource,
    WatchEvent,
)

Tree = dict[str, Any]


def matches(tree: Tree, selector: str) -> bool:
    """Return whether the labels of ``tree`` are what ``selector`` asks for."""
    labels = tree["metadata"].get("labels") or {}
    for requirement in re.split(r",(?![^(]*\))", selector):
        key, sign, value = re.fullmatch(  # type: ignore[union-attr]  # tests write it well
            r"\s*(\S+?)\s*(?:(==?|!=|\bin\b|\bnotin\b)\s*(.*?)\s*)?", requirement
        ).groups()
        values = [each.strip() for each in (value or "").strip("()").split(",")]
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


class Api:
    """Objects by kind and key; each apply and delete reaches every watch at once."""

    def __init__(self, trees: list[Tree]) -> None:
        self.trees: dict[tuple[str, str, str], Tree] = {}
        self.version = 1000
        self.forbidden: Callable[[Resource], bool] = lambda resource: False
        self._watches: list[tuple[Resource, asyncio.Queue[WatchEvent]]] = []
        for tree in trees:
            self.apply(tree)

    def apply(self, tree: Tree) -> None:
        """Make or replace an object."""
        meta = tree["metadata"]
        key = (tree["kind"], meta.get("namespace", ""), meta["name"])
        old = self.trees.get(key)
        self.version += 1
        stamped = {"uid": "-".join(key), **meta, "resourceVersion": str(self.version)}
        self.trees[key] = new = {**tree, "metadata": stamped}
        for resource, queue in self._watches:
            if _wanted(new, resource):
                queue.put_nowait(self._event("MODIFIED", new, resource))
            elif old and _wanted(old, resource):
                queue.put_nowait(self._event("DELETED", old, resource))

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Take an object away."""
        old = self.trees.pop((kind, namespace, name))
        self.version += 1
        for resource, queue in self._watches:
            if _wanted(old, resource):
                queue.put_nowait(self._event("DELETED", old, resource))

    def _event(self, verb: str, tree: Tree, resource: Resource) -> WatchEvent:
        obj = resource.read(objects.from_dict(tree))
        return WatchEvent(verb, obj, str(self.version))

    def list_watch(self, access: Access, resource: Resource) -> ListWatch:
        """Return what a reflector needs for ``resource``."""
        return _Collection(self, resource)

    def page(self, resource: Resource) -> Page:
        """Return all of ``resource`` at once."""
        if self.forbidden(resource):
            text = (
                f'{resource.plural} is forbidden: User "someone" cannot list resource'
            )
            raise ApiError(text, status=403)
        found = [tree for tree in self.trees.values() if _wanted(tree, resource)]
        read = tuple(resource.read(objects.from_dict(tree)) for tree in found)
        return Page(read, str(self.version))

    async def watch(self, resource: Resource) -> AsyncIterator[WatchEvent]:
        """Yield what changes from now on."""
        queue: asyncio.Queue[WatchEvent] = asyncio.Queue()
        watch = (resource, queue)
        self._watches.append(watch)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watches.remove(watch)


def _wanted(tree: Tree, resource: Resource) -> bool:
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

    async def page(self, token: str, version: str | None) -> Page:
        return self._api.page(self._resource)

    def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        return self._api.watch(self._resource)
