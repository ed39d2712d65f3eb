"""``getent`` in a pod: what programs get from glibc's name service switch.

It reads /etc/hosts first, then asks the resolver (nsswitch.conf: ``hosts: files dns``).
"""

from collections.abc import Iterator, Sequence

from minidns.dns import names, rdata
from minidns.dns.rdata import AAAA, PTR, A
from minidns.stub.protocol import BOTH, Status

from ..resolver.bind_tools import is_address
from .container import Container, Output
from .over_sockets import QueryRecord

USAGE = "usage: getent hosts|ahosts|ahostsv4|ahostsv6 NAME...\n"
_TYPES = {"ahosts": BOTH, "ahostsv4": (A,), "ahostsv6": (AAAA,)}
_SOCKETS = ("STREAM", "DGRAM", "RAW")
NOT_FOUND = 2


async def run(container: Container, words: list[str]) -> Output:
    """Run getent; the status is 2 if a name was not found."""
    match words:
        case ["hosts", *names_] if names_:
            look = _hosts
        case [database, *names_] if names_ and database in _TYPES:
            look = _ahosts
        case _:
            return Output(1, USAGE)
    outputs = [await look(container, words[0], name) for name in names_]
    return Output(
        max(output.status for output in outputs),
        "".join(output.text for output in outputs),
        tuple(query for output in outputs for query in output.queries),
    )


async def _ahosts(container: Container, database: str, name: str) -> Output:
    """Print the result of getaddrinfo, each address for three types of socket."""
    types = _TYPES[database]
    addresses, canonical = list(_in_file(container, name, types)), name
    queries: tuple[QueryRecord, ...] = ()
    if not addresses:
        resolved = await container.getaddrinfo(name, types)
        queries, outcome = resolved.queries, resolved.outcome
        if outcome.status is Status.ANSWERED:
            addresses = list(outcome.addresses)
            canonical = outcome.canonical.removesuffix(".")
    sockets = [(each, kind) for each in addresses for kind in _SOCKETS]
    shown = [canonical, *[""] * len(sockets)]  # only the first line has the name
    lines = [
        f"{address:15} {kind:6} {name_}"
        for (address, kind), name_ in zip(sockets, shown, strict=False)
    ]
    return _output(lines, queries)


async def _hosts(container: Container, database: str, name: str) -> Output:
    """Print the addresses of gethostbyname: of IPv6 if there are any, else of IPv4."""
    if is_address(name):
        return await _reverse(container, name)
    queries: tuple[QueryRecord, ...] = ()
    for qtype in (AAAA, A):
        addresses, shown = list(_in_file(container, name, (qtype,))), name
        if not addresses:
            resolved = await container.getaddrinfo(name, (qtype,))
            queries += resolved.queries
            if resolved.outcome.status is Status.ANSWERED:
                addresses = list(resolved.outcome.addresses)
                outcome = resolved.outcome
                both = dict.fromkeys((outcome.canonical, outcome.name))
                shown = " ".join(each.removesuffix(".") for each in both)
        if addresses:
            return _output([f"{address:15} {shown}" for address in addresses], queries)
    return _output([], queries)


async def _reverse(container: Container, address: str) -> Output:
    for there, names_ in _entries(container):
        if there == address:
            return _output([f"{address:15} {' '.join(names_)}"], ())
    resolved = await container.getaddrinfo(names.reverse(address), (PTR,))
    pointers = [
        rdata.to_text(PTR, data).removesuffix(".")
        for reply in resolved.outcome.replies
        for rrset in reply.answer
        if rrset.rtype == PTR
        for data in rrset.rdata
    ]
    lines = [f"{address:15} {' '.join(pointers)}"] if pointers else []
    return _output(lines, resolved.queries)


def _output(lines: Sequence[str], queries: tuple[QueryRecord, ...]) -> Output:
    text = "".join(f"{line}\n" for line in lines)
    return Output(0 if lines else NOT_FOUND, text, queries)


def _entries(container: Container) -> Iterator[tuple[str, list[str]]]:
    """Yield address and names of each line of /etc/hosts."""
    for line in container.hosts.splitlines():
        address, *names_ = line.partition("#")[0].split() or [""]
        if names_:
            yield address, names_


def _in_file(container: Container, name: str, types: tuple[int, ...]) -> Iterator[str]:
    """Yield the addresses of a name in /etc/hosts of the families of ``types``."""
    for address, names_ in _entries(container):
        if name in names_ and (AAAA if ":" in address else A) in types:
            yield address
