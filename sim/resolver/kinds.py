"""The resolvers that a simulated program can have, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from minidns.stub.glibc import RELEASES, Glibc
from minidns.stub.musl import Musl
from minidns.stub.protocol import Resolver
from minidns.text.arguments import not_one_of

from .bind_tools import BindTools
from .busybox import BusyboxNslookup
from .c_ares import CAres
from .go import Go
from .java import FOREVER, Java
from .windows import CONTAINER, Windows

Make: TypeAlias = Callable[[str, Random], Resolver]


@dataclass(frozen=True, slots=True)
class Kind:
    """A resolver in one version."""

    name: str
    subject: str
    make: Make
    """Returns the resolver for the text of a resolv.conf."""
    also: str = ""
    """A second name, without the version."""
    long_lived: bool = False
    """Whether programs with it run long, so that what it keeps matters."""


KINDS = (
    Kind(
        "glibc-2.25",
        "glibc 2.17 to 2.25: six search domains",
        lambda text, rng: Glibc(text, rng, RELEASES["2.25"]),
    ),
    Kind("glibc-2.36", "glibc 2.36 with updates, as in Debian 12", Glibc, "glibc"),
    Kind(
        "glibc-2.42",
        "glibc 2.41 and later: strict-error, negated options",
        lambda text, rng: Glibc(text, rng, RELEASES["2.42"]),
    ),
    Kind(
        "musl-1.2.3",
        "musl up to 1.2.3, as in Alpine up to 3.17: no TCP",
        lambda text, rng: Musl(text, rng, tcp=False),
    ),
    Kind("musl-1.2.5", "musl 1.2.4 and later, as in Alpine 3.18", Musl, "musl"),
    Kind("go-1.27", "Go's own resolver (without cgo)", Go, "go", long_lived=True),
    Kind(
        "busybox-1.28",
        "nslookup of busybox up to 1.28: the getaddrinfo of musl 1.2.3",
        lambda text, rng: Musl(text, rng, tcp=False),
    ),
    Kind(
        "busybox-1.29",
        "nslookup of busybox 1.29: no search list",
        lambda text, rng: BusyboxNslookup(text, rng, search=False),
    ),
    Kind(
        "busybox-1.36",
        "nslookup of busybox 1.30 and later",
        BusyboxNslookup,
        "busybox",
    ),
    Kind(
        "c-ares-1.34",
        "c-ares, as in Node.js, curl, Envoy, gRPC",
        CAres,
        "c-ares",
        long_lived=True,
    ),
    Kind(
        "java-17",
        "Java's InetAddress over glibc, cached for 30 s",
        Java,
        "java",
        long_lived=True,
    ),
    Kind(
        "java-17-forever",
        "Java with a security manager: successes are cached for ever",
        lambda text, rng: Java(text, rng, FOREVER),
        long_lived=True,
    ),
    Kind("windows", "the DNS client of a Windows machine", Windows, long_lived=True),
    Kind(
        "windows-container",
        "the DNS client of a Windows container: one suffix",
        lambda text, rng: Windows(text, rng, CONTAINER),
        long_lived=True,
    ),
    Kind("bind-tools", "dig +search and nslookup of BIND", BindTools),
)
"""All resolvers in the order in which they are listed."""


class UnknownResolver(ValueError):
    """There is no resolver of this name; the text lists those there are."""


def find(name: str) -> Kind:
    """Return the resolver with this name; raises UnknownResolver."""
    for kind in KINDS:
        if name in (kind.name, kind.also):
            return kind
    known = [each for kind in KINDS for each in (kind.also, kind.name) if each]
    raise UnknownResolver(not_one_of(name, known))


def listing() -> str:
    """Return all resolvers, a line each."""
    width = max(len(kind.name) for kind in KINDS)
    rows = []
    for kind in KINDS:
        also = f" (also: {kind.also})" if kind.also else ""
        rows.append(f"{kind.name:{width}}  {kind.subject}{also}")
    return "\n".join(rows)


GLIBC = find("glibc")
"""The resolver of programs that name no other."""
BIND_TOOLS = find("bind-tools")
