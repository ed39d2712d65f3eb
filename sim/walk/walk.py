"""The walk of one lookup in the simulated cluster, once with each DNS service."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from minidns.dns.resolv_conf import nameservers
from minidns.stub.protocol import BOTH
from minidns.text.arguments import not_one_of
from minidns.walk.recorder import ACTIVE, RecordedLookup
from minidns.walk.steps import Client, Walk
from minidns.walk.wording import lookup_types, with_nameserver

from ..api.objects import Key, dig
from ..resolver import kinds
from ..resolver.kinds import Kind, find
from ..scenario.server_pods import SERVICES
from ..scenario.setup_words import key_of
from ..scenario.stage import Stage
from .recording import Recording
from .world import WrongWords

T = TypeVar("T")


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
    stage: Stage, pod: str, name: str, resolver: str = "", types: str = ""
) -> Wanted:
    """Return the lookup that words describe.

    Raises:
        WrongWords: there is no such pod, resolver or type, or the name is none; the
            text lists what there is.

    """
    try:
        key = key_of(pod)
        kind = find(resolver) if resolver else None
        rtypes = lookup_types(types)
    except ValueError as error:
        raise WrongWords(str(error)) from None
    if key not in stage.pods():
        raise WrongWords(not_one_of(pod, sorted(map("/".join, stage.pods()))))
    if not name.strip("."):
        what = f"{name}: no name" if name else "no name"
        raise WrongWords(f"{what}; give one such as web.shop or google.com")
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
    replaced = None
    if is_own:
        resolver = stage.resolver(wanted.pod, kind)
    else:
        replaced = nameservers(text)
        text = with_nameserver(text, side.address)
        resolver = kind.make(text, stage.clients)
    client = Client("/".join(wanted.pod), kind.name, text, replaced)
    steps = resolver.look_up(wanted.name, wanted.types)
    with _recording(stage, wanted, client) as recording:
        await stage.run(wanted.pod, RecordedLookup(resolver, steps))
    return Walk(side.name, side.address, is_own, client, wanted.name, recording.steps())


async def walk_of_command(
    stage: Stage, command: str, work: Awaitable[T]
) -> tuple[T, Walk | None]:
    """Return the result of ``work``, and the walk of the lookup that it made.

    ``work`` carries out ``command``, a line of a scenario; there is a walk if that is
    a single lookup, ``resolve`` or ``query``, of a pod that there is.
    """
    verb, *words = command.split()
    if verb not in _LOOKUPS or len(words) < _LEAST_WORDS:
        return await work, None
    try:
        wanted = wanted_of(
            stage, words[0], words[1], _LOOKUPS[verb], " ".join(words[2:])
        )
    except WrongWords:
        return await work, None
    kind = wanted.kind or stage.kind_of(wanted.pod)
    text = stage.resolv_conf(wanted.pod)
    address = nameservers(text)[0] if nameservers(text) else ""
    named = (each.name for each in services(stage) if each.address == address)
    client = Client(words[0], kind.name, text)
    with _recording(stage, wanted, client) as recording:
        result = await work
    name = next(named, "its own server")
    return result, Walk(name, address, True, client, words[1], recording.steps())


_LOOKUPS = {"resolve": "", "query": kinds.BIND_TOOLS.name}
"""The resolver of a command's lookup; empty for that of the pod's programs."""
_LEAST_WORDS = 2


@contextmanager
def _recording(stage: Stage, wanted: Wanted, client: Client) -> Iterator[Recording]:
    """Record the lookup that is made in the block."""
    recording = Recording(client, wanted.name, stage.now, stage.now(), stage=stage)
    token = ACTIVE.set(recording)
    try:
        recording.call(wanted.types)
        yield recording
    finally:
        ACTIVE.reset(token)
