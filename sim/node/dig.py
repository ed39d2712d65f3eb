"""``dig`` in a pod, with the output format of BIND."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from minidns.dns import names, rdata
from minidns.dns.model import AA, AD, CD, CLASS_IN, RA, RD, TC, Question, RRset
from minidns.dns.rdata import NS, PTR, A
from minidns.dns.reply import Reply
from minidns.stub.single import Settings

from ..resolver.bind_tools import BindTools
from .container import Container, Output
from .over_sockets import LookupResult, QueryRecord

USAGE = (
    "usage: dig [@SERVER] [-t TYPE] [-c CLASS] [-x ADDRESS] NAME [TYPE] [CLASS]\n"
    "       [+OPTION]...\n"
    "       +[no]short +[no]all +[no]answer and other sections, +[no]tcp +[no]search\n"
    "       +[no]recurse +[no]dnssec +[no]edns +[no]ignore +[no]trace +bufsize=BYTES\n"
    "       +time=SECONDS +tries=NUMBER +retry=NUMBER +ndots=NUMBER\n"
)
NO_REPLY, NO_SERVER = 9, 1
_EDNS_SIZE = 1232
_FLAGS = {"aa": AA, "tc": TC, "rd": RD, "ra": RA, "ad": AD, "cd": CD}
_SHOWN = frozenset(
    ("cmd", "comments", "question", "answer", "authority", "additional", "stats")
)
_SWITCHES = {
    **{name: name for name in (*_SHOWN, "short", "tcp", "search", "recurse", "dnssec")},
    **{name: name for name in ("edns", "ignore", "trace", "ttlid", "class")},
    "vc": "tcp",
    "rec": "recurse",
    "do": "dnssec",
    "defname": "search",
    "rdflag": "recurse",
    "cookie": "",  # options that change nothing here
    "adflag": "",
    "showsearch": "",
    "crypto": "",
    "multiline": "",
}
"""The options that are on or off: what each stands for."""
_NUMBERS = ("bufsize", "time", "timeout", "tries", "retry", "ndots", "edns")
_DEFAULT = _SHOWN | {"recurse", "edns", "ttlid", "class"}
_MAX_REFERRALS = 16


@dataclass(frozen=True, slots=True)
class _Words:
    """The parsed command line."""

    name: str = ""
    qtype: int = A
    qclass: int = CLASS_IN
    server: str = ""
    on: frozenset[str] = _DEFAULT
    """The options that are on."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """The options with a number."""

    def change(self, settings: Settings) -> Settings:
        """Return the settings of queries with the options of the command line."""
        numbers = self.numbers
        tries = numbers.get("tries", numbers.get("retry", settings.attempts - 1) + 1)
        has_edns = not self.on.isdisjoint(("edns", "dnssec"))
        return replace(
            settings,
            timeout_s=numbers.get("time", numbers.get("timeout", settings.timeout_s)),
            attempts=max(tries, 1),
            transport="tcp" if "tcp" in self.on else "udp",
            edns_size=numbers.get("bufsize", _EDNS_SIZE) if has_edns else 0,
            flags=RD if "recurse" in self.on else 0,
            dnssec="dnssec" in self.on,
            qclass=self.qclass,
            keeps_truncated="ignore" in self.on,
        )


def _read(words: Sequence[str]) -> _Words:
    args, words = _Words(), list(words)
    while words:
        word = words.pop(0)
        if word.startswith("@"):
            args = replace(args, server=word[1:])
        elif word.startswith("+"):
            args = _with_option(args, word[1:])
        elif word in ("-4", "-r"):
            pass
        elif word == "-x" and words:
            args = replace(args, name=names.reverse(words.pop(0)), qtype=PTR)
        elif word == "-t" and words:
            args = replace(args, qtype=rdata.type_number(words.pop(0)))
        elif word == "-c" and words:
            args = replace(args, qclass=rdata.class_number(words.pop(0)))
        elif word == "-q" and words:
            args = replace(args, name=words.pop(0))
        elif word.startswith("-"):
            raise ValueError(f"{word} is not known here")
        elif (found := _found(rdata.type_number, word)) is not None:
            args = replace(args, qtype=found)
        elif (found := _found(rdata.class_number, word)) is not None:
            args = replace(args, qclass=found)
        elif not args.name:
            args = replace(args, name=word)
        else:
            raise ValueError(f"{word} is neither a type nor a class")
    if args.name:
        return args
    return replace(args, name=".", qtype=NS)


def _found(read: Callable[[str], int], word: str) -> int | None:
    """Return the number of a type or class, or None: the word may be a name."""
    try:
        return read(word)
    except ValueError:
        return None


def _with_option(args: _Words, option: str) -> _Words:
    """Return the command line with an option that begins with a plus sign."""
    name, equals, value = option.partition("=")
    if equals and name in _NUMBERS and value.isdecimal():
        return replace(args, numbers={**args.numbers, name: int(value)})
    is_on, name = not name.startswith("no"), name.removeprefix("no")
    if equals or name not in (*_SWITCHES, "all"):
        raise ValueError(f"+{option} is not known here")
    changed = _SHOWN if name == "all" else {_SWITCHES[name]}
    return replace(args, on=args.on | changed if is_on else args.on - changed)


async def run(container: Container, words: list[str]) -> Output:
    """Run dig; the status is 9 if no server replied and 0 for any reply."""
    try:
        args = _read(words)
    except ValueError as error:
        return Output(1, f"{error}\n{USAGE}")
    told = await (_trace if "trace" in args.on else _ask)(container, args)
    head = list(_head(args, words, told))
    text = "".join(f"{line}\n" for line in [*head, *told.lines])
    return Output(told.status, text, told.queries)


def _head(args: _Words, words: Sequence[str], told: "_Told") -> Iterator[str]:
    """Yield what comes before the reply."""
    if "short" in args.on or told.status == NO_REPLY:
        return
    answered = [query for query in told.queries if query.reply]
    if "trace" not in args.on and len(answered) > 1 and "tcp" not in args.on:
        yield ";; Truncated, retrying in TCP mode."
    if "cmd" in args.on:
        yield ""
        yield f"; <<>> minidns-sim dig <<>> {' '.join(words)}"
        yield ";; global options: +cmd"


class _Told(NamedTuple):
    """The result of a run."""

    status: int
    lines: list[str]
    queries: tuple[QueryRecord, ...]


async def _ask(container: Container, args: _Words) -> _Told:
    """Send one query, and print the reply."""
    resolved = await _query(container, args)
    answered = [query for query in resolved.queries if query.reply]
    if not answered:
        return _Told(NO_REPLY, list(resolved.silence()), resolved.queries)
    last = answered[-1]
    if "short" in args.on:
        return _Told(0, _short(last), resolved.queries)
    return _Told(0, list(_long(args, last)), resolved.queries)


async def _query(container: Container, args: _Words) -> LookupResult:
    name = args.name
    if "search" not in args.on and not name.endswith("."):
        name += "."
    tool = BindTools(
        container.resolv_conf,
        container.rng,
        args.server,
        change=args.change,
        ndots=args.numbers.get("ndots"),
    )
    return await container.look_up(tool, name, (args.qtype,))


async def _trace(container: Container, args: _Words) -> _Told:
    """Follow the delegations from the root, which the own server names."""
    whole = replace(args, name=f"{args.name.removesuffix('.')}.")
    asked, told = replace(whole, name=".", qtype=NS), _Told(0, [], ())
    for _ in range(_MAX_REFERRALS):
        step = await _step(container, asked)
        told = _Told(step.status, told.lines + step.lines, told.queries + step.queries)
        if step.status or not step.servers:
            return told._replace(lines=[*told.lines, *step.end])
        server, lines, queries = await _address(container, args, step.servers)
        lines += step.end if server else ()
        told = told._replace(lines=told.lines + lines, queries=told.queries + queries)
        if not server:
            return told._replace(status=NO_SERVER)
        asked = replace(whole, server=server, on=whole.on - {"recurse"})
    return told


class _Step(NamedTuple):
    """One step of a trace."""

    status: int
    lines: list[str]
    queries: tuple[QueryRecord, ...]
    servers: list[str]
    """The name servers to which it refers; none at the end."""
    end: Sequence[str] = ()
    """The lines that follow when a server's address is known."""


