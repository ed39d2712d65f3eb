"""The words of a scenario that set something up: objects, the world, what goes wrong.

Each is a function of a Stage, the words after it, and the text below it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from minidns.dns.model import Address

from ..api import manifests
from ..api.objects import Key
from ..node import kube_system, kubelet
from ..node.in_memory import Loss
from ..node.over_sockets import DNS_PORT
from . import object_words
from .stage import OUTSIDE, Stage

Act: TypeAlias = Callable[[Stage, Sequence[str], str], Awaitable[list[str] | None]]
"""Shows lines, or returns None if the command is none that shows anything."""


class Command(NamedTuple):
    """What a line of a scenario may begin with."""

    act: Act
    usage: str
    """Words after it; those in capitals stand for something, brackets for maybe."""
    gives: str
    """What it does or shows, for people."""


def key_of(text: str) -> Key:
    """Return namespace and name of ``NAMESPACE/NAME``."""
    namespace, _, name = text.rpartition("/")
    return namespace or "default", name


async def _apply(stage: Stage, words: Sequence[str], body: str) -> None:
    for obj in manifests.from_text(body):
        object_words.put(stage.cluster, obj)


async def _pod(stage: Stage, words: Sequence[str], body: str) -> None:
    object_words.put(stage.cluster, object_words.pod(key_of(words[0]), words[1:]))


async def _service(stage: Stage, words: Sequence[str], body: str) -> None:
    object_words.put(stage.cluster, object_words.service(key_of(words[0]), words[1:]))


async def _delete(stage: Stage, words: Sequence[str], body: str) -> None:
    kind, name = words
    stage.cluster.delete(kind, *key_of(name))


async def _scale(stage: Stage, words: Sequence[str], body: str) -> None:
    name, replicas = words
    patch = {"spec": {"replicas": int(replicas)}}
    stage.cluster.patch("Deployment", "kube-system", name, patch)


async def _corefile(stage: Stage, words: Sequence[str], body: str) -> None:
    patch = {"data": {"Corefile": body}}
    stage.cluster.patch("ConfigMap", "kube-system", kube_system.CONFIG_MAP, patch)
    await stage.restart()


async def _node(stage: Stage, words: Sequence[str], body: str) -> None:
    stage.node = kubelet.Node(stage.node.cluster_dns, resolv_conf=body)
    await stage.restart()


async def _outside(stage: Stage, words: Sequence[str], body: str) -> None:
    name, rtype, *data = words
    stage.add_external_record(f"{name.removesuffix('.')}. 300 {rtype} {' '.join(data)}")


async def _break(stage: Stage, words: Sequence[str], body: str) -> None:
    (what,) = words
    match what:
        case "api":
            stage.api.cut()
        case "tcp":
            stage.packets.blocks_tcp = True
        case _:
            stage.packets.silent |= set(_bearers(stage, what))


async def _mend(stage: Stage, words: Sequence[str], body: str) -> None:
    (what,) = words
    match what:
        case "api":
            stage.api.mend()
        case "tcp":
            stage.packets.blocks_tcp = False
        case _:
            stage.packets.silent -= set(_bearers(stage, what))


def _bearers(stage: Stage, what: str) -> Iterator[Address]:
    """Yield the addresses of the world outside, or of the servers of a Service."""
    if what == "outside":
        yield OUTSIDE
        return
    replicas = stage.replicas(what)
    if not replicas:
        raise ValueError(f"{what}: not api, tcp, outside or a DNS service with pods")
    for replica in replicas:
        yield replica.address, DNS_PORT


async def _lose(stage: Stage, words: Sequence[str], body: str) -> None:
    what, rtype, *times = words
    if what not in ("query", "reply"):
        raise ValueError(f"{what}: not query or reply")
    stage.packets.losses += [Loss(what, rtype)] * int(times[0] if times else 1)


async def _wait(stage: Stage, words: Sequence[str], body: str) -> None:
    seconds, _ = words
    await asyncio.sleep(float(seconds))


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "pod": Command(
            _pod,
            "NAMESPACE/NAME [WORD VALUE]...",
            f"creates or changes a pod; the words: {', '.join(object_words.POD)}",
        ),
        "service": Command(
            _service,
            "NAMESPACE/NAME [WORD VALUE]...",
            f"creates or changes a Service: {', '.join(object_words.SERVICE)}",
        ),
        "apply": Command(
            _apply, "", "creates or changes the objects of the manifest below it"
        ),
        "delete": Command(_delete, "KIND NAMESPACE/NAME", "deletes an object"),
        "scale": Command(
            _scale, "DEPLOYMENT NUMBER", "sets the pods of coredns or coredns-2"
        ),
        "corefile": Command(
            _corefile, "", "gives all DNS servers the Corefile below it; they restart"
        ),
        "node": Command(
            _node, "", "gives the node the resolv.conf below it; DNS servers restart"
        ),
        "outside": Command(
            _outside, "NAME TYPE DATA", "adds a record to the world outside"
        ),
        "break": Command(
            _break,
            "api|tcp|outside|SERVICE",
            "makes it unreachable; a DNS service's pods stay ready and say nothing",
        ),
        "mend": Command(_mend, "api|tcp|outside|SERVICE", "makes it work again"),
        "lose": Command(
            _lose,
            "query|reply TYPE [TIMES]",
            "loses the next queries of a type, or the replies to them, over UDP",
        ),
        "wait": Command(_wait, "SECONDS s", "lets time pass"),
    }
)
"""Commands that show nothing; indented lines below them are theirs to read."""
