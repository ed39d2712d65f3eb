"""The words of a scenario that set something up: objects, the world, what goes wrong.

Each is a function of a Stage, the words after it, and the text below it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from minidns.corefile import releases
from minidns.dns import names
from minidns.dns.model import Address, Name
from minidns.dns.rdata import type_number
from minidns.dns.zonefile import ZoneFileError
from minidns.kubernetes import kubelet

from ..api import manifests
from ..api.kinds import KINDS
from ..api.objects import Key
from ..api.status import ApiError
from ..node import effects, fault_words, kube_system
from ..node.fault_control import PROXY_USAGE
from ..node.over_sockets import DNS_PORT
from . import object_words, resolv_conf_lines
from .server_pods import SERVICES
from .stage import OUTSIDE, Stage

Act: TypeAlias = Callable[[Stage, Sequence[str], str], Awaitable[list[str] | None]]
"""Shows lines, or returns None if the command is none that shows anything."""


class Command(NamedTuple):
    """A command of scenarios."""

    act: Act
    usage: str
    """The words after it: capitals are placeholders, brackets mark optional words."""
    description: str
    """What the command does or shows."""
    takes_lines: bool = False
    """Whether the lines below the command are its input."""
    checks_words: bool = True
    """Whether the number of words and the literal words follow from ``usage``."""
    has_output: bool = False
    """Whether the lines below the command are its expected output."""

    def check(self, words: Sequence[str], body: str) -> None:
        """Check the words and the lines below a command against its usage.

        Raises:
            ValueError: a word is missing, surplus or wrong, or lines are surplus.

        """
        if self.checks_words:
            check_words(self.usage, words)
        if self.takes_lines and not body.strip():
            raise ValueError("the lines below the command are missing")
        if body.strip() and not self.takes_lines and not self.has_output:
            first = body.strip().splitlines()[0]
            raise ValueError(f"surplus line below the command: {first}")


def check_words(usage: str, words: Sequence[str]) -> None:
    """Check the number of words and the literal words against ``usage``.

    Raises:
        ValueError: a word is missing, surplus or wrong; the message names it.

    """
    tokens = usage.split()
    required = [token for token in tokens if not token.startswith("[")]
    required = required[: next((i for i, t in enumerate(tokens) if t[0] == "["), 99)]
    if len(words) < len(required):
        raise ValueError(f"{required[len(words)].removesuffix('...')} is missing")
    if not usage.endswith("...") and len(words) > len(tokens):
        raise ValueError(f"{words[len(tokens)]} is surplus")
    for token, word in zip(tokens, words, strict=False):
        choices = token.strip("[]").split("|")
        if token.strip("[]").islower() and word not in choices:
            raise ValueError(f"{word} is not {' or '.join(choices)}")


MAX_REPLICAS = 100
"""The most pods that a scenario may scale a Deployment to: each is a DNS server."""


def number(word: str, least: int = 0) -> int:
    """Return a whole number.

    Raises:
        ValueError: ``word`` is not one, or is less than ``least``.

    """
    if not fault_words.is_number(word) or int(word) < least:
        raise ValueError(f"{word} is not a whole number from {least} up")
    return int(word)


def key_of(text: str) -> Key:
    """Return namespace and name of ``NAMESPACE/NAME``.

    Raises:
        ValueError: there is no name, or more than one slash.

    """
    namespace, _, name = text.rpartition("/")
    if not name or "/" in namespace:
        raise ValueError(f"{text} is not NAMESPACE/NAME")
    return namespace or "default", name


def domain_name(word: str) -> Name:
    """Return the absolute name that ``word`` is.

    Raises:
        ValueError: it is no name that a message can hold, or not in ASCII.

    """
    name = f"{word.removesuffix('.')}."
    if not word.isascii() or not names.is_sendable(name):
        raise ValueError(f"{word} is not a domain name")
    return names.from_wire(names.to_wire(name)).lower()


async def _apply(stage: Stage, words: Sequence[str], body: str) -> None:
    for manifest in list(manifests.read(body)):
        try:
            object_words.put(stage.cluster, manifest.obj)
        except ApiError as error:
            fields = re.findall(r"\w+(?:\.\w+|\[\d+\])+", str(error))
            line = max(map(manifest.line, fields), default=manifest.line())
            raise ValueError(f"line {line} of the manifest: {error}") from None


async def _pod(stage: Stage, words: Sequence[str], body: str) -> None:
    object_words.put(stage.cluster, object_words.pod(key_of(words[0]), words[1:]))


async def _service(stage: Stage, words: Sequence[str], body: str) -> None:
    object_words.put(stage.cluster, object_words.service(key_of(words[0]), words[1:]))


async def _delete(stage: Stage, words: Sequence[str], body: str) -> None:
    kind, name = words
    rows = {row.name: row for row in KINDS}
    if kind not in rows:
        raise ValueError(f"{kind} is not a kind: {', '.join(sorted(rows))}")
    namespace, name = key_of(name) if rows[kind].namespaced else ("", name)
    stage.cluster.delete(kind, namespace, name)


async def _scale(stage: Stage, words: Sequence[str], body: str) -> None:
    name, replicas = words
    if number(replicas) > MAX_REPLICAS:
        raise ValueError(f"{replicas} is more than {MAX_REPLICAS} pods")
    patch = {"spec": {"replicas": number(replicas)}}
    stage.cluster.patch("Deployment", "kube-system", name, patch)


async def _corefile(stage: Stage, words: Sequence[str], body: str) -> None:
    if words:
        stage.servers.configure(_service_of(words[0]), corefile=body)
    else:
        patch = {"data": {"Corefile": body}}
        stage.cluster.patch("ConfigMap", "kube-system", kube_system.CONFIG_MAP, patch)
    await stage.restart()
    services = words or SERVICES
    servers = (server for name in services for server in stage.replicas(name))
    for server in servers:
        if server.has_wrong_corefile:
            raise ValueError(server.ended)


async def _release(stage: Stage, words: Sequence[str], body: str) -> None:
    service, version = words
    release = releases.parse(version)
    stage.servers.configure(_service_of(service), release=release)
    await stage.restart()


async def _reload(stage: Stage, words: Sequence[str], body: str) -> None:
    stage.servers.reload(_service_of(words[0]))
    await stage.settle()


def _service_of(word: str) -> str:
    if word not in SERVICES:
        raise ValueError(f"{word} is not {' or '.join(SERVICES)}")
    return word


async def _node(stage: Stage, words: Sequence[str], body: str) -> None:
    resolv_conf_lines.check(body)
    stage.node = kubelet.Node(stage.node.cluster_dns, resolv_conf=body)
    await stage.restart()


async def _outside(stage: Stage, words: Sequence[str], body: str) -> None:
    name, rtype, *data = words
    type_number(rtype)
    record = f"{domain_name(name)} 300 {rtype} {' '.join(data)}"
    try:
        stage.add_external_record(record)
    except ZoneFileError as error:  # its line is one of a file that nobody has written
        _, _, why = str(error).partition(": ")
        raise ValueError(f"{' '.join(data)}: {why}") from None


async def _break(stage: Stage, words: Sequence[str], body: str) -> None:
    (what,) = words
    match what:
        case "api":
            stage.api.cut()
        case "tcp":
            stage.packets.blocks_tcp = True
        case _:
            stage.packets.servers.silent |= set(_bearers(stage, what))


async def _mend(stage: Stage, words: Sequence[str], body: str) -> None:
    (what,) = words
    match what:
        case "api":
            stage.api.mend()
        case "tcp":
            stage.packets.blocks_tcp = False
        case _:
            stage.packets.servers.silent -= set(_bearers(stage, what))


def _bearers(stage: Stage, what: str) -> Iterator[Address]:
    """Yield the addresses of the external resolver or of the servers of a Service."""
    if what == "outside":
        yield OUTSIDE
        return
    replicas = stage.replicas(what)
    if not replicas:
        raise ValueError(f"{what} is not api, tcp, outside or a DNS service with pods")
    for replica in replicas:
        yield replica.address, DNS_PORT


async def _forbid(stage: Stage, words: Sequence[str], body: str) -> None:
    (plural,) = words
    known = sorted(kind.plural for kind in KINDS)
    if plural not in known:
        raise ValueError(f"{plural} is not a resource: {', '.join(known)}")
    stage.api.forbidden.add(plural)


async def _fault(
    effect: str, stage: Stage, words: Sequence[str], body: str
) -> list[str] | None:
    """Add a fault, whose words begin with ``effect``."""
    stage.faults.add((effect, *words))
    return None


async def _clear(stage: Stage, words: Sequence[str], body: str) -> None:
    stage.faults.clear(" ".join(words))


async def _proxy(stage: Stage, words: Sequence[str], body: str) -> None:
    stage.faults.add(("proxy", *words))


async def _wait(stage: Stage, words: Sequence[str], body: str) -> None:
    seconds, _ = words
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", seconds) is None:
        raise ValueError(f"{seconds} is not a number of seconds")
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
            _apply,
            "",
            "creates or changes the objects of the manifest below it",
            takes_lines=True,
        ),
        "delete": Command(_delete, "KIND NAMESPACE/NAME", "deletes an object"),
        "scale": Command(
            _scale, "DEPLOYMENT NUMBER", "sets the pods of coredns or coredns-2"
        ),
        "corefile": Command(
            _corefile,
            "[SERVICE]",
            "gives all DNS servers, or those of a Service, the Corefile below it; all "
            "restart",
            takes_lines=True,
        ),
        "release": Command(
            _release,
            "SERVICE VERSION",
            "lets the servers of a Service behave as a release of CoreDNS; all restart",
        ),
        "reload": Command(
            _reload, "SERVICE", "lets the servers of a Service reload their Corefile"
        ),
        "node": Command(
            _node,
            "",
            "gives the node the resolv.conf below it; DNS servers restart",
            takes_lines=True,
        ),
        "outside": Command(
            _outside, "NAME TYPE DATA...", "adds a record to the external resolver"
        ),
        "break": Command(
            _break,
            "api|tcp|outside|SERVICE",
            "makes it unreachable; a DNS service's pods stay ready and do not answer",
        ),
        "forbid": Command(
            _forbid,
            "RESOURCE",
            "lets the API refuse LIST and WATCH of a resource to DNS servers that "
            "start later, as without the right in their role",
        ),
        "mend": Command(_mend, "api|tcp|outside|SERVICE", "makes it work again"),
        "lose": Command(
            partial(_fault, "lose"),
            effects.usage("lose"),
            "loses the next messages of a type over UDP, or messages at a rate",
            checks_words=False,
        ),
        **{
            word: Command(
                partial(_fault, word),
                effects.usage(word),
                effect.description,
                checks_words=False,
            )
            for word, effect in effects.EFFECTS.items()
            if word != "lose"
        },
        "proxy": Command(
            _proxy,
            PROXY_USAGE,
            "sets race RATE, lag TIME, stale yes or no, conntrack ENTRIES, or "
            "masquerade yes or no",
        ),
        "clear": Command(
            _clear, "[FAULT]...", "removes the fault with these words, or all faults"
        ),
        "wait": Command(_wait, "SECONDS s", "lets time pass"),
    }
)
"""Commands without output; some of them read the lines below them."""