async def _step(container: Container, asked: _Words) -> _Step:
    resolved = await _query(container, asked)
    answered = [query for query in resolved.queries if query.reply]
    if not answered:
        return _Step(NO_REPLY, list(resolved.silence()), resolved.queries, [])
    reply = answered[-1].reply
    assert reply is not None
    shown = reply.answer or reply.authority
    lines = [line for rrset in shown for line in _records(rrset, asked)]
    is_end = bool(reply.answer) and asked.name != "."
    servers = [
        rdata.to_text(NS, data)
        for rrset in shown
        if rrset.rtype == NS and not is_end
        for data in rrset.rdata
    ]
    end = [_received(answered[-1]), ""]
    return _Step(0, lines, resolved.queries, servers, end)


async def _address(
    container: Container, args: _Words, servers: list[str]
) -> tuple[str, list[str], tuple[QueryRecord, ...]]:
    """Return the address of the first server that has one, else an empty text."""
    lines: list[str] = []
    queries: tuple[QueryRecord, ...] = ()
    for server in servers:
        found = await _query(container, replace(args, name=server, qtype=A))
        queries += found.queries
        if found.outcome.addresses:
            return found.outcome.addresses[0], lines, queries
        name = server.removesuffix(".")
        lines.append(f"couldn't get address for '{name}': not found")
    lines.append(f"dig: couldn't get address for '{name}': no more")
    return "", lines, queries


