"""Random cases for stub resolvers: a resolv.conf, a name, and what servers do."""

from dataclasses import dataclass
from random import Random

from minidns.dns import rdata, wire
from minidns.dns.model import FormatError, Question, Rcode, Response, RRset
from minidns.dns.rdata import AAAA, CNAME, A

REPLY_S = 0.005
"""Seconds from a query to an immediate reply: later than all queries sent at once."""
_ADDRESSES = {A: "192.0.2.7", AAAA: "2001:db8::7"}
_UDP = {
    "OK": 30,
    "NXDOMAIN": 30,
    "NODATA": 14,
    "drop": 14,
    "SERVFAIL": 10,
    "REFUSED": 5,
    "FORMERR": 3,
    "NOTIMP": 2,
    "TC": 7,
    "TC-partial": 3,
    "LAME": 3,
    "wrong-id": 3,
    "wrong-id-then-OK": 3,
    "wrong-name": 3,
    "alias": 3,
    "alias-alone": 2,
    "twice": 2,
    "bare-REFUSED": 2,
}
_TCP = {"OK": 40, "NXDOMAIN": 15, "NODATA": 15, "SERVFAIL": 5, "REFUSED": 3, "FORMERR": 2, "alias": 3, "close": 8}
_WORDS = ("web", "db", "a", "1", "0x7f", "-", "very-long-label-" + "x" * 40, "_sip", "Web")
_DOMAINS = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org.", ".", "x" * 63 + ".example")


_ODD_LINES = (
    "# comment",
    "; options ndots:7",
    "nameserver ns.example",
    " nameserver 127.1.1.1",
    "nameserver",
    "search",
    "search\tsvc.cluster.local \t example.org ",
    "domain",
    "domain example.org svc.cluster.local",
    f"search {'d.example ' * 30}",
    "options",
    "options\tndots:3 ",
    "options xattempts:1 rotation edns0-too",
    "sortlist 192.0.2.0/24",
    "lookup file bind",
    "SEARCH example.org",
)
"""Lines that parsers may read in different ways."""


@dataclass(frozen=True)
class Action:
    """What a server does with one query."""

    kind: str
    delay_s: float


@dataclass(frozen=True)
class Case:
    """One lookup; equal seeds give equal cases."""

    number: int
    resolv_conf: str
    name: str
    family: str
    servers: tuple[str, ...]
    deaf_udp: frozenset[str]
    """Servers where nobody listens on UDP."""
    deaf_tcp: frozenset[str]
    mood: str
    """A behaviour that most replies of the case share, or empty."""

    @property
    def types(self) -> tuple[int, ...]:
        """The types that the program wants."""
        return {"4": (A,), "6": (AAAA,)}.get(self.family, (A, AAAA))

    def action(self, server: str, transport: str, question: Question, nth: int) -> Action:
        """Return what ``server`` does with the ``nth`` equal query."""
        at = self.servers.index(server)
        rng = Random(f"{self.number} {at} {transport} {question[:2]} {nth}")
        kinds = _UDP if transport == "udp" else _TCP
        (kind,) = rng.choices(list(kinds), list(kinds.values()))
        if self.mood in kinds and rng.random() < 0.7:
            kind = self.mood
        delay = REPLY_S
        if rng.random() < 0.12:
            # far from retransmissions, so that nothing happens at the same moment
            delay = rng.choice((0.12, 0.2, 0.38, 0.55, 1.12, 1.38, 1.55))
            delay += rng.random() * 0.08
        return Action(kind, delay)


