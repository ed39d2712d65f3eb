"""Causes of rare lookup failures, planted in a stage at a rate: the culprits of trials.

    async with staged(seed) as stage:
        async with planted(stage, "software", Fraction(1, 1000), seed) as culprit:
            ...  # look up with stage.look_up or stage.packets; about 1 in 1,000 fails

``CAUSES`` has every cause by its name, which is also the class of the right verdict
(``race`` is a variant of ``any-service``, ``servfail`` one of ``software``). A cause is
made of the same words as in scenarios; ``culprit.words`` are those that were planted.
Most causes affect every lookup of their class. Of two only some names fail: a trial
asks for ``culprit.names``, each in its share of the lookups, so that the share of
failing lookups is the rate.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from minidns.dns.model import Name

from ..node import fault_words, kube_system
from ..node.kind_corefile import KIND
from . import object_words
from .stage import Stage

CHANGED_NAME = "planted-stale.default.svc.cluster.local."
"""The name of a Service that is deleted and created again all the time."""
STUB_ZONE = "planted.example"
CHANGE_S = 10.0
"""Seconds between two changes of that Service."""
LAG = "500ms"
_STUB = f"""\
{STUB_ZONE}:53 {{
    errors
    forward . 192.0.2.99
}}
"""
"""A stub domain whose server does not exist."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of failures: words of faults with {rate}, {replica} and {node}."""

    description: str
    words: tuple[str, ...] = ()
    corefile: str = ""
    """Server blocks that the shared Corefile of both services gets."""
    races: bool = False
    """Whether two packets of one socket race in conntrack at the rate."""
    changes: bool = False
    """Whether the Service of ``CHANGED_NAME`` changes all the time."""


CAUSES: Mapping[str, Cause] = MappingProxyType(
    {
        "software": Cause("CoreDNS drops queries", ("lose {rate} at kube-dns",)),
        "servfail": Cause("CoreDNS answers SERVFAIL", ("servfail {rate} at kube-dns",)),
        "configuration": Cause(
            "the Corefile has a stub domain whose server is gone", corefile=_STUB
        ),
        "one-replica": Cause(
            "one CoreDNS pod drops queries", ("lose {rate} at {replica}",)
        ),
        "path": Cause(
            "packets to the ClusterIP of kube-dns are lost",
            (f"lose {{rate}} link pods>{kube_system.CLUSTER_DNS}",),
        ),
        "any-service": Cause(
            "packets to any ClusterIP are lost", ("lose {rate} link pods>services",)
        ),
        "race": Cause("two packets of one socket race in conntrack", races=True),
        "node": Cause(
            "a node loses the packets of its pods", ("lose {rate} link pods>{node}",)
        ),
        "upstream": Cause(
            "the external resolver answers SERVFAIL", ("servfail {rate} at outside",)
        ),
        "stale": Cause(
            f"changes reach all DNS servers {LAG} late",
            (f"delay {LAG} link api>dns",),
            changes=True,
        ),
        "client-resolver": Cause(
            "clients lose the second of two queries that they send at once",
            ("lose {rate} link pods>node second",),
        ),
        "interceptor": Cause(
            "a cache on the nodes answers all queries and loses some",
            (
                "intercept link pods>node by kube-dns cache 5s",
                "lose {rate} link pods>node",
            ),
        ),
        "minidns": Cause("minidns drops queries", ("lose {rate} at kube-dns-2",)),
        "everything": Cause(
            "the network loses packets of all pods", ("lose {rate} link pods>node",)
        ),
        "none": Cause("nothing is wrong"),
    }
)
"""Every cause by its name."""


class PlantedName(NamedTuple):
    """A name that fails, and the share of lookups that must ask for it."""

    name: Name
    share: Fraction


class Culprit(NamedTuple):
    """A planted cause."""

    cause: str
    words: tuple[str, ...]
    """The words of its faults."""
    names: tuple[PlantedName, ...] = ()
    """The names to ask for; empty if lookups of any name fail at the rate."""


