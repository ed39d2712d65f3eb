"""The values that all layers use: Question, RRset, Query, Response, Handler.

All of them are immutable. A plugin that changes an answer returns a new Response, so
that no plugin can modify what another one uses.
"""

from collections.abc import Awaitable, Callable, Hashable
from enum import IntEnum
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace as replace  # creates a changed copy

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


CLASS_IN = 1
"""The class of the Internet (RFC 1035 3.2.4)."""


class Question(NamedTuple):
    """The question of a query (RFC 1035 4.1.2)."""

    qname: Name
    qtype: int
    qclass: int = CLASS_IN


class RRset(NamedTuple):
    """Records of one owner name and type (RFC 2181 5); one TTL for all."""

    owner: Name
    """Owner name, lower-case except in relayed or respelled answers."""
    rtype: int
    ttl: int
    rdata: tuple[Rdata, ...]
    rclass: int = 1


class Opt(NamedTuple):
    """The EDNS pseudo-record (RFC 6891 6.1)."""

    size: int
    """The UDP payload size in the message."""
    do: bool = False
    options: tuple[tuple[int, bytes], ...] = ()
    """Pairs of code and data, in order."""
    version: int = 0


RD, RA, AD, CD, TC, AA = 0x0100, 0x0080, 0x0020, 0x0010, 0x0200, 0x0400
"""Bits of the header's flags word (RFC 1035 4.1.1, RFC 4035 3.2)."""


class Query(Struct, frozen=True):
    """A question with its origin and the maximum size of the reply."""

    question: Question
    id: int = 0
    flags: int = RD
    """The second word of the header, as received."""
    opt: Opt | None = None
    max_size: int = 512
    """Maximum size of the reply in bytes."""
    wire: bytes = b""
    """The bytes received; empty for an internal query."""
    spelled: str = ""
    """The name in the case of the query; empty if that is lower case."""
    transport: Literal["udp", "tcp"] = "udp"
    peer: Address = ("127.0.0.1", 0)
    local: Address = ("127.0.0.1", 53)
    server: str = "dns://:53"
    """The listener: scheme, bound address if any, and port."""
    zone: Name = "."
    """The zone of the matching server block."""
    hops: int = 0
    """Number of internal queries that led to this one; limits alias chains."""
    asked_before: bool = True
    """True if the same bytes were received before: the reply will be remembered."""
    like_asked_before: bool = False
    """True if an earlier query differs at most in the first label: a reply with
    ``Reuse.covers_label`` will be remembered."""
    view: str = ""
    """The name of the *view* that selected the server block, for metrics."""

    @property
    def owner(self) -> str:
        """The name in the case of the query, as answers repeat it."""
        return self.spelled or self.question.qname

    @property
    def rd(self) -> bool:
        """True if recursion is desired."""
        return bool(self.flags & RD)

    @property
    def do(self) -> bool:
        """True if the DO bit is set (DNSSEC OK, RFC 3225)."""
        return self.opt is not None and self.opt.do


class Source(NamedTuple):
    """An object or data source that an answer depends on, present or missing."""

    kind: str
    """The kind: Service, EndpointSlice, Namespace, Pod, upstream, cache, hosts ..."""
    name: str
    """Namespace and name of an object with a slash, else a name for people."""
    uid: str = ""
    version: str = ""
    """The object's resourceVersion."""
    found: bool = True
    """False if it was looked up and does not exist."""


