"""What is asked: each workload is a list of queries, less their ids."""

import random
import struct
from collections.abc import Callable

from bench import cluster

A, AAAA, SRV, PTR = 1, 28, 33, 12
REPEATED = 1000
"""Distinct names of the repeated workload; each as A and AAAA."""


def query(name: str, qtype: int = A) -> bytes:
    """Return a query with RD and an OPT of 1232 bytes, less its id."""
    labels = b"".join(bytes((len(x),)) + x.encode() for x in name.split(".") if x)
    tail = b"\0" + struct.pack("!2H", qtype, 1)
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0, 0)
    return struct.pack("!5H", 0x0100, 1, 0, 0, 1) + labels + tail + opt


def owner(number: int) -> str:
    """Return the DNS name of a Service by its number."""
    return f"{cluster.name(number)}.{cluster.namespace(number)}.svc.cluster.local"


def repeated(services: int) -> list[bytes]:
    """Return A and AAAA of 1,000 Services, over and over; one in ten is headless."""
    names = [owner(number) for number in range(min(services, REPEATED))]
    return [query(name, qtype) for name in names for qtype in (A, AAAA)]


def unique(services: int) -> list[bytes]:
    """Return names below a namespace that do not exist, none twice in a minute."""
    return [query(f"x{n}.team-0.svc.cluster.local") for n in range(400_000)]


def searched(services: int) -> list[bytes]:
    """Return what a search list makes of an outside name: three times NXDOMAIN."""
    suffixes = ("team-0.svc.cluster.local", "svc.cluster.local", "cluster.local")
    names = [f"www{n}.example.org.{s}" for n in range(300) for s in suffixes]
    return [query(name, qtype) for name in names for qtype in (A, AAAA)]


def reverse(number: int) -> str:
    """Return the name of the PTR of a Service's address."""
    return ".".join(reversed(cluster.address(number).split("."))) + ".in-addr.arpa"


def mixed(services: int) -> list[bytes]:
    """Return a cluster's mix of types, without outside names; seeded, 40,000 long."""
    rng = random.Random(1)
    makers: list[tuple[int, Callable[[int], bytes]]] = [
        (40, lambda n: query(owner(n))),
        (30, lambda n: query(owner(n), AAAA)),
        (18, lambda n: query(f"www{n}.example.org.team-0.svc.cluster.local")),
        (6, lambda n: query(f"_http._tcp.{owner(n)}", SRV)),
        (6, lambda n: query(reverse(n - n % 10), PTR)),  # of one that has an address
    ]
    weights, kinds = zip(*makers, strict=True)
    return [
        make(rng.randrange(services))
        for make in rng.choices(kinds, weights=weights, k=40_000)
    ]


WORKLOADS: dict[str, Callable[[int], list[bytes]]] = {
    "repeated names": repeated,
    "never-repeated names": unique,
    "search-list NXDOMAIN": searched,
    "cluster mix": mixed,
}
