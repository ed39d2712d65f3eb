"""The workloads: lists of queries with their expected replies.

The file for a generator has the offset of a counter (or 0), then for each query its
length, the expected rcode, whether answers are expected, and its bytes without the ID.
The eight hexadecimal digits at the counter are a new number in every query, so that no
name is queried twice.
"""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import cluster

A, AAAA, SRV, PTR = 1, 28, 33, 12
NOERROR, NXDOMAIN = 0, 3
FEW, MANY = 1000, 9000
"""Distinct names of the repeated workloads; each as A and AAAA."""
OUTSIDE = 1000
"""Distinct external names of the cached workload."""
MIXED = 40_000
"""Number of queries in the mix, which is repeated."""
COUNTER = "00000000"
LOCAL = 65001
"""An EDNS option without a meaning (RFC 6891 9)."""
_FILE, _QUERY = struct.Struct("!H"), struct.Struct("!HBB")


class Ask(NamedTuple):
    """A query without its ID, and the expected reply."""

    wire: bytes
    rcode: int = NOERROR
    answers: bool = True
    """Whether the answer section holds records; an empty one is NODATA."""


class Workload(NamedTuple):
    """A named list of queries."""

    name: str
    make: Callable[[int], Sequence[Ask]]
    """Maps the number of Services to the queries, in order."""
    transport: str = "udp"
    """udp; tcp for a few connections with many queries in flight, tls for the same over
    TLS; tcp-nodelocal for many with one query in flight, as of a cache on every node;
    tcp-once for a new connection per query; tcp-single for one connection with one
    query in flight."""


def query(name: str, qtype: int = A, option: bytes = b"") -> bytes:
    """Return a query with RD and an OPT of 1232 bytes, without its ID.

    ``option`` is the data of an EDNS option for local use, if it is not empty.
    """
    labels = b"".join(bytes((len(x),)) + x.encode() for x in name.split(".") if x)
    tail = b"\0" + struct.pack("!2H", qtype, 1)
    options = struct.pack("!2H", LOCAL, len(option)) + option if option else b""
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0, len(options)) + options
    return struct.pack("!5H", 0x0100, 1, 0, 0, 1) + labels + tail + opt


def owner(number: int) -> str:
    """Return the DNS name of a Service by its number."""
    return f"{cluster.name(number)}.{cluster.namespace(number)}.svc.cluster.local"


def _both(number: int) -> tuple[Ask, Ask]:
    """Return A and AAAA of a Service; the cluster has IPv4 only."""
    name = owner(number)
    return Ask(query(name)), Ask(query(name, AAAA), answers=False)


def _of(names: int) -> Callable[[int], list[Ask]]:
    def repeated(services: int) -> list[Ask]:
        numbers = range(min(services, names))
        return [ask for number in numbers for ask in _both(number)]

    return repeated


def never_repeated(services: int) -> list[Ask]:
    """Return names below a namespace that do not exist."""
    return [Ask(query(f"x{COUNTER}.team-0.svc.cluster.local"), NXDOMAIN, False)]


def new_endpoints(services: int) -> list[Ask]:
    """Return endpoints that do not exist; their replies are not remembered."""
    name = owner(next(n for n in range(services) if cluster.headless(n)))
    return [Ask(query(f"x{COUNTER}.{name}"), NXDOMAIN, False)]


def outside(number: int, qtype: int = A) -> Ask:
    """Return a question for an external name; the upstream has all of them."""
    return Ask(query(f"www-{number}.example.org", qtype))


def external_cached(services: int) -> list[Ask]:
    """Return A and AAAA of external names."""
    return [outside(n, qtype) for n in range(OUTSIDE) for qtype in (A, AAAA)]


def external_new(services: int) -> list[Ask]:
    """Return external names that were not queried before."""
    return [Ask(query(f"x{COUNTER}.example.org"))]


def external_aliases(services: int) -> list[Ask]:
    """Return external names that were not queried before, all aliases."""
    return [Ask(query(f"x{COUNTER}.alias.example.org"))]


def external_denied(services: int) -> list[Ask]:
    """Return external names that were not queried before and do not exist."""
    return [Ask(query(f"x{COUNTER}.nowhere.example.org"), NXDOMAIN, False)]


def external_nodata(services: int) -> list[Ask]:
    """Return external names that were not queried before and have no records."""
    return [Ask(query(f"x{COUNTER}.nodata.example.org"), answers=False)]


def _through_chain(
    name: Callable[[int], str], qtype: int, *, headless: bool = False
) -> Callable[[int], list[Ask]]:
    """Return the questions for one name, each with another EDNS option.

    So no reply can be reused: the bytes of every query are new.
    """

    def asks(services: int) -> list[Ask]:
        kind = (n for n in range(services) if cluster.headless(n) == headless)
        return [Ask(query(name(next(kind)), qtype, COUNTER.encode()))]

    return asks


