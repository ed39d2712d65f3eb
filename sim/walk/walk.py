"""The walk of one lookup in the simulated cluster, once with each DNS service."""

from collections.abc import Sequence
from typing import NamedTuple

from minidns.dns.rdata import type_number
from minidns.dns.resolv_conf import nameservers
from minidns.stub.protocol import BOTH
from minidns.walk.recorder import ACTIVE, RecordedLookup
from minidns.walk.steps import Client, Walk
from minidns.walk.wording import with_nameserver

from ..api.objects import Key, dig
from ..resolver.kinds import Kind, find
from ..scenario.server_pods import SERVICES
from ..scenario.setup_words import key_of
from ..scenario.stage import Stage
from .recording import Recording
from .world import WrongWords


class Wanted(NamedTuple):
    """A lookup to walk through."""

    pod: Key
    name: str
    kind: Kind | None = None
    """The resolver; None for that of the pod's programs."""
    types: tuple[int, ...] = BOTH


class DnsService(NamedTuple):
    """A DNS service of the cluster."""

    name: str
    address: str


def services(stage: Stage) -> list[DnsService]:
    """Return the DNS services of the cluster."""
    found = (stage.cluster.find("Service", "kube-system", name) for name in SERVICES)
    return [
        DnsService(obj["metadata"]["name"], str(dig(obj, "spec.clusterIP")))
        for obj in found
        if obj is not None
    ]


def wanted_of(
    stage: Stage, pod: str, name: str, resolver: str = "", types: Sequence[str] = ()
) -> Wanted:
    """Return the lookup that words describe.

    Raises:
        WrongWords: there is no such pod, resolver or type, or the name is none; the
            text lists what there is.

    """
    try:
        key = key_of(pod)
        kind = find(resolver) if resolver else None
        rtypes = tuple(map(type_number, types)) or BOTH
    except ValueError as error:
        raise WrongWords(str(error)) from None
    if key not in stage.pods():
        there = ", ".join(sorted("/".join(each) for each in stage.pods()))
        raise WrongWords(f"{pod}: there is no such pod; there are: {there}")
    if not name.strip("."):
        raise WrongWords(f"{name!r}: a name is needed, such as web.shop or google.com")
    return Wanted(key, name, kind, rtypes)


async def walks(stage: Stage, wanted: Wanted) -> tuple[Walk, ...]:
    """Look a name up with each DNS service, one after the other; return the walks.

    A pod whose resolv.conf names neither of them first walks to its own server.

    Raises:
        ApiError: there is no such pod (404).
        UnknownResolver: the pod names a resolver that there is not.

    """
    own = nameservers(stage.resolv_conf(wanted.pod))[:1]
    sides = services(stage)
    if own and own[0] not in [side.address for side in sides]:
        sides.insert(0, DnsService("its own server", own[0]))
    return tuple([await walk(stage, wanted, side) for side in sides])


async def walk(stage: Stage, wanted: Wanted, side: DnsService) -> Walk:
    """Look a name up with the server of ``side``; return the walk.

    Raises:
        ApiError: there is no such pod (404).
        UnknownResolver: the pod names a resolver that there is not.

    """
    kind = wanted.kind or stage.kind_of(wanted.pod)
    text = stage.resolv_conf(wanted.pod)
    is_own = nameservers(text)[:1] == (side.address,)
    if is_own:
        resolver = stage.resolver(wanted.pod, kind)
    else:
        text = with_nameserver(text, side.address)
        resolver = kind.make(text, stage.clients)
    client = Client("/".join(wanted.pod), kind.name, text)
    recording = Recording(client, wanted.name, stage.now, stage.now(), stage=stage)
    token = ACTIVE.set(recording)
    try:
        recording.call(wanted.types)
        steps = resolver.look_up(wanted.name, wanted.types)
        looked_up = await stage.run(wanted.pod, RecordedLookup(resolver, steps))
        recording.result(looked_up.outcome)
    finally:
        ACTIVE.reset(token)
    return Walk(side.name, side.address, is_own, client, wanted.name, recording.steps())
