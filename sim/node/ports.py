"""The ports on loopback of a process that stands for a pod."""

import contextlib
import socket
from collections.abc import Iterator

from minidns.dns.model import Address

from .kind_corefile import HOST, Ports


def free_ports() -> Ports:
    """Return ports that are free for UDP and TCP."""
    # limit: another program may take a port before minidns does; minidns then exits and
    # is started again with other ports
    with contextlib.ExitStack() as stack:
        numbers = [next(_bound(stack)) for _ in range(5)]
        return Ports(*numbers)


def _bound(stack: contextlib.ExitStack) -> Iterator[int]:
    while True:
        tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        tcp.bind((HOST, 0))
        with contextlib.suppress(OSError):
            udp.bind(tcp.getsockname())
            yield tcp.getsockname()[1]


def sockets_of(address: str, ports: Ports) -> dict[tuple[Address, str], Address]:
    """Return the loopback address of each socket of the pod at ``address``."""
    return {
        ((address, 53), "UDP"): (HOST, ports.dns),
        ((address, 53), "TCP"): (HOST, ports.dns),
        ((address, 9153), "TCP"): (HOST, ports.metrics),
    }