def _received(query: QueryRecord) -> str:
    where = f"{query.send.server}#53({query.send.server})"
    return f";; Received {query.size} bytes from {where} in {query.ms:.0f} ms"


def _short(query: QueryRecord) -> list[str]:
    assert query.reply is not None
    return [
        rdata.to_text(rrset.rtype, data)
        for rrset in query.reply.answer
        for data in rrset.rdata
    ]


def _long(args: _Words, query: QueryRecord) -> Iterator[str]:
    reply, has_titles = query.reply, "comments" in args.on
    assert reply is not None
    if has_titles:
        yield from _header(reply)
    if "question" in args.on:
        if has_titles:
            yield ";; QUESTION SECTION:"
        yield _question(reply.question or query.send.question, reply.spelled)
        if has_titles:
            yield ""
    for title in ("answer", "authority", "additional"):
        rrsets: tuple[RRset, ...] = getattr(reply, title)
        if rrsets and title in args.on:
            if has_titles:
                yield f";; {title.upper()} SECTION:"
            yield from (line for rrset in rrsets for line in _records(rrset, args))
            if has_titles:
                yield ""
    if "stats" in args.on:
        server = query.send.server
        yield f";; Query time: {query.ms:.0f} msec"
        yield f";; SERVER: {server}#53({server}) ({query.send.transport.upper()})"
        yield f";; MSG SIZE  rcvd: {query.size}"
        yield ""


def _header(reply: Reply) -> Iterator[str]:
    flags = " ".join(["qr", *(n for n, bit in _FLAGS.items() if reply.flags & bit)])
    answer, authority, additional = (
        sum(len(rrset.rdata) for rrset in section)
        for section in (reply.answer, reply.authority, reply.additional)
    )
    yield ";; Got answer:"
    status = rdata.rcode_name(reply.rcode)
    yield f";; ->>HEADER<<- opcode: QUERY, status: {status}, id: {reply.id}"
    yield (
        f";; flags: {flags}; QUERY: 1, ANSWER: {answer}, "
        f"AUTHORITY: {authority}, ADDITIONAL: {additional + (reply.opt is not None)}"
    )
    yield ""
    if reply.opt is not None:
        yield ";; OPT PSEUDOSECTION:"
        do, size = " do" if reply.opt.do else "", reply.opt.size
        yield f"; EDNS: version: {reply.opt.version}, flags:{do}; udp: {size}"


def _question(question: Question, spelled: str) -> str:
    owner = _to_column(_to_column(f";{spelled or question.qname}", 24), 32)
    qclass = rdata.class_name(question.qclass)
    return f"{owner}{qclass}\t{rdata.type_name(question.qtype)}"


def _records(rrset: RRset, args: _Words) -> Iterator[str]:
    head = _to_column(rrset.owner, 24)
    if "ttlid" in args.on:
        head = _to_column(f"{head}{rrset.ttl}", 32)
    kind = rdata.type_name(rrset.rtype)
    if "class" in args.on:
        kind = f"{rdata.class_name(rrset.rclass)}\t{kind}"
    for data in rrset.rdata:
        yield f"{head}{kind}\t{rdata.to_text(rrset.rtype, data)}"


def _to_column(text: str, column: int) -> str:
    """Return ``text`` with tabs up to ``column``, at least one."""
    width = len(text.expandtabs())
    return text + "\t" * max(1, -(-(column - width) // 8))