def make_case(number: int, seed: int = 0) -> Case:
    """Return case ``number``; its servers have addresses of their own in 127/8."""
    rng = Random(f"{seed} {number}")
    place = 8 * number
    servers = tuple(
        f"127.{16 + (place >> 16)}.{place >> 8 & 255}.{place & 255 | index}"
        for index in range(1, rng.choice((1, 1, 1, 2, 2, 2, 3, 3, 4)) + 1)
    )
    dotted = [rng.choice(_WORDS) for _ in range(rng.choice((1, 1, 2, 2, 3, 6)))]
    name = ".".join(dotted) + rng.choice(("", "", "", "", "."))
    lines = [f"nameserver {server}" for server in servers]
    if rng.random() < 0.8:
        domains = rng.sample(_DOMAINS, rng.choice((1, 2, 3, 3)))
        lines.append(f"{rng.choice(('search', 'search', 'domain'))} {' '.join(domains)}")
    lines.append(_options(rng))
    lines += [line for line in _ODD_LINES if rng.random() < 0.04]
    rng.shuffle(lines)
    return Case(
        number * 1000 + seed,
        "\n".join(lines) + rng.choice(("\n", "")),
        name,
        rng.choice(("any", "any", "any", "4", "6")),
        _in_order(lines),
        frozenset(s for s in servers if rng.random() < 0.08),
        frozenset(s for s in servers if rng.random() < 0.15),
        rng.choice(("", "", "OK", "drop", "NXDOMAIN", "SERVFAIL", "TC", "NODATA")),
    )


def _in_order(lines: list[str]) -> tuple[str, ...]:
    return tuple(x.split()[1] for x in lines if x.startswith("nameserver 127."))


def _options(rng: Random) -> str:
    words = [f"ndots:{rng.choice((0, 1, 2, 5, 5, 20))}"]
    # time-outs of one second keep the whole run short
    words.append(f"timeout:{rng.choice(('1',) * 12 + ('2', '0', '-1', 'x'))}")
    words.append(f"attempts:{rng.choice((1, 1, 2, 2, 3))}")
    for word, chance in (
        ("rotate", 0.15),
        ("single-request", 0.15),
        ("single-request-reopen", 0.1),
        ("use-vc", 0.1),
        ("edns0", 0.2),
        ("trust-ad", 0.1),
        ("no-aaaa", 0.05),
        ("no-tld-query", 0.1),
        ("no_tld_query", 0.05),
        ("inet6", 0.05),
        ("no-reload", 0.05),
        ("debug", 0.05),
        ("ndots:x", 0.03),
    ):
        if rng.random() < chance:
            words.append(word)
    rng.shuffle(words)
    return "options " + " ".join(words)


def question_of(message: bytes) -> Question:
    """Return the question of a query, with the name ``malformed`` if it is."""
    try:
        return wire.decode_query(message).question
    except FormatError:
        return Question("malformed", int.from_bytes(message[-5:-3]))


def replies(kind: str, message: bytes, transport: str) -> list[bytes]:
    """Return the messages with which a server does ``kind``."""
    try:
        query = wire.decode_query(message, "tcp" if transport == "tcp" else "udp")
    except FormatError:
        return [] if kind == "drop" else [message[:2] + b"\x81\x81" + bytes(8)]
    owner, qtype, _ = query.question
    address = RRset(owner, qtype, 30, (rdata.from_text(qtype, _ADDRESSES[qtype]),))
    target = RRset("real.example.", qtype, 30, address.rdata)
    alias = RRset(owner, CNAME, 30, (rdata.from_text(CNAME, "real.example."),))
    found = Response(answer=(address,), ra=True)
    responses = {
        "OK": found,
        "NODATA": Response(ra=True),
        "TC": Response(ra=True, tc=True),
        "TC-partial": Response(answer=(address,), ra=True, tc=True),
        "LAME": Response(),
        "alias": Response(answer=(alias, target), ra=True),
        "alias-alone": Response(answer=(alias,), ra=True),
    }
    good = wire.encode_response(query, found)
    other_id = bytes((good[0] ^ 0xFF,)) + good[1:]
    if kind in ("drop", "close"):
        return []
    if kind == "wrong-id":
        return [other_id]
    if kind == "wrong-id-then-OK":
        return [other_id, good]
    if kind == "wrong-name":
        elsewhere = query.question._replace(qname="elsewhere.example.")
        question = wire.encode_query(elsewhere, query.id)
        return [question[:2] + b"\x81\x80" + question[4:]]
    if kind == "twice":
        return [good, good]
    if kind == "bare-REFUSED":
        return [message[:2] + b"\x81\x85" + bytes(8)]
    response = responses.get(kind) or Response(Rcode[kind], ra=True)
    return [wire.encode_response(query, response)]
