"""kind's Corefile, and the adaptation of a Corefile to a process on loopback.

A pod has its own address, port 53 and the node's resolv.conf; a process shares loopback
with others and is not root. Only lines with addresses, ports and files change.
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
"""The Corefile of the ConfigMap coredns that kubeadm writes for kind."""

HOST = "127.0.0.1"
_PORT = re.compile(r"^([^\s{]+):53\b")
_DIRECTIVE = re.compile(r"^ {4}(\w+)", re.MULTILINE)


def directives() -> list[str]:
    """Return the names of the plugins in kind's Corefile.

    >>> directives()[:3]
    ['errors', 'health', 'ready']
    """
    return _DIRECTIVE.findall(KIND)


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one server."""

    dns: int
    health: int
    ready: int
    metrics: int
    explain: int


@dataclass(frozen=True, slots=True)
class Place:
    """The addresses and files of a process that stands for a pod."""

    ports: Ports
    upstream: Address
    """Loopback address of the resolver in the node's resolv.conf."""
    kubeconfig: str
    """Kubeconfig file with the token of the pod's service account."""
    lameduck: str = "0s"
    """The lame duck time, 0 s by default to stop quickly."""

    @property
    def hosts(self) -> str:
        """Path of the pod's /etc/hosts."""
        return str(PurePath(self.kubeconfig).with_name("hosts"))

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the Corefile may name."""
        return self.kubeconfig, self.hosts

    def adapted(self, corefile: str) -> str:
        """Return ``corefile`` adapted to this place; other lines stay unchanged."""
        lines = (new for line in corefile.splitlines() for new in self._lines(line))
        return "".join(f"{line}\n" for line in lines)

    def changes(self, corefile: str) -> Iterator[tuple[str, str]]:
        """Yield the changed lines: the old one (empty if added) and the new one."""
        for line in corefile.splitlines():
            first, *added = (line_.strip() for line_ in self._lines(line))
            if first != line.strip():
                yield line.strip(), first
            for line_ in added:
                yield "", line_

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