def reverse(number: int) -> str:
    """Return the name of the PTR of a Service's address."""
    return ".".join(reversed(cluster.address(number).split("."))) + ".in-addr.arpa"


def searched(number: int) -> Ask:
    """Return an external name with a suffix of a search list, which does not exist."""
    suffixes = (f"{cluster.namespace(number)}.svc.", "svc.", "")
    name = f"www-{number % OUTSIDE}.example.org.{suffixes[number % 3]}cluster.local"
    return Ask(query(name, (A, AAAA)[number % 2]), NXDOMAIN, False)


def external_name(services: int) -> list[Ask]:
    """Return A and AAAA of an ExternalName Service; such replies are not reused."""
    name = f"{cluster.ALIAS}.{cluster.namespace(0)}.svc.cluster.local"
    return [Ask(query(name, qtype)) for qtype in (A, AAAA)]


MIX: tuple[tuple[int, str, Callable[[int], Ask]], ...] = (
    (35, "A", lambda n: _both(n)[0]),
    (25, "AAAA", lambda n: _both(n)[1]),
    (15, "search list", searched),
    (5, "SRV", lambda n: Ask(query(f"_http._tcp.{owner(n)}", SRV))),
    (5, "PTR", lambda n: Ask(query(reverse(n - n % 10), PTR))),  # has an address
    (15, "external", lambda n: outside(n % OUTSIDE, (A, AAAA)[n // OUTSIDE % 2])),
)
"""Share of a hundred, kind, and the question of a number."""


def mix(services: int) -> list[Ask]:
    """Return the mix of a real cluster, over all Services; seeded."""
    rng = random.Random(1)
    weights, _, makers = zip(*MIX, strict=True)
    kinds = rng.choices(makers, weights=weights, k=MIXED)
    return [make(rng.randrange(services)) for make in kinds]


def expiring(services: int) -> list[Ask]:
    """Return the mix with external names that expire together every 5 s."""
    return [
        Ask(ask.wire.replace(_EXTERNAL, _EXPIRING)) if ask.answers else ask
        for ask in mix(services)
    ]


_EXTERNAL, _EXPIRING = b"\7example\3org", b"\5short\7example\3org"


def many(qtype: int) -> Callable[[int], list[Ask]]:
    """Return the question for the Service with thousands of endpoints."""
    name = f"{cluster.MANY}.{cluster.namespace(0)}.svc.cluster.local"
    ask = Ask(query(f"_http._tcp.{name}" if qtype == SRV else name, qtype))
    return lambda services: [ask]


WORKLOADS = (
    Workload("repeated", _of(FEW)),
    Workload("repeated-9000", _of(MANY)),
    Workload("never-repeated", never_repeated),
    Workload("new-endpoints", new_endpoints),
    Workload("chain-a", _through_chain(owner, A)),
    Workload("chain-srv", _through_chain(lambda n: f"_http._tcp.{owner(n)}", SRV)),
    Workload("chain-ptr", _through_chain(reverse, PTR)),
    Workload("chain-headless", _through_chain(owner, A, headless=True)),
    Workload("chain-alias", external_name),
    Workload("external-cached", external_cached),
    Workload("external-new", external_new),
    Workload("external-alias", external_aliases),
    Workload("external-denied", external_denied),
    Workload("external-nodata", external_nodata),
    Workload("mix", mix),
    Workload("tcp", mix, "tcp"),
    Workload("nodelocal", mix, "tcp-nodelocal"),
    Workload("tcp-once", mix, "tcp-once"),
)
"""What is measured side by side, in the cluster of the plan."""
EXPIRING = Workload("expiring", expiring)
DOT = Workload("dot", mix, "tls")
MANY_ENDPOINTS = (
    Workload("many-a", many(A)),
    Workload("many-srv", many(SRV)),
    Workload("many-a-tcp", many(A), "tcp-single"),
    Workload("many-srv-tcp", many(SRV), "tcp-single"),
)
"""Questions whose answer has ten thousand endpoints, or what fits of them."""


def write(asks: Sequence[Ask], path: Path) -> None:
    """Write the file that the generators read."""
    wires = [ask.wire for ask in asks]
    at = wires[0].find(COUNTER.encode()) if len(wires) == 1 else -1
    with path.open("wb") as file:
        file.write(_FILE.pack(max(0, at)))
        for ask in asks:
            file.write(_QUERY.pack(len(ask.wire), ask.rcode, ask.answers) + ask.wire)


def read(path: Path) -> tuple[int, list[Ask]]:
    """Return the offset of the counter (0 without one) and the queries."""
    raw = path.read_bytes()
    return _FILE.unpack_from(raw)[0], list(_asks(raw))


def _asks(raw: bytes) -> Iterator[Ask]:
    at = _FILE.size
    while at < len(raw):
        size, rcode, answers = _QUERY.unpack_from(raw, at)
        at += _QUERY.size
        yield Ask(raw[at : at + size], rcode, bool(answers))
        at += size
