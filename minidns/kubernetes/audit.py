"""Audits a store: compares it with a fresh list of the API server, page by page.

A list shows the objects at some moment after its request. If the watch has not named an
object since the request, the store must have the listed state of it, once the watch has
had time to bring every event before that moment. So an object that differs is a suspect
at first, and a difference if the watch has still not named it a while later. Versions
are compared for equality alone, whatever the order of events.

Differences are repaired by a new list of the reflector: it overwrites, deletes the keys
that it does not name, and continues with a new watch. Memory: the objects of a
page, and keys. The loop: a page at a time, 10 to 20 ms for 100 EndpointSlices.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.kubernetes.decode import printable
from minidns.kubernetes.objects import Key
from minidns.kubernetes.reflector import Reflector, plainly
from minidns.kubernetes.resources import ApiError, Gone, ListWatch, Resource
from minidns.kubernetes.store import Store
from minidns.metrics.registry import Metrics

PAUSE_S = 0.2
"""Seconds between pages: 10,000 objects take 20 s, and 100,000 less than the 5 minutes
for which a list can be continued (etcd's compaction)."""
SETTLE_S = 30.0
"""Seconds that a watch may lag behind a list; generous, as a dead watch lags more."""
SHOWN = 5
"""The number of objects named in the log."""

Suspects: TypeAlias = dict[Key, str]
"""Keys of objects that differ, with the repair: add, change or delete."""

log = logging.getLogger("minidns.plugins.kubernetes")


class Followed(NamedTuple):
    """A resource that is audited: its reflector, and the store it fills."""

    reflector: Reflector
    store: Store


class Auditor:
    """Audits every watched resource, one after the other, until cancelled."""

    def __init__(
        self,
        followed: Callable[[], Sequence[Followed]],
        list_watch: Callable[[Resource], ListWatch],
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]],
        random: Random,
    ) -> None:
        self._followed = followed
        self._list_watch = list_watch
        self._sleep = sleep
        self._random = random
        prefix, labels = "minidns_kubernetes_audit", ("resource",)
        self._audits = metrics.counter(
            f"{prefix}s_total", "Comparisons with a fresh list.", labels
        )
        self._differences = metrics.counter(
            f"{prefix}_differences_total",
            "Objects that differed from the API server.",
            labels,
        )

    async def run(self, interval_s: float) -> None:
        """Audit about every ``interval_s`` seconds until cancelled."""
        while True:
            # replicas that start together should not list together
            await self._sleep(interval_s * self._random.uniform(0.5, 1.5))
            for followed in self._followed():
                await self._audit(followed, min(SETTLE_S, interval_s / 2))

    async def _audit(self, followed: Followed, settle_s: float) -> None:
        resource = followed.reflector.resource
        # a ListWatch of its own: its failures must not change how others list
        list_watch = self._list_watch(resource)
        try:
            differences = await find_differences(
                followed, list_watch, self._sleep, settle_s
            )
        except (ApiError, Gone) as error:
            log.info("Audit of %s broke off: %s", resource.type_name, error)
        except Exception as error:  # one audit must not end the others
            log.error("Audit of %s failed: %s", resource.type_name, plainly(error))
        else:
            if differences is not None:
                labels = (resource.plural,)
                self._audits.inc(labels)
                self._differences.inc(labels, len(differences))
                heal(followed.reflector, differences)


async def find_differences(
    followed: Followed,
    list_watch: ListWatch,
    sleep: Callable[[float], Awaitable[None]],
    settle_s: float = SETTLE_S,
) -> Mapping[Key, str] | None:
    """Return the objects that differ; None if a comparison is not possible now.

    Raises:
        Gone: the list took too long.
        ApiError: it failed.

    """
    reflector = followed.reflector
    if not reflector.watching:
        return None
    # set before the list is requested: what the watch names from now on may differ
    reflector.named = named = set[Key]()
    before = reflector.lists, reflector.errors
    try:
        suspects = await _suspects(followed, list_watch, sleep)
        if suspects:
            await sleep(settle_s)
        # when the watch broke off or began anew, being behind is no difference
        if suspects is None or (reflector.lists, reflector.errors) != before:
            return None
        return {key: what for key, what in suspects.items() if key not in named}
    finally:
        reflector.named = None


async def _suspects(
    followed: Followed,
    list_watch: ListWatch,
    sleep: Callable[[float], Awaitable[None]],
) -> Suspects | None:
    """Return the objects that a list shows differently; None if it is too old."""
    reflector, store = followed
    resource, suspects = reflector.resource, Suspects()
    unseen = set(store.keys(resource.kind, resource.namespace))
    version = reflector.version
    page = await list_watch.page("", None)
    if is_before(page.version, version):
        return None
    while True:
        for obj in page.objects:
            unseen.discard(obj.key)
            if not store.holds(obj):
                known = store.find(type(obj), obj.key) is not None
                suspects[obj.key] = "change" if known else "add"
        unseen.difference_update(page.unread)  # they are not missing
        if not page.token:
            return suspects | dict.fromkeys(unseen, "delete")
        await sleep(PAUSE_S)
        page = await list_watch.page(page.token, None)


def heal(reflector: Reflector, differences: Mapping[Key, str]) -> None:
    """Log the differences, and make the reflector list again if there are any."""
    if not differences:
        return
    text = "Audit of %s found %d that the API server has otherwise, listing again: %s"
    name = reflector.resource.type_name
    log.warning(text, name, len(differences), printable(_shown(differences)))
    reflector.distrust(key for key, what in differences.items() if what == "delete")


def _shown(differences: Mapping[Key, str]) -> str:
    some = [f"{what} {key}" for key, what in sorted(differences.items())[:SHOWN]]
    return ", ".join(some) + (" ..." if len(differences) > SHOWN else "")


def is_before(version: str, other: str) -> bool:
    """Return whether ``version`` is known to be the older one (KEP-5504).

    >>> is_before("9", "10"), is_before("10", "10"), is_before("a", "b")
    (True, False, False)
    """
    numbers = version.isdecimal() and other.isdecimal()
    return numbers and int(version) < int(other)
