"""``nslookup`` in a pod, with the output format of BIND."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minidns.dns import names, rdata
from minidns.dns.model import AA, RRset
from minidns.dns.rdata import AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, A
from minidns.dns.reply import Reply
from minidns.stub.protocol import BOTH, Status

from ..resolver.bind_tools import BindTools
from .container import Container, Output
from .over_sockets import LookupResult

USAGE = "usage: nslookup [-type=TYPE] NAME [TYPE | SERVER]\n"
_SHOWN = {
    CNAME: "canonical name",
    PTR: "name",
    NS: "nameserver",
    MX: "mail exchanger",
    SRV: "service",
    TXT: "text",
}
_SOA_FIELDS = ("serial", "refresh", "retry", "expire", "minimum")


@dataclass(frozen=True, slots=True)
class _Words:
    """The parsed command line."""

    name: str
    qtype: int | None = None
    """Record type; None for addresses of both families."""
    server: str = ""


def _read(words: Sequence[str]) -> _Words | None:
    qtype: int | None = None
    plain = []
    for word in words:
        option, equals, value = word.partition("=")
        if option in ("-type", "-query", "-q") and equals:
            qtype = rdata.type_number(value)
        elif word.startswith("-"):
            return None
        else:
            plain.append(word)
    match plain:
        case [name]:
            return _Words(name, qtype)
        case [name, server] if _is_address(server):
            return _Words(name, qtype, server)
        case [name, type_]:
            return _Words(name, rdata.type_number(type_))
    return None


def _is_address(text: str) -> bool:
    try:
        names.reverse(text)
    except ValueError:
        return False
    return True


async def run(container: Container, words: list[str]) -> Output:
    """Run nslookup; the status is 1 if the name was not found.

    As BIND's nslookup, it queries A and then, if the name exists, AAAA.
    """
    try:
        args = _read(words)
    except ValueError as error:
        return Output(1, f"{error}\n{USAGE}")
    if args is None:
        return Output(1, USAGE)
    if _is_address(args.name) and args.qtype is None:
        return await _reverse(container, args)
    types = BOTH if args.qtype is None else (args.qtype,)
    first = await _look_up(container, args.name, types[0], args.server)
    results = [first]
    if len(types) > 1 and first.outcome.status in (Status.ANSWERED, Status.NODATA):
        more = await _look_up(container, first.outcome.name, types[1], args.server)
        results.append(more)
    queries = tuple(a for resolved in results for a in resolved.queries)
    lines = list(_lines(args.name, results))
    failed = first.outcome.status not in (Status.ANSWERED, Status.NODATA)
    return Output(int(failed), "".join(f"{line}\n" for line in lines), queries)


async def _look_up(
    container: Container, name: str, qtype: int, server: str
) -> LookupResult:
    tool = BindTools(container.resolv_conf, container.rng, server=server)
    return await container.look_up(tool, name, (qtype,))


async def _reverse(container: Container, args: _Words) -> Output:
    pointer = names.reverse(args.name)
    resolved = await _look_up(container, pointer, PTR, args.server)
    status = resolved.outcome.status
    lines = [line for reply in resolved.outcome.replies for line in _answer(reply)]
    if status is not Status.ANSWERED:
        lines = list(_failure(pointer, resolved))
    text = "".join(f"{line}\n" for line in (*lines, ""))
    return Output(int(status is not Status.ANSWERED), text, resolved.queries)


def _lines(name: str, results: Sequence[LookupResult]) -> Iterator[str]:
    first = results[0]
    replies = [reply for resolved in results for reply in resolved.outcome.replies]
    if not replies:
        yield from _failure(name, first)
        yield ""
        return
    server = next(a.send.server for a in reversed(first.queries) if a.reply)
    if first.outcome.status is Status.SERVFAIL:
        yield f";; Got SERVFAIL reply from {server}"
    yield f"Server:\t\t{server}"
    yield f"Address:\t{server}#53"
    yield ""
    if first.outcome.status not in (Status.ANSWERED, Status.NODATA):
        yield from _failure(name, first)
    else:
        if not replies[0].flags & AA:
            yield "Non-authoritative answer:"
        lines = [line for reply in replies for line in _answer(reply)]
        # the second reply repeats the aliases of the first
        yield from dict.fromkeys(lines) if lines else _no_answer(name)
    yield ""


def _no_answer(name: str) -> Iterator[str]:
    yield f"*** Can't find {name}: No answer"


def _failure(name: str, resolved: LookupResult) -> Iterator[str]:
    status = resolved.outcome.status
    if resolved.outcome.replies:
        rcode = rdata.rcode_name(resolved.outcome.replies[0].rcode)
        yield f"** server can't find {name.removesuffix('.')}: {rcode}"
        return
    why = "connection refused" if status is Status.REFUSED else "timed out"
    for query in resolved.queries:
        yield f";; communications error to {query.send.server}#53: {why}"
    yield ";; no servers could be reached"


def _answer(reply: Reply) -> Iterator[str]:
    for rrset in reply.answer:
        for data in rrset.rdata:
            yield from _record(rrset, data)


def _record(rrset: RRset, data: bytes) -> Iterator[str]:
    owner = rrset.owner.removesuffix(".") or "."
    text = rdata.to_text(rrset.rtype, data)
    if rrset.rtype in (A, AAAA):
        yield f"Name:\t{owner}\nAddress: {text}"
    elif rrset.rtype == SOA:
        soa = rdata.read_soa(data)
        yield owner
        yield f"\torigin = {soa.mname.removesuffix('.')}"
        yield f"\tmail addr = {soa.rname.removesuffix('.')}"
        for field in _SOA_FIELDS:
            yield f"\t{field} = {getattr(soa, field)}"
    elif rrset.rtype in _SHOWN:
        yield f"{owner}\t{_SHOWN[rrset.rtype]} = {text}"
    else:
        yield f"{owner}\trdata_{rrset.rtype} = {text}"
