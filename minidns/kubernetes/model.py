"""The values of a lookup: a question, the objects found for it, and the answer.

A query passes three shapes on its way through *kubernetes*::

    ClusterQuestion  --names.parse-->      ParsedName      what the labels mean
    ParsedName       --Lookup.find-->      FoundObjects    hosts and ports that match
    FoundObjects     --records, aliases--> ClusterAnswer   records, or none

The rule is decided once, by the lookup or by the records, and goes along as a member of
``Rule``; with it go the objects that the answer follows from (``sources``, for people)
and the keys whose change ends its reuse (``keys``, for remembered replies).
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from minidns.dns.model import Name, RRset, Source
from minidns.kubernetes.objects import Endpoint, Key, Object, Port
from minidns.kubernetes.rules import Rule
from minidns.kubernetes.window import EVERYTHING, Window

Sources: TypeAlias = tuple[Source, ...]
Keys: TypeAlias = tuple[Hashable, ...]
"""Keys of ``store``: an event that touches one of them makes the answer stale."""


class ClusterQuestion(Struct, frozen=True):
    """A question for a name in a zone of the cluster."""

    name: Name
    qtype: int
    zone: Name
    spelled: str
    """The zone in the letters of the query, in which synthesized names end."""
    owner: str
    """The owner of the records: the name as the client or the alias spells it."""
    window: Window = EVERYTHING
    """The number of candidates that the reply can hold."""


class HostGroup(Struct, frozen=True):
    """Hosts with the ports they share; every pair of host and port is a candidate."""

    hosts: Sequence[str]
    ports: Sequence[Port]
    endpoints: Sequence[Endpoint] = ()
    """The endpoints with these hosts; empty for the addresses of a Service or Pod."""
    cluster: str = ""


class FoundObjects(Struct, frozen=True):
    """The objects a name stands for; without groups it exists at most as a node."""

    rule: Rule
    sources: Sources = ()
    keys: Keys = ()
    owner: str = ""
    """Name of the Service or Pod relative to the zone: ``web.prod.svc.``."""
    groups: Sequence[HostGroup] = ()
    partial: bool = False
    """Whether there are more candidates than ``groups`` holds."""


class ExternalTarget(NamedTuple):
    """A name of another zone, in whose place the records of that name belong."""

    target: Name


RecordOrTarget: TypeAlias = RRset | ExternalTarget


class ClusterAnswer(Struct, frozen=True):
    """An answer before it is a Response; without records its rule gives the rcode."""

    rule: Rule
    sources: Sources = ()
    keys: Keys = ()
    answer: tuple[RecordOrTarget, ...] = ()
    additional: tuple[RRset, ...] = ()
    partial: bool = False
    """Whether there are more records than ``answer`` holds."""

    @property
    def exists(self) -> bool:
        """Whether the name exists; if not, the answer is NXDOMAIN."""
        return self.rule.exists


def endpoint_keys(service: Key) -> Keys:
    """Return the keys of answers that use the EndpointSlices of ``service``.

    They come on top of the key of the Service itself.
    """
    return (("endpoints", *service),)


def service_keys(service: Key) -> Keys:
    """Return the keys of answers that show a Service and its endpoints."""
    return ("service", *service), *endpoint_keys(service)


def source_of(kind: str, obj: Object) -> Source:
    """Return ``obj`` as a source of an answer."""
    uid, version, _ = obj.meta
    return Source(kind, str(obj.key), uid, version)


def option_source(name: str) -> Source:
    """Return an option of *kubernetes* as a source of an answer."""
    return Source("Corefile", f"kubernetes {name}")
