"""What a look-up finds: hosts that share ports, or a miss; and what it follows from."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from minidns.dns.model import Name, RRset, Source
from minidns.kubernetes.objects import Endpoint, Key, Object, Port
from minidns.kubernetes.window import EVERYTHING, Window

Sources: TypeAlias = tuple[Source, ...]
Keys: TypeAlias = tuple[Hashable, ...]


class Group(Struct, frozen=True):
    """Hosts with the ports they share; every pair of them is a candidate."""

    hosts: Sequence[str]
    ports: Sequence[Port]
    endpoints: Sequence[Endpoint] = ()
    """Whose addresses the hosts are; empty where they are the Service's own."""
    cluster: str = ""


class Match(Struct, frozen=True):
    """What a name stands for; never without a candidate."""

    rule: str
    owner: str
    """Name of the Service or Pod relative to the zone: ``web.prod.svc.``."""
    groups: Sequence[Group]
    sources: Sources
    keys: Keys
    partial: bool = False
    """Whether there are candidates beside these."""


class Miss(Struct, frozen=True):
    """That a name does not exist, or that it does and has nothing to give."""

    exists: bool
    rule: str
    sources: Sources = ()
    keys: Keys = ()


def endpoints_of(service: Key) -> Keys:
    """Return what an answer depends on that the slices of ``service`` have a part in.

    Beside what it depends on for the Service itself.
    """
    return (("endpoints", *service),)


def service_with_endpoints(service: Key) -> Keys:
    """Return what an answer depends on that shows a Service, or its endpoints."""
    return ("service", *service), *endpoints_of(service)


def source_of(kind: str, obj: Object) -> Source:
    """Return ``obj`` as something that an answer follows from."""
    uid, version, _ = obj.meta
    return Source(kind, str(obj.key), uid, version)


def option_source(name: str) -> Source:
    """Return an option as something that an answer follows from."""
    return Source("Corefile", f"kubernetes {name}")


class ExternalTarget(NamedTuple):
    """A name of another zone, in whose place the records of that name belong."""

    target: Name


RecordOrTarget: TypeAlias = RRset | ExternalTarget


class ClusterQuestion(Struct, frozen=True):
    """What is asked, where."""

    name: Name
    qtype: int
    zone: Name
    spelled: str
    """The zone in the letters of the query: names that are made up end in it."""
    owner: str
    """Owner of the records: the name as whoever asks wrote it."""
    window: Window = EVERYTHING
    """How much of the answer can be sent."""


class ClusterAnswer(Struct, frozen=True):
    """What the rules say; without an answer NODATA, or that there is no such name."""

    rule: str
    sources: Sources = ()
    keys: Keys = ()
    exists: bool = True
    answer: tuple[RecordOrTarget, ...] = ()
    additional: tuple[RRset, ...] = ()
    partial: bool = False
    """Whether there are more records than ``answer`` has: as many as can be sent."""
    final: bool = False
    """Whether *fallthrough* does not apply, though there is no such name."""


def missed(miss: Miss) -> ClusterAnswer:
    """Return ``miss`` as an outcome."""
    return ClusterAnswer(miss.rule, miss.sources, miss.keys, miss.exists)