@asynccontextmanager
async def planted(
    stage: Stage,
    cause: str,
    rate: Fraction,
    seed: int = 1,
    *,
    replica: str = "",
    node: str = "",
) -> AsyncIterator[Culprit]:
    """Plant a cause for the time of the block.

    ``replica`` is the address of the bad CoreDNS pod, by default the first one;
    ``node`` that of the bad node, by default the node of the pod default/app. With the
    cause ``configuration`` the servers restart at the begin and the end.

    Raises:
        ValueError: the cause is unknown, or kube-dns has no pod.

    """
    row = CAUSES.get(cause)
    if row is None:
        raise ValueError(f"{cause} is not one of {', '.join(CAUSES)}")
    addresses = sorted(server.address for server in stage.replicas("kube-dns"))
    if not addresses:
        raise ValueError("kube-dns has no pod")
    place = stage.places.of(stage.address(("default", "app")))
    values = {
        "rate": f"{rate.numerator}/{rate.denominator}",
        "replica": replica or addresses[0],
        "node": node or place.node,
    }
    words = tuple(text.format(**values) + f" seed {seed}" for text in row.words)
    for text in words:
        fault = fault_words.parse(text.split())
        fault_words.check_names(fault, stage.places.names())
        stage.packets.faults.add(fault)
    before = stage.plane.faults.race_rate
    if row.races:
        stage.plane.faults.race_rate = _race_rate(rate, len(addresses))
    if row.corefile:
        await _configure(stage, KIND + row.corefile)
    try:
        async with _changing(stage, active=row.changes):
            yield Culprit(cause, words, tuple(_names(stage, row, rate)))
    finally:
        stage.plane.faults.race_rate = before
        for text in words:
            with suppress(ValueError):  # somebody has cleared all faults
                stage.packets.faults.clear(text)
        if row.corefile:
            await _configure(stage, KIND)


def _race_rate(rate: Fraction, endpoints: int) -> float:
    """Return the rate of races of which ``rate`` end at another endpoint."""
    if endpoints < 2:
        raise ValueError("a race needs two endpoints: scale coredns 2")
    return min(float(rate * endpoints / (endpoints - 1)), 1.0)


def _names(stage: Stage, cause: Cause, rate: Fraction) -> Iterator[PlantedName]:
    if cause.corefile:
        name = f"web.{STUB_ZONE}."
        stage.add_external_record(f"{name} 300 A 192.0.2.77")
        yield PlantedName(name, rate)
    if cause.changes:
        # a lookup fails until both events of a change have arrived
        window = Fraction(str(fault_words.seconds(LAG))) / Fraction(str(CHANGE_S))
        yield PlantedName(CHANGED_NAME, min(rate / window, Fraction(1)))


async def _configure(stage: Stage, corefile: str) -> None:
    patch = {"data": {"Corefile": corefile}}
    stage.cluster.patch("ConfigMap", "kube-system", kube_system.CONFIG_MAP, patch)
    await stage.restart()


@asynccontextmanager
async def _changing(stage: Stage, *, active: bool) -> AsyncIterator[None]:
    """Replace the Service of ``CHANGED_NAME`` again and again, if ``active``."""
    if not active:
        yield
        return
    task = asyncio.get_running_loop().create_task(_change(stage))
    try:
        await asyncio.sleep(0)  # the Service exists from now on
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _change(stage: Stage) -> None:
    key = tuple(reversed(CHANGED_NAME.split(".")[:2]))
    namespace, name = key
    numbers: Sequence[int] = range(1, 200)
    while True:
        for number in numbers:
            words = ("ip", f"10.96.200.{number}", "port", "80")
            if stage.cluster.find("Service", namespace, name) is not None:
                stage.cluster.delete("Service", namespace, name)
            service = object_words.service((namespace, name), words)
            object_words.put(stage.cluster, service)
            await asyncio.sleep(CHANGE_S)
