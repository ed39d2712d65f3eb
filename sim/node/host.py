"""``host`` in a pod, with the output format of BIND."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from minidns.dns import names, rdata
from minidns.dns.rdata import AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, A
from minidns.stub.protocol import Status

from ..resolver.bind_tools import BindTools, is_address
from .container import Container, Output
from .over_sockets import LookupResult, QueryRecord

USAGE = "usage: host [-t TYPE] [-T] [-W SECONDS] [-R TRIES] NAME [SERVER]\n"
_DEFAULT = (A, AAAA, MX)
_SAYS = {
    A: "has address",
    AAAA: "has IPv6 address",
    CNAME: "is an alias for",
    MX: "mail is handled by",
    NS: "name server",
    PTR: "domain name pointer",
    SOA: "has SOA record",
    SRV: "has SRV record",
    TXT: "descriptive text",
}


@dataclass(frozen=True, slots=True)
class _Words:
    """The parsed command line."""

    name: str = ""
    types: tuple[int, ...] = _DEFAULT
    server: str = ""
    tcp: bool = False
    timeout_s: float = 5.0
    tries: int = 2


def _read(words: Sequence[str]) -> _Words:
    args, plain, words = _Words(), [], list(words)
    while words:
        match words.pop(0):
            case "-t" if words:
                args = replace(args, types=(rdata.type_number(words.pop(0)),))
            case "-W" if words:
                args = replace(args, timeout_s=float(words.pop(0)))
            case "-R" if words:
                args = replace(args, tries=int(words.pop(0)))
            case "-T":
                args = replace(args, tcp=True)
            case "-4":
                pass  # the network has no other family
            case word if word.startswith("-"):
                raise ValueError(f"{word} is not known here")
            case word:
                plain.append(word)
    match plain:
        case [name]:
            return replace(args, name=name)
        case [name, server]:
            return replace(args, name=name, server=server)
    raise ValueError("a name, and at most one server, are needed")


async def run(container: Container, words: list[str]) -> Output:
    """Run host; the status is 1 if the name was not found."""
    try:
        args = _read(words)
    except ValueError as error:
        return Output(1, f"{error}\n{USAGE}")
    name, types = args.name, args.types
    if is_address(name):
        name, types = names.reverse(name), (PTR,)
    lines, failed = list(_about_server(args.server)), False
    queries: list[QueryRecord] = []
    for qtype in types:
        resolved = await _look_up(container, name, qtype, args)
        queries += resolved.queries
        failed = resolved.outcome.status not in (Status.ANSWERED, Status.NODATA)
        lines += _lines(name, qtype, types, resolved)
        if failed:
            break
        name = resolved.outcome.canonical
    text = "".join(f"{line}\n" for line in lines)
    return Output(int(failed), text, tuple(queries))


async def _look_up(
    container: Container, name: str, qtype: int, args: _Words
) -> LookupResult:
    tool = BindTools(
        container.resolv_conf,
        container.rng,
        args.server,
        change=lambda settings: replace(
            settings,
            timeout_s=args.timeout_s,
            attempts=args.tries,
            transport="tcp" if args.tcp else "udp",
        ),
    )
    return await container.look_up(tool, name, (qtype,))


def _about_server(server: str) -> Iterator[str]:
    if server:
        yield "Using domain server:"
        yield f"Name: {server}"
        yield f"Address: {server}#53"
        yield "Aliases: "
        yield ""


def _lines(
    name: str, qtype: int, types: Sequence[int], resolved: LookupResult
) -> Iterator[str]:
    """Yield what is said about one query."""
    outcome = resolved.outcome
    if not outcome.replies:
        yield from resolved.silence()
    elif outcome.status not in (Status.ANSWERED, Status.NODATA):
        rcode = outcome.replies[-1].rcode
        yield f"Host {name} not found: {rcode}({rdata.rcode_name(rcode)})"
    elif outcome.status is Status.NODATA:
        if types != _DEFAULT:
            absolute = outcome.name.removesuffix(".")
            yield f"{absolute} has no {rdata.type_name(qtype)} record"
    else:
        for rrset in outcome.replies[-1].answer:
            says = _SAYS.get(rrset.rtype, f"has {rdata.type_name(rrset.rtype)} record")
            for data in rrset.rdata:
                owner = rrset.owner.removesuffix(".") or "."
                yield f"{owner} {says} {rdata.to_text(rrset.rtype, data)}"
