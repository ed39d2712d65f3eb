"""The values every layer speaks: Question, RRset, Query, Response, Handler.

All of them are immutable. A plugin that wants a different answer returns a new
Response; nothing it was handed can change under another plugin's feet.
"""

from collections.abc import Awaitable, Callable, Hashable
from enum import IntEnum
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace as replace  # the one way to make a changed copy

Name: TypeAlias = str
"""Absolute, lower-cased presentation name, trailing dot included; see names."""

Rdata: TypeAlias = bytes
"""RDATA in wire form, names inside it uncompressed."""

Address: TypeAlias = tuple[str, int]
"""Host and port."""


class Rcode(IntEnum):
    """Response codes by their names in the registry (RFC 6895 2.3)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    YXRRSET = 7
    NXRRSET = 8
    NOTAUTH = 9
    NOTZONE = 10
    BADVERS = 16
    BADKEY = 17
    BADTIME = 18
    BADMODE = 19
    BADNAME = 20
    BADALG = 21
    BADTRUNC = 22
    BADCOOKIE = 23


class Question(NamedTuple):
    """What is asked (RFC 1035 4.1.2)."""

    qname: Name
    qtype: int
    qclass: int = 1


class RRset(NamedTuple):
    """Records of one owner name and type (RFC 2181 5); one TTL for all."""

    owner: Name
    """Lower-case as a rule; a relayed or respelled answer keeps its letters' case."""
    rtype: int
    ttl: int
    rdata: tuple[Rdata, ...]
    rclass: int = 1


class Opt(NamedTuple):
    """The EDNS pseudo-record (RFC 6891 6.1)."""

    size: int
    """UDP payload size offered, as it stood in the message."""
    do: bool = False
    options: tuple[tuple[int, bytes], ...] = ()
    """Code and data, in order."""
    version: int = 0


RD, RA, AD, CD, TC, AA = 0x0100, 0x0080, 0x0020, 0x0010, 0x0200, 0x0400
"""Bits of the header's flags word (RFC 1035 4.1.1, RFC 4035 3.2)."""


class Query(Struct, frozen=True):
    """One question together with where it came from and how big a reply may be."""

    question: Question
    id: int = 0
    flags: int = RD
    """The header's second word as received."""
    opt: Opt | None = None
    max_size: int = 512
    """Bytes the reply may have."""
    wire: bytes = b""
    """As received; empty for a question the server asks itself."""
    spelled: str = ""
    """The name with its letters' case as asked; empty when that is lower case."""
    transport: Literal["udp", "tcp"] = "udp"
    peer: Address = ("127.0.0.1", 0)
    local: Address = ("127.0.0.1", 53)
    server: str = "dns://:53"
    """The listener: scheme, bound address or nothing, port."""
    zone: Name = "."
    """The key of the server block that matched."""
    hops: int = 0
    """How many questions of the server to itself led here; bounds chases."""
    asked_before: bool = True
    """Whether a query of the same bytes came before: its reply will be remembered."""
    like_asked_before: bool = False
    """Whether a query came before that differs at most in the first label: a reply
    with ``Reuse.covers_label`` will be remembered."""
    view: str = ""
    """The name of the *view* by which a server block was chosen; metrics show it."""

    @property
    def owner(self) -> str:
        """The name with the letters it was asked in, as answers give it back."""
        return self.spelled or self.question.qname

    @property
    def rd(self) -> bool:
        """Recursion desired."""
        return bool(self.flags & RD)

    @property
    def do(self) -> bool:
        """DNSSEC OK (RFC 3225)."""
        return self.opt is not None and self.opt.do


class Source(NamedTuple):
    """One thing an answer follows from, or that was looked for and is not there."""

    kind: str
    """Service, EndpointSlice, Namespace, Pod; or upstream, cache, hosts, zone ..."""
    name: str
    """namespace/name of an object; else what people call the thing."""
    uid: str = ""
    version: str = ""
    """The object's resourceVersion."""
    found: bool = True


