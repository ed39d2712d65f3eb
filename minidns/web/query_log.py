"""The queries of a real cluster as they happen: the logs of its DNS pods.

Pods whose Corefile has *log* write a line for each query. The lines are followed while
a page is open, and shown with the pods that the addresses in them belong to.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from minidns.kubernetes.documents import Documents, Json
from minidns.kubernetes.resources import ApiError
from minidns.second_dns.objects import POD
from minidns.text import foreign
from minidns.web.source import Events

LABELS = "k8s-app in (kube-dns, kube-dns-2)"
"""The pods of the cluster's DNS, and of a second one with the usual name."""
NAMESPACE = "kube-system"
REFRESH_S = 10.0
"""Seconds between two readings of the pods."""
FLUSH_S = 0.25
"""Seconds for which queries are collected before they are sent to pages."""
LAST = 200
"""Queries that a page is shown when it opens."""
_LINE = re.compile(
    r"(?P<client>\S+):\d+ - \d+"
    r' "(?P<type>\S+) IN (?P<name>\S+) (?:udp|tcp)\S* \d+ (?:true|false) \d+"'
    r" (?P<rcode>\S+) \S+ \d+ (?P<seconds>[\d.]+)s"
)
"""A query in the format *common* of *log*."""
Row: TypeAlias = Mapping[str, str]
"""at, pod, node, name, type, result, ms, by: what the columns of the page show."""


class Place(NamedTuple):
    """The pod behind an address."""

    pod: str
    """Namespace and name."""
    node: str


def row(line: str, by: str, places: Mapping[str, Place], wall_s: float) -> Row | None:
    """Return the query in a line of a log; None if there is none.

    ``by`` is the pod that wrote it, ``places`` has the pods by address, ``wall_s`` is
    the time of day at which the line came.
    """
    match = _LINE.search(line)
    if match is None:
        return None
    client = match["client"].strip("[]")
    place = places.get(client, Place(client, ""))
    name = foreign.escaped(match["name"])
    at = time.strftime("%H:%M:%S", time.localtime(wall_s))
    return {
        "at": f"{at}.{int(wall_s * 1000) % 1000:03}",
        "pod": place.pod,
        "node": place.node,
        "name": name,
        "type": match["type"],
        "result": match["rcode"],
        "ms": f"{float(match['seconds']) * 1000:.1f}",
        "by": by,
    }


@dataclass(slots=True)
class QueryLog:
    """Follows the logs of the DNS pods for one page server."""

    api: Documents
    events: Events
    wall: Callable[[], float]
    """Returns the time of day, in seconds since 1970."""
    _last: deque[Row] = field(default_factory=lambda: deque(maxlen=LAST))
    _fresh: list[Row] = field(default_factory=list)
    _said: str = ""
    _unread: set[str] = field(default_factory=set)
    """The pods whose logs cannot be read."""
    _places: Mapping[str, Place] = field(default_factory=dict)
    _following: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def state(self) -> Mapping[str, Any]:
        """Return the events that a page needs when it opens, by name."""
        return {"queries": list(self._last), "source": self._said}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the logs during the block, while there are pages."""
        tasks = [asyncio.create_task(w) for w in (self._refresh(), self._flush())]
        try:
            yield
        finally:
            ending = (*tasks, *self._following.values())
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _refresh(self) -> None:
        while True:
            if self.events.subscribers:
                try:
                    await self._find_pods()
                except ApiError as error:
                    self._say(f"the pods cannot be read: {error}")
                await asyncio.sleep(REFRESH_S)
            else:
                await asyncio.sleep(FLUSH_S)

    async def _find_pods(self) -> None:
        self._places = dict(_places(await self.api.list_objects(POD.path())))
        path = POD.path(NAMESPACE)
        pods = await self.api.list_objects(path, labels=LABELS)
        names = [pod["metadata"]["name"] for pod in pods]
        for name in names:
            known = self._following.get(name)
            if known is None or known.done():
                following = self._follow(f"{path}/{name}/log", name)
                self._following[name] = asyncio.create_task(following)
        if not names:
            self._say(f"no pod of {NAMESPACE} has a label {LABELS}")
        elif not self._last and not self._unread:
            self._say(
                f"the logs of {len(names)} DNS pods have no query so far; they have"
                " queries if the Corefile has the plugin log"
            )

    async def _follow(self, path: str, name: str) -> None:
        """Collect the queries of a pod until its log ends."""
        try:
            async for line in self.api.lines(f"{path}?follow=true&tailLines=0"):
                found = row(line, f"{NAMESPACE}/{name}", self._places, self.wall())
                if found is not None:
                    self._fresh.append(found)
        except ApiError as error:
            self._unread.add(name)
            self._say(f"the log of {name} cannot be read: {error}")

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            if self._fresh:
                self._say("from the logs of the DNS pods")
                self._last.extend(self._fresh)
                self.events.publish("queries", self._fresh)
                self._fresh = []

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.events.publish("source", text)


def _places(pods: Iterable[Json]) -> Iterable[tuple[str, Place]]:
    for pod in pods:
        meta, spec = pod["metadata"], pod.get("spec") or {}
        address = (pod.get("status") or {}).get("podIP")
        if address and not spec.get("hostNetwork"):
            node = str(spec.get("nodeName") or "")
            yield address, Place(f"{meta['namespace']}/{meta['name']}", node)
