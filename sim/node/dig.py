"""``dig`` in a pod, with the output format of BIND."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from minidns.dns import names, rdata
from minidns.dns.model import AA, AD, CD, RA, RD, TC, Question, RRset
from minidns.dns.rdata import PTR, A
from minidns.dns.reply import Reply

from ..resolver.bind_tools import BindTools
from .container import Container, Output
from .over_sockets import LookupResult, QueryRecord

USAGE = "usage: dig [@SERVER] [+short] [+tcp] [+search] [-x ADDRESS] NAME [TYPE]\n"
NO_REPLY = 9
_EDNS_SIZE = 1232
_FLAGS = {"aa": AA, "tc": TC, "rd": RD, "ra": RA, "ad": AD, "cd": CD}


@dataclass(frozen=True, slots=True)
class _Words:
    """The parsed command line."""

    name: str = ""
    qtype: int = A
    server: str = ""
    options: frozenset[str] = frozenset()


def _read(words: Sequence[str]) -> _Words:
    args = _Words()
    words = list(words)
    while words:
        word = words.pop(0)
        if word.startswith("@"):
            args = replace(args, server=word[1:])
        elif word in ("+short", "+tcp", "+search"):
            args = replace(args, options=args.options | {word[1:]})
        elif word == "-x" and words:
            args = replace(args, name=names.reverse(words.pop(0)), qtype=PTR)
        elif word == "-t" and words:
            args = replace(args, qtype=rdata.type_number(words.pop(0)))
        elif word.startswith(("-", "+")):
            raise ValueError(f"{word} is not known here")
        elif not args.name:
            args = replace(args, name=word)
        else:
            args = replace(args, qtype=rdata.type_number(word))
    if not args.name:
        raise ValueError("a name is missing")
    return args


async def run(container: Container, words: list[str]) -> Output:
    """Run dig; the status is 9 if no server replied and 0 for any reply."""
    try:
        args = _read(words)
    except ValueError as error:
        return Output(1, f"{error}\n{USAGE}")
    name = args.name
    if "search" not in args.options and not name.endswith("."):
        name += "."
    tool = BindTools(
        container.resolv_conf,
        container.rng,
        server=args.server,
        tcp="tcp" in args.options,
        edns_size=_EDNS_SIZE,
    )
    resolved = await container.look_up(tool, name, (args.qtype,))
    answered = [query for query in resolved.queries if query.reply]
    if not answered:
        lines = list(_no_reply(resolved))
    elif "short" in args.options:
        lines = _short(answered[-1])
    else:
        lines = list(_long(" ".join(words), answered[-1], len(answered) > 1))
    text = "".join(f"{line}\n" for line in lines)
    return Output(0 if answered else NO_REPLY, text, resolved.queries)


def _no_reply(resolved: LookupResult) -> Iterator[str]:
    for query in resolved.queries:
        why = "connection refused" if query.path.refused else "timed out"
        yield f";; communications error to {query.send.server}#53: {why}"
    yield ";; no servers could be reached"


def _short(query: QueryRecord) -> list[str]:
    assert query.reply is not None
    return [
        rdata.to_text(rrset.rtype, data)
        for rrset in query.reply.answer
        for data in rrset.rdata
    ]


def _long(command: str, query: QueryRecord, truncated: bool) -> Iterator[str]:
    reply = query.reply
    assert reply is not None
    if truncated and query.send.transport == "tcp":
        yield ";; Truncated, retrying in TCP mode."
    yield from (
        "",
        f"; <<>> minidns-sim dig <<>> {command}",
        ";; Got answer:",
    )
    yield from _header(reply)
    yield ""
    if reply.opt is not None:
        yield ";; OPT PSEUDOSECTION:"
        do = " do" if reply.opt.do else ""
        yield f"; EDNS: version: {reply.opt.version}, flags:{do}; udp: {reply.opt.size}"
    yield ";; QUESTION SECTION:"
    yield _question(reply.question or query.send.question, reply.spelled)
    yield ""
    for title in ("answer", "authority", "additional"):
        rrsets: tuple[RRset, ...] = getattr(reply, title)
        if rrsets:
            yield f";; {title.upper()} SECTION:"
            yield from (line for rrset in rrsets for line in _records(rrset))
            yield ""
    server = query.send.server
    yield f";; Query time: {query.ms:.0f} msec"
    yield f";; SERVER: {server}#53({server}) ({query.send.transport.upper()})"
    yield ""


def _header(reply: Reply) -> Iterator[str]:
    flags = " ".join(["qr", *(n for n, bit in _FLAGS.items() if reply.flags & bit)])
    answer, authority, additional = (
        sum(len(rrset.rdata) for rrset in section)
        for section in (reply.answer, reply.authority, reply.additional)
    )
    status = rdata.rcode_name(reply.rcode)
    yield f";; ->>HEADER<<- opcode: QUERY, status: {status}, id: {reply.id}"
    yield (
        f";; flags: {flags}; QUERY: 1, ANSWER: {answer}, "
        f"AUTHORITY: {authority}, ADDITIONAL: {additional + (reply.opt is not None)}"
    )


def _question(question: Question, spelled: str) -> str:
    owner = _to_column(_to_column(f";{spelled or question.qname}", 24), 32)
    qclass = rdata.class_name(question.qclass)
    return f"{owner}{qclass}\t{rdata.type_name(question.qtype)}"


def _records(rrset: RRset) -> Iterator[str]:
    head = _to_column(_to_column(rrset.owner, 24) + str(rrset.ttl), 32)
    kind = f"{rdata.class_name(rrset.rclass)}\t{rdata.type_name(rrset.rtype)}"
    for data in rrset.rdata:
        yield f"{head}{kind}\t{rdata.to_text(rrset.rtype, data)}"


def _to_column(text: str, column: int) -> str:
    """Return ``text`` with tabs up to ``column``, at least one."""
    width = len(text.expandtabs())
    return text + "\t" * max(1, -(-(column - width) // 8))
