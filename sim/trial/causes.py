"""The causes that a simulated trial can plant, each with its right verdict.

A rate is that of failed lookups over arm A, among the lookups that the cause affects.
Half of the lookups send two queries, so faults strike messages at two thirds of it. The
background, lookups that fail whatever the arm, is planted in the same way.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

from minidns.trial.suspects import Suspect

from ..node import fault_words
from .arena import CLUSTER_IPS, COREDNS, MINIDNS, NODES, PLAIN, REPLICAS, Arena

QUERIES_PER_LOOKUP = Fraction(3, 2)
"""Half of the lookups query A, half A and AAAA."""
_PROBERS = tuple(f"prober-{node}" for node in NODES)


class Cause(NamedTuple):
    """A cause that can be planted."""

    suspect: Suspect
    description: str
    faults: Callable[[Fraction, int], Iterator[str]] = lambda rate, seed: iter(())
    """Returns the words of faults by the rate per lookup and the seed."""
    needs_other: bool = False
    """Whether the trial needs the arms of another CoreDNS."""


def message_rate(rate: Fraction) -> Fraction:
    """Return the rate of lost messages at which ``rate`` of the lookups fail."""
    return rate / QUERIES_PER_LOOKUP


def _of_coredns(rate: Fraction, seed: int) -> Iterator[str]:
    yield f"lose {_words(message_rate(rate))} at {COREDNS}"


def _of_replica(rate: Fraction, seed: int) -> Iterator[str]:
    at_replica = min(message_rate(rate) * REPLICAS, Fraction(1))
    node = NODES[seed % len(NODES)]
    yield f"lose {_words(at_replica)} at kube-system/coredns-{node}"


def _of_path(rate: Fraction, seed: int) -> Iterator[str]:
    yield f"lose {_words(message_rate(rate))} link pods>{CLUSTER_IPS[COREDNS]}"


def _of_any_service(rate: Fraction, seed: int) -> Iterator[str]:
    if seed % 2:
        yield f"lose {_words(rate)} link pods>services second"
    else:
        yield f"lose {_words(message_rate(rate))} link pods>services"


def _of_node(rate: Fraction, seed: int) -> Iterator[str]:
    node = NODES[seed % len(NODES)]
    yield f"lose {_words(message_rate(rate))} link prober-{node}>{node}"


def _of_upstream(rate: Fraction, seed: int) -> Iterator[str]:
    yield f"lose {_words(message_rate(rate))} link dns>outside"


def _of_watches(rate: Fraction, seed: int) -> Iterator[str]:
    yield f"miss {_words(rate)} at dns"


def _of_client(rate: Fraction, seed: int) -> Iterator[str]:
    for prober in _PROBERS:
        yield f"lose {_words(rate)} link {prober}>node second"


def _of_interceptor(rate: Fraction, seed: int) -> Iterator[str]:
    for prober in _PROBERS:
        yield f"intercept link {prober}>node by {COREDNS}"
        yield f"lose {_words(message_rate(rate))} link {prober}>node"


def _of_minidns(rate: Fraction, seed: int) -> Iterator[str]:
    for service in (MINIDNS, PLAIN):
        yield f"lose {_words(message_rate(rate))} at {service}"


def _of_everything(rate: Fraction, seed: int) -> Iterator[str]:
    for prober in _PROBERS:
        yield f"lose {_words(message_rate(rate))} link {prober}>node udp"


CAUSES: Mapping[str, Cause] = MappingProxyType(
    {
        str(cause.suspect): cause
        for cause in (
            Cause(Suspect.SOFTWARE, "CoreDNS drops queries", _of_coredns),
            Cause(
                Suspect.VERSION,
                "this CoreDNS drops queries, another one does not (adds arms V, VP)",
                _of_coredns,
                needs_other=True,
            ),
            Cause(
                Suspect.CONFIGURATION,
                "a server block with *view* takes some queries and answers SERVFAIL",
            ),
            Cause(
                Suspect.REPLICA, "one of two CoreDNS pods drops queries", _of_replica
            ),
            Cause(Suspect.PATH, "packets to kube-dns's ClusterIP get lost", _of_path),
            Cause(
                Suspect.SERVICE,
                "packets to any ClusterIP get lost; with an odd seed the second of two "
                "from one socket (the conntrack race)",
                _of_any_service,
            ),
            Cause(Suspect.NODE, "packets of the pods on one node get lost", _of_node),
            Cause(
                Suspect.UPSTREAM,
                "queries to the resolver outside get lost",
                _of_upstream,
            ),
            Cause(
                Suspect.STALE,
                "DNS servers miss events of their watches",
                _of_watches,
            ),
            Cause(
                Suspect.CLIENT,
                "client pods lose the second of two queries from one socket",
                _of_client,
            ),
            Cause(
                Suspect.INTERCEPTOR,
                "all DNS packets of the clients are answered by one CoreDNS pod",
                _of_interceptor,
            ),
            Cause(Suspect.MINIDNS, "minidns drops queries", _of_minidns),
            Cause(
                Suspect.EVERYTHING,
                "every query of the clients may get lost",
                _of_everything,
            ),
            Cause(Suspect.NONE, "nothing but the background"),
        )
    }
)
"""Every cause by the class that is the right verdict."""


def faulty_blocks(cause: Cause, rate: Fraction) -> str:
    """Return the server blocks that a cause puts before CoreDNS's own Corefile.

    *view* takes the queries with the lowest of the random IDs, so each is taken with
    the same chance.
    """
    if cause.suspect is not Suspect.CONFIGURATION:
        return ""
    taken = max(round(message_rate(rate) * 2**16), 1)
    return (
        ".:53 {\n"
        "    view migration {\n"
        f"        expr id() < {taken}\n"
        "    }\n"
        "    template ANY ANY . {\n"
        "        rcode SERVFAIL\n"
        "    }\n"
        "}\n"
    )


def plant(
    arena: Arena, cause: Cause, rate: Fraction, background: Fraction, seed: int
) -> None:
    """Activate the faults of a cause and of the background."""
    texts = list(cause.faults(rate, seed))
    if background:
        lost = _words(message_rate(background))
        texts += [f"lose {lost} link {prober}>node size>0" for prober in _PROBERS]
    for text in texts:
        fault = fault_words.parse(text.split())
        fault_words.check_names(fault, arena.stage.places.names())
        arena.stage.packets.faults.add(fault)


def _words(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"