ReuseCounter: TypeAlias = Callable[[int, float], None]
"""Called with a number of reuses and their total duration in seconds."""

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
    """True if every reuse changes the order of addresses (*loadbalance*)."""
    counters: tuple[ReuseCounter, ...] = ()
    """Counters of reuses, called at the latest before each scrape."""
    covers_label: CoversLabel | None = None
    """Predicate for other names with the same negative answer, if any: one proof of
    absence for many names, as in RFC 8198."""
    soa_serial: Callable[[], int] | None = None
    """Returns the current serial for the SOA in the authority section."""


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
    """The RD bit; None copies it from the query (RFC 1035 4.1.1)."""
    opt: Opt | None = None
    """The OPT to send, such as an upstream's; None echoes that of the query."""
    max_size: int = 65535
    """Maximum size over UDP in bytes, also if the query offers more (*bufsize*)."""
    lower_case: bool = False
    """True if owners equal to the question's name are sent in lower case, as by plugins
    of CoreDNS that answer from the lower-cased name; else in the case of the query."""
    rule: str = ""
    """Stable id of the rule behind the answer, such as ``service/cluster-ip``."""
    sources: tuple[Source, ...] = ()
    """Sources of the answer; for a negative answer also those that are missing."""
    reuse: Reuse | None = None
    """Conditions for sending the same bytes again; None if the chain must answer."""
    client_specific: bool = False
    """True if the client's identity decided an internal query (*acl*, *view*): no cache
    may store the answer for other clients."""
    more: tuple["Response", ...] = ()
    """Further messages of a zone transfer (RFC 5936 2.2); empty otherwise."""

    @property
    def rrsets(self) -> tuple[RRset, ...]:
        """The RRsets of the answer, authority and additional section, in this order."""
        return (*self.answer, *self.authority, *self.additional)


def combine(one: Reuse | None, other: Reuse | None) -> Reuse | None:
    """Return the conditions for a reply built from two answers, or None.

    >>> combined = combine(Reuse(30.0, ("a",)), Reuse(60.0, ("b",)))
    >>> combined.expires_at, combined.depends_on
    (30.0, ('a', 'b'))
    """
    if one is None or other is None or one.ttls_true_at != other.ttls_true_at:
        return None  # a remembered reply has one time at which its TTLs were true
    if one.soa_serial and other.soa_serial and one.soa_serial != other.soa_serial:
        return None  # a remembered reply has one SOA serial to refresh
    return Reuse(
        min(one.expires_at, other.expires_at),
        (*one.depends_on, *other.depends_on),
        one.ttls_true_at,
        one.rotates or other.rotates,
        (*one.counters, *other.counters),
        soa_serial=one.soa_serial or other.soa_serial,
    )


def also_depends_on(response: Response, *keys: Hashable) -> Response:
    """Return ``response`` with ``keys`` added to the keys that it depends on.

    For plugins that passed a query on, but would have answered it with other data.
    """
    if response.reuse is None:
        return response
    reuse = replace(response.reuse, depends_on=(*response.reuse.depends_on, *keys))
    return replace(response, reuse=reuse)


def joined(response: Response, other: Response) -> Response:
    """Return ``response`` with the records of ``other``, the answer for its target.

    What limits one of them (truncation, reuse, clients) limits the result.
    """
    return replace(
        response,
        answer=(*response.answer, *other.answer),
        tc=response.tc or other.tc,
        sources=(*response.sources, *other.sources),
        reuse=combine(response.reuse, other.reuse),
        client_specific=response.client_specific or other.client_specific,
    )


Handler: TypeAlias = Callable[[Query], Awaitable[Response]]
"""Answers a query, or raises DnsError if there is no answer."""

Plugin: TypeAlias = Callable[[Handler], Handler]


class DnsError(Exception):
    """A failure that the server answers with an empty reply with ``rcode``.

    ``text`` is for the log (plugin *errors*); it is empty if there is nothing to
    report, as when a plugin refuses a query by its rules.
    """

    client_specific = False
    """Same as ``Response.client_specific``."""

    def __init__(
        self, text: str = "", rcode: int = Rcode.SERVFAIL, opt: Opt | None = None
    ) -> None:
        super().__init__(text)
        self.text = text
        self.rcode = rcode
        self.opt = opt
        """The OPT of the reply if it differs from the query's (*rewrite*)."""


class FormatError(DnsError):
    """The message cannot be parsed (FORMERR, RFC 1035 4.1.1).

    ``record`` and ``question`` are the contents of the additional and the question
    section of the error reply; either may be empty.
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
    """A message that must not be answered at all."""
