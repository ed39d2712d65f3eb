"""The arms of a trial: ways on which the same question reaches a DNS server.

Two arms differ in the path, in the software or in the configuration, and in nothing
else. A lookup falls into a `Cell`: what is known about it before it is sent, besides
the name itself.
"""

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import NamedTuple


class Software(StrEnum):
    """The program that answers."""

    COREDNS = "CoreDNS"
    OTHER_COREDNS = "another CoreDNS"
    MINIDNS = "minidns"


class Arm(NamedTuple):
    """One way on which lookups are made."""

    name: str
    """A letter."""
    way: str
    """The way in words, for people."""
    service: str
    """The Service whose ClusterIP is queried; empty if pods are queried directly."""
    software: Software
    plain: bool = False
    """Whether the server has kubeadm's Corefile instead of CoreDNS's own."""


A = Arm("A", "kube-dns", "kube-dns", Software.COREDNS)
D = Arm("D", "CoreDNS's pods directly", "", Software.COREDNS)
R = Arm("R", "kube-dns-2, relayed to CoreDNS", "kube-dns-2", Software.COREDNS)
M = Arm("M", "kube-dns-2", "kube-dns-2", Software.MINIDNS)
P = Arm("P", "minidns's pods directly", "", Software.MINIDNS)
K = Arm("K", "minidns, kubeadm's Corefile", "kube-dns-2", Software.MINIDNS, plain=True)
KP = Arm("KP", "K's pods directly", "", Software.MINIDNS, plain=True)
V = Arm("V", "another CoreDNS", "kube-dns-v", Software.OTHER_COREDNS)
VP = Arm("VP", "V's pods directly", "", Software.OTHER_COREDNS)
ARMS = (A, D, R, M, P, K, KP, V, VP)


class NameKind(StrEnum):
    """What a name depends on."""

    EXTERNAL = "external"
    """An upstream resolver knows the answer."""
    CLUSTER = "cluster"
    """The answer follows from objects that have not changed lately."""
    CHANGED = "changed"
    """The answer follows from objects that have just changed."""

    @property
    def weight(self) -> int:
        """How often a trial looks such names up, compared with the other kinds.

        A fault of an upstream shows in external names alone, and half of it is shared
        by arms with one cache, so they are half of the lookups.
        """
        return 2 if self is NameKind.EXTERNAL else 1


def draw_kind(rng: Random, kinds: Sequence[NameKind] = tuple(NameKind)) -> NameKind:
    """Return the kind of the next name, drawn from ``kinds`` by their weights."""
    return rng.choices(kinds, [kind.weight for kind in kinds])[0]


class Manner(StrEnum):
    """How a client looks a name up."""

    PLAIN = "plain"
    """One query for the absolute name."""
    LIBC = "libc"
    """A and AAAA from one socket, with the search list, as a C library does."""


class Client(NamedTuple):
    """A pod that makes lookups."""

    pod: str
    node: str


class Target(NamedTuple):
    """A server address that an arm queries at port 53."""

    arm: Arm
    address: str
    replica: str = ""
    """The pod at the address; empty for a ClusterIP."""

    def __str__(self) -> str:
        """Return the arm's letter, with the replica for the arm of single replicas."""
        return f"{self.arm.name} {self.replica}" if self.arm == D else self.arm.name


class Cell(NamedTuple):
    """The conditions of a lookup that hypotheses distinguish."""

    arm: Arm
    replica: str
    """The CoreDNS pod that was or would have been asked; empty if it is not known."""
    names: NameKind
    manner: Manner
    node: str
    """The node of the client."""


class Layout(NamedTuple):
    """What a trial can vary."""

    targets: tuple[Target, ...]
    replicas: tuple[str, ...]
    """CoreDNS's pods."""
    clients: tuple[Client, ...]
    names: tuple[NameKind, ...] = tuple(NameKind)
    manners: tuple[Manner, ...] = tuple(Manner)
    release: str = ""
    """The release of CoreDNS behind kube-dns, such as 1.14.7; empty if unknown."""
    other_release: str = ""
    """The release of CoreDNS behind arm V; empty if unknown, or without that arm."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of the clients, each once."""
        return tuple(dict.fromkeys(client.node for client in self.clients))

    def cells(self) -> tuple[Cell, ...]:
        """Return all cells of lookups whose replica is known where it can be."""
        return tuple(
            Cell(target.arm, replica, names, manner, node)
            for target in self.targets
            for replica in self._replicas(target)
            for names in self.names
            for manner in self.manners
            for node in self.nodes
        )

    def _replicas(self, target: Target) -> tuple[str, ...]:
        if target.arm == R:
            return self.replicas
        return (target.replica,) if target.arm == D else ("",)
