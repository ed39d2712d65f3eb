"""``nslookup`` in a pod, with the output format of BIND."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from minidns.dns import names, rdata
from minidns.dns.model import AA, RD, RRset
from minidns.dns.rdata import AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, A
from minidns.dns.reply import Reply
from minidns.stub.protocol import BOTH, Status
from minidns.stub.single import Settings

from ..resolver.bind_tools import BindTools, is_address
from .container import Container, Output
from .over_sockets import LookupResult

USAGE = (
    "usage: nslookup [-type=TYPE] [-timeout=SECONDS] [-retry=NUMBER] [-vc]\n"
    "                [-norecurse] [-nosearch] NAME [TYPE | SERVER]\n"
)
_SHOWN = {
    CNAME: "canonical name",
    PTR: "name",
    NS: "nameserver",
    MX: "mail exchanger",
    SRV: "service",
    TXT: "text",
}
_TYPE_OPTIONS = ("-type", "-query", "-q", "-querytype", "-qt", "-ty")
_NUMBERS = ("-timeout", "-retry")
_OPTIONS = (*_NUMBERS, "-vc", "-novc", "-norec", "-norecurse", "-nosearch", "-search")
_SOA_FIELDS = ("serial", "refresh", "retry", "expire", "minimum")


@dataclass(frozen=True, slots=True)
class _Words:
    """The parsed command line."""

    name: str
    qtype: int | None = None
    """Record type; None for addresses of both families."""
    server: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def change(self, settings: Settings) -> Settings:
        """Return the settings of queries with the options of the command line."""
        options = self.options
        return replace(
            settings,
            timeout_s=float(options.get("-timeout", settings.timeout_s)),
            attempts=int(options.get("-retry", settings.attempts - 1)) + 1,
            transport="tcp" if "-vc" in options else "udp",
            flags=0 if {"-norec", "-norecurse"} & options.keys() else RD,
        )


def _read(words: Sequence[str]) -> _Words | None:
    qtype: int | None = None
    plain, options = [], {}
    for word in words:
        option, equals, value = word.partition("=")
        if option in _TYPE_OPTIONS and equals:
            qtype = rdata.type_number(value)
        elif option in _OPTIONS and bool(equals) == (option in _NUMBERS):
            options[option] = str(int(value)) if equals else ""
        elif word.startswith("-"):
            return None
        else:
            plain.append(word)
    match plain:
        case [name]:
            return _Words(name, qtype, options=options)
        case [name, server] if is_address(server):
            return _Words(name, qtype, server, options)
        case [name, type_]:
            return _Words(name, rdata.type_number(type_), options=options)
    return None


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
    if is_address(args.name) and args.qtype is None:
        return await _reverse(container, args)
    types = BOTH if args.qtype is None else (args.qtype,)
    first = await _look_up(container, args, args.name, types[0])
    results = [first]
    if len(types) > 1 and first.outcome.status in (Status.ANSWERED, Status.NODATA):
        more = await _look_up(container, args, first.outcome.name, types[1])
        results.append(more)
    queries = tuple(a for resolved in results for a in resolved.queries)
    lines = list(_lines(args.name, results))
    failed = first.outcome.status not in (Status.ANSWERED, Status.NODATA)
    return Output(int(failed), "".join(f"{line}\n" for line in lines), queries)


async def _look_up(
    container: Container, args: _Words, name: str, qtype: int
) -> LookupResult:
    if "-nosearch" in args.options and not name.endswith("."):
        name += "."
    conf, rng = container.resolv_conf, container.rng
    tool = BindTools(conf, rng, args.server, change=args.change)
    return await container.look_up(tool, name, (qtype,))


async def _reverse(container: Container, args: _Words) -> Output:
    pointer = names.reverse(args.name)
    resolved = await _look_up(container, args, pointer, PTR)
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
    if resolved.outcome.replies:
        rcode = rdata.rcode_name(resolved.outcome.replies[0].rcode)
        yield f"** server can't find {name.removesuffix('.')}: {rcode}"
        return
    yield from resolved.silence()


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