ReuseCounter: TypeAlias = Callable[[int, float], None]
"""Called with a number of reuses and the seconds that they took together."""


CoversLabel: TypeAlias = Callable[[str], bool]
"""Returns whether a name with another first label, in lower case, has the same answer.

It is called for labels of ASCII letters, digits and hyphens that are as long as the
first label of the name that was answered.
"""


class Reuse(Struct, frozen=True):
    """The conditions under which the bytes of a reply may answer the query again."""

    expires_at: float = float("inf")
    """Monotonic seconds after which the answer must be computed again."""
    depends_on: tuple[Hashable, ...] = ()
    """Keys of the data it depends on: a change of any of them invalidates the reply."""
    ttls_true_at: float | None = None
    """Monotonic seconds at which the TTLs were true; None if they stay as they are."""
    rotates: bool = False
    """Whether the addresses are put in another order at every reuse (*loadbalance*)."""
    counters: tuple[ReuseCounter, ...] = ()
    """Called with the number of reuses, at the latest before each scrape."""
    covers_label: CoversLabel | None = None
    """Tells which other names have the same negative answer, if any: one proof of
    absence for many names, as in RFC 8198."""
    soa_serial: Callable[[], int] | None = None
    """Returns the serial that the SOA in the authority section must have by then."""


class Response(Struct, frozen=True):
    """The outcome of a query; sections hold RRsets, the encoder does the rest.

    NODATA is not an rcode: it is NOERROR with an empty answer and the SOA in the
    authority section (RFC 2308 2.2).
    """

    rcode: int = Rcode.NOERROR
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    aa: bool = False
    ra: bool = False
    ad: bool = False
    tc: bool = False
    rd: bool | None = None
    """None copies the query's (RFC 1035 4.1.1)."""
    opt: Opt | None = None
    """An OPT of the answerer's own (an upstream's); None echoes the query's."""
    max_size: int = 65535
    """Bytes the reply may have over UDP, whatever the query offers (*bufsize*)."""
    lower_case: bool = False
    """Whether owners equal to the question's name are sent in lower case, as plugins do
    in CoreDNS that answer from the lower-cased name; else in the client's letters."""
    rule: str = ""
    """Stable id of the rule that made the answer, such as ``service/cluster-ip``."""
    sources: tuple[Source, ...] = ()
    """What it follows from; for a negative answer, what was looked for."""
    reuse: Reuse | None = None
    """When the server may send the same bytes again; None if it must ask the chain."""
    client_specific: bool = False
    """Whether a question that the server asked itself on the way was decided by who the
    client is (*acl*, *view*): no cache may store the answer for other clients."""
    more: tuple["Response", ...] = ()
    """Further messages of a zone transfer (RFC 5936 2.2); empty otherwise."""


Handler: TypeAlias = Callable[[Query], Awaitable[Response]]
"""Answer a query, or raise DnsError when nothing can be said."""

Plugin: TypeAlias = Callable[[Handler], Handler]


class DnsError(Exception):
    """Nothing was answered: the server writes an empty reply with ``rcode``.

    ``text`` is for the log (plugin *errors*); empty when there is nothing to report,
    as when a plugin refuses by its rules.
    """

    client_specific = False
    """As in `Response`."""

    def __init__(
        self, text: str = "", rcode: int = Rcode.SERVFAIL, opt: Opt | None = None
    ) -> None:
        super().__init__(text)
        self.text = text
        self.rcode = rcode
        self.opt = opt
        """The OPT of the reply where it is not that of the query (*rewrite*)."""


class FormatError(DnsError):
    """The message cannot be read (RFC 1035 4.1.1, FORMERR).

    ``record`` is what the error reply carries in its additional section, and
    ``question`` in its question section, if anything.
    """

    def __init__(
        self,
        text: str,
        rcode: int = Rcode.FORMERR,
        record: bytes = b"",
        question: bytes = b"",
    ) -> None:
        super().__init__(text, rcode)
        self.record = record
        self.question = question


class Dropped(DnsError):
    """Silence is the right answer: the query is not replied to at all."""
