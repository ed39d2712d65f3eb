"""Stored answers: their keys, their age, their TTLs, and the bounds of a store.

CoreDNS shows the least TTL of a reply on all its records, within bounds, so that a
reply ages as a whole.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct

from minidns.corefile.releases import CacheRules
from minidns.dns.model import (
    AD,
    CD,
    Query,
    Question,
    Rcode,
    Response,
    RRset,
    replace,
)
from minidns.plugins.answer_kind import Outcome, answers
from minidns.plugins.cache.options import (
    LONGEST_TTL,
    SHORTEST_TTL,
    Bounds,
    CacheOptions,
)
from minidns.upstream.acceptance import RELAYED_FLAGS, without_hop_by_hop

Kind: TypeAlias = Literal["success", "denial"]
"""The label ``type`` of the metrics."""

BYTES_PER_ENTRY = 2048
"""limit: memory per entry of the capacity; a store of large answers holds fewer.

An entry of one address takes about 800 bytes (measured), and the largest 64 KiB. With
a bound on the number alone the default capacity could take 640 MB (CVE-2023-2828).
"""
IN = 1
"""The class of the Internet (RFC 1035 3.2.4)."""
_FLAGS = RELAYED_FLAGS & ~AD
_OVERHEAD, _PER_RRSET, _PER_RECORD = 600, 150, 50
"""Bytes of the objects that hold an answer (measured, CPython 3.11)."""


class Key(Struct, frozen=True):
    """The parts of a query that its answer depends on.

    These are all parts that an upstream sees except the size of the OPT, because
    truncated replies are not stored. Answers with and without signatures differ (DO),
    checked and unchecked ones may (CD, CVE-2024-0874), and so do classes; older
    releases of CoreDNS ignore CD and the class.

    unlike CoreDNS: it stores one answer for all values of RD and of the options. Then a
    query without RD, whose reply is a referral, gives all clients the referral, and the
    addresses for one subnet (RFC 7871) go to all others.
    """

    question: Question
    flags: int
    do: bool
    options: tuple[tuple[int, bytes], ...]


def key_of(query: Query, rules: CacheRules) -> Key:
    """Return the key of the answer to ``query``."""
    question, opt = query.question, query.opt
    if not rules.keyed_by_class and question.qclass != IN:
        question = question._replace(qclass=IN)
    # without AD: newer releases ask for it always, older ones share the answer
    flags = query.flags & (_FLAGS if rules.keyed_by_cd else _FLAGS & ~CD)
    if opt is None:
        return Key(question, flags, False, ())
    return Key(question, flags, opt.do, without_hop_by_hop(opt).options)


class Entry(Struct):
    """A stored answer; ``stored`` and all times are monotonic seconds."""

    response: Response
    ttl: int
    stored: float
    hits: int = 0
    last_hit: float = float("-inf")
    refreshing: bool = False
    retry_at: float = float("-inf")
    last_good: "Entry | None" = None
    """The positive answer that this entry replaced, if this one is not positive."""

    def is_answer(self, question: Question) -> bool:
        """Return whether it has records of the type of ``question``."""
        return self.response.rcode == Rcode.NOERROR and answers(
            question, self.response.answer
        )

    def age(self, now: float) -> int:
        """Return the age of the entry in whole seconds."""
        return int(now - self.stored)

    def left(self, now: float) -> int:
        """Return the seconds until the entry expires; 0 or less after that."""
        return self.ttl - self.age(now)

    def hit(self, now: float, gap_s: float) -> int:
        """Count a hit; return the number of hits without a longer gap between them."""
        self.hits = 1 if now - self.last_hit > gap_s else self.hits + 1
        self.last_hit = now
        return self.hits

    def begin_refresh(self, now: float) -> bool:
        """Return whether a refresh may start now; if so, it has started."""
        if self.refreshing or now < self.retry_at:
            return False
        self.refreshing = True
        return True

    def end_refresh(self, now: float, recheck_s: float, *, failed: bool) -> None:
        """Allow the next refresh, ``recheck_s`` later if this one failed."""
        self.refreshing = False
        self.retry_at = now + recheck_s if failed else float("-inf")


def size_of(entry: Entry) -> int:
    """Return the approximate memory that ``entry`` takes, in bytes."""
    size = _OVERHEAD
    for owner, _, _, rdata, _ in entry.response.rrsets:
        size += _PER_RRSET + len(owner) + _PER_RECORD * len(rdata)
        size += sum(map(len, rdata)) if len(rdata) > 1 else len(rdata[0])
    return size if entry.last_good is None else size + size_of(entry.last_good)


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Up to ``max_entries`` values of ``max_bytes`` together; evicts the oldest first.

    Storing a value under a key that exists makes it the newest; reading does not.
    """

    def __init__(
        self, max_entries: int, max_bytes: int, size_of: Callable[[V], int]
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.bytes = 0
        """The sum of ``size_of`` over the values."""

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """Return the value stored under ``key``, None without one."""
        stored = self._values.get(key)
        return stored[0] if stored else None

    def put(self, key: K, value: V) -> int:
        """Store ``value`` under ``key``; return how many others were evicted.

        A value larger than ``max_bytes`` is not stored.
        """
        self.drop(key)
        size = self._size_of(value)
        if size > self._max_bytes:
            return 0
        evicted = 0
        while (
            len(self._values) >= self._max_entries
            or self.bytes + size > self._max_bytes
        ):
            _, (_, freed) = self._values.popitem(last=False)
            self.bytes -= freed
            evicted += 1
        self._values[key] = value, size
        self.bytes += size
        return evicted

    def drop(self, key: K) -> None:
        """Remove the value stored under ``key``, if any."""
        if (stored := self._values.pop(key, None)) is not None:
            self.bytes -= stored[1]


class Stores:
    """Positive answers and denials, each within its own bounds."""

    def __init__(self, options: CacheOptions, rules: CacheRules) -> None:
        self._stale = options.stale
        self._rules = rules
        self._positive = _store(options.success)
        self._denials = _store(options.denial)

    def sizes(self) -> tuple[int, int]:
        """Return the numbers of positive answers and denials, with expired ones."""
        return len(self._positive), len(self._denials)

    def find(self, key: Key, now: float) -> tuple[Kind, Entry] | None:
        """Return the entry to answer with, and its kind; None is a cache miss.

        A denial goes first (CoreDNS); a failure, which may be over at any moment, only
        if there is no positive answer (since CoreDNS 1.14.4).
        """
        success, denial = self._positive.get(key), self._denials.get(key)
        if success is None and denial is None:
            return None
        if self._stale.prefer_positive:
            good = self._usable(_good(key, success), now)
            if good is not None:
                return "success", good
        success, denial = self._usable(success, now), self._usable(denial, now)
        failed = (
            self._rules.answer_before_servfail
            and denial is not None
            and denial.response.rcode == Rcode.SERVFAIL
        )
        if denial is not None and not (failed and success is not None):
            return "denial", denial
        return ("success", success) if success is not None else None

    def _usable(self, entry: Entry | None, now: float) -> Entry | None:
        """Return ``entry`` unless it expired, or is too old to be served stale."""
        if entry is None:
            return None
        left = entry.left(now)
        return entry if left > 0 or -left < self._stale.for_s else None

    def put(self, kind: Kind, key: Key, entry: Entry) -> int:
        """Store ``entry``; return how many others were evicted."""
        if kind == "denial":
            return self._denials.put(key, entry)
        # it removes a denial, but does not hide a positive answer
        if not self._stale.prefer_positive or entry.is_answer(key.question):
            self._denials.drop(key)
        else:
            entry.last_good = _good(key, self._positive.get(key))
        return self._positive.put(key, entry)

    def newest(self, key: Key) -> Entry | None:
        """Return the entry under ``key``, expired or not, a denial first."""
        return self._denials.get(key) or self._positive.get(key)


def _store(bounds: Bounds) -> Bounded[Key, Entry]:
    entries = bounds.entries
    return Bounded(entries, entries * BYTES_PER_ENTRY, size_of)


def _good(key: Key, entry: Entry | None) -> Entry | None:
    """Return ``entry``, or the one it replaced, if it answers the question."""
    if entry is None or entry.is_answer(key.question):
        return entry
    return entry.last_good


# -- TTLs

_OWN_TTL = frozenset(
    (Outcome.POSITIVE, Outcome.UNRESOLVED, Outcome.NXDOMAIN, Outcome.NODATA)
)


def ttl_of(response: Response, outcome: Outcome, longest: int = LONGEST_TTL) -> int:
    """Return the TTL of ``response`` as a whole, at most ``longest`` seconds.

    It is the least TTL of all records (an SOA's own, not its MINIMUM). Replies that say
    nothing about a name, and those without records, have the shortest one.
    """
    if outcome not in _OWN_TTL:
        return SHORTEST_TTL
    ttls = [ttl for _, _, ttl, _, _ in response.rrsets]
    return min(*ttls, longest) if ttls else SHORTEST_TTL


def clamp_ttl(ttl: int, shortest: int, longest: int) -> int:
    """Return ``ttl`` within its bounds; the upper one wins."""
    return min(max(ttl, shortest), longest)


def with_ttl(response: Response, ttl: int) -> Response:
    """Return ``response`` with ``ttl`` on every record, and without an OPT."""
    if response.opt is None:
        for rrset in response.rrsets:
            if rrset.ttl != ttl:
                break
        else:
            return response
    return replace(
        response,
        answer=_with_ttl(response.answer, ttl),
        authority=_with_ttl(response.authority, ttl),
        additional=_with_ttl(response.additional, ttl),
        opt=None,
    )


def _with_ttl(rrsets: tuple[RRset, ...], ttl: int) -> tuple[RRset, ...]:
    return tuple(
        [
            RRset(owner, rtype, ttl, rdata, rclass)
            for owner, rtype, _, rdata, rclass in rrsets
        ]
    )
