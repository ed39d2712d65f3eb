"""kind's Corefile, and what has to change in a Corefile to run it on loopback.

A pod has an address of its own, port 53, and the node's resolv.conf; a process on this
machine shares loopback with others and is not root. Only the lines that say such
things change, each by itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from minidns.dns.model import Address

KIND = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""
"""What kubeadm writes for kind: the ConfigMap coredns, as it is."""

HOST = "127.0.0.1"
_PORT = re.compile(r"^([^\s{]+):53\b")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where on loopback one server is found."""

    dns: int
    health: int
    ready: int
    metrics: int
    explain: int


@dataclass(frozen=True, slots=True)
class Place:
    """What a process on loopback has in the place of what a pod has."""

    ports: Ports
    upstream: Address
    """Who the node's resolv.conf names, really."""
    kubeconfig: str
    """File to use instead of the pod's service account."""
    lameduck: str = "0s"
    """5 s would be waited for at every end, and usually nobody drains here."""

    @property
    def hosts(self) -> str:
        """The pod's own /etc/hosts."""
        return str(PurePath(self.kubeconfig).with_name("hosts"))

    @property
    def files(self) -> tuple[str, ...]:
        """The files that its Corefile may name."""
        return self.kubeconfig, self.hosts

    def adapted(self, corefile: str) -> str:
        """Return ``corefile`` for this place; unknown lines stay as they are."""
        lines = (new for line in corefile.splitlines() for new in self._lines(line))
        return "".join(f"{line}\n" for line in lines)

    def changes(self, corefile: str) -> Iterator[tuple[str, str]]:
        """Yield what changes, line by line: as it was, empty if new, and as it is."""
        for line in corefile.splitlines():
            first, *added = (each.strip() for each in self._lines(line))
            if first != line.strip():
                yield line.strip(), first
            for each in added:
                yield "", each

    def _lines(self, line: str) -> Iterator[str]:
        indent = line[: len(line) - len(line.lstrip())]
        host, port = self.upstream
        words = line.split()
        rest = " {" if words[-1:] == ["{"] else ""
        match words:
            case ["health", *_]:
                yield f"{indent}health {HOST}:{self.ports.health}{rest}"
            case ["lameduck", _]:
                yield f"{indent}lameduck {self.lameduck}"
            case ["ready", *_]:
                yield f"{indent}ready {HOST}:{self.ports.ready}"
            case ["prometheus", *_]:
                yield f"{indent}prometheus {HOST}:{self.ports.metrics}"
            case ["forward", zone, "/etc/resolv.conf", *_]:
                yield f"{indent}forward {zone} {host}:{port}{rest}"
            case ["hosts", *rest_of]:
                words = rest_of[1:] if rest_of[:1] == ["/etc/hosts"] else rest_of
                yield f'{indent}hosts "{self.hosts}" {" ".join(words)}'.rstrip()
            case ["kubernetes", *_, "{"]:
                yield line
                yield f'{indent}   kubeconfig "{self.kubeconfig}"'
            case ["kubernetes", *_]:
                yield f"{line} {{"
                yield f'{indent}   kubeconfig "{self.kubeconfig}"'
                yield f"{indent}}}"
            case [key, "{"] if not indent and _PORT.match(key):
                yield _PORT.sub(rf"\g<1>:{self.ports.dns}", line)
                yield f"    bind {HOST}"
            case _:
                yield line
