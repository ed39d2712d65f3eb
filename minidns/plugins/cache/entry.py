"""One kept answer, how old it is, and who asked for it; and all of them together."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from minidns.corefile.releases import CacheRules
from minidns.dns.model import AD, CD, Query, Question, Rcode, Response
from minidns.plugins.answer_kind import answers, sections
from minidns.plugins.cache.lru import Bounded
from minidns.plugins.cache.options import Bounds, Options
from minidns.upstream.acceptance import RELAYED_FLAGS, without_hop_by_hop

Kind: TypeAlias = Literal["success", "denial"]
"""As the metrics name them."""

BYTES_PER_ENTRY = 2048
"""Memory for each entry of the capacity; a store of large answers holds fewer.

An entry of one address takes about 800 bytes (measured), and the largest 64 KiB: bound
by number alone, the default capacity could take 640 MB (CVE-2023-2828).
"""
IN = 1
"""The class of the Internet (RFC 1035 3.2.4)."""
_FLAGS = RELAYED_FLAGS & ~AD
_OVERHEAD, _PER_RRSET, _PER_RECORD = 600, 150, 50
"""Bytes of the objects around an answer's own bytes (measured, CPython 3.11)."""


class Key(NamedTuple):
    """What must be equal for an answer to be the same one.

    It is what an upstream can see of a query, but the size of the OPT: replies that
    were cut to it are not stored. Answers with and without signatures differ (DO),
    checked and unchecked ones may (CD, CVE-2024-0874), and so do classes; older
    releases do not tell CD or classes apart.

    unlike CoreDNS: which stores one answer whatever RD and the options are. So a query
    without RD, whose reply is a referral, gives everybody the referral; and the
    addresses for one subnet (RFC 7871) go to all others.
    """

    question: Question
    flags: int
    do: bool
    options: tuple[tuple[int, bytes], ...]


def key_of(query: Query, rules: CacheRules) -> Key:
    """Return what the answer to ``query`` is kept under."""
    question, opt = query.question, query.opt
    if not rules.keyed_by_class and question.qclass != IN:
        question = question._replace(qclass=IN)
    # without AD: newer releases ask for it always, older ones share the answer
    flags = query.flags & (_FLAGS if rules.keyed_by_cd else _FLAGS & ~CD)
    if opt is None:
        return Key(question, flags, False, ())
    return Key(question, flags, opt.do, without_hop_by_hop(opt).options)


@dataclass(slots=True)
class Entry:
    """A kept answer; ``stored`` and all times are monotonic seconds."""

    response: Response
    ttl: int
    stored: float
    hits: int = 0
    last_hit: float = float("-inf")
    refreshing: bool = False
    retry_at: float = float("-inf")
    last_good: "Entry | None" = None
    """The answer this one replaced, if that was one and this is not."""

    def is_answer(self, question: Question) -> bool:
        """Return whether it has the records that ``question`` asks for."""
        return self.response.rcode == Rcode.NOERROR and answers(
            question, self.response.answer
        )

    def age(self, now: float) -> int:
        """Return for how many whole seconds it has been kept."""
        return int(now - self.stored)

    def left(self, now: float) -> int:
        """Return the seconds until it expires; 0 or less when it has."""
        return self.ttl - self.age(now)

    def hit(self, now: float, gap_s: float) -> int:
        """Count a hit; return how many there were without a gap between them."""
        self.hits = 1 if now - self.last_hit > gap_s else self.hits + 1
        self.last_hit = now
        return self.hits

    def begin_refresh(self, now: float) -> bool:
        """Return whether it may be asked for anew now; if so, nobody else may."""
        if self.refreshing or now < self.retry_at:
            return False
        self.refreshing = True
        return True

    def end_refresh(self, now: float, recheck_s: float, *, failed: bool) -> None:
        """Allow the next refresh, ``recheck_s`` later if this one failed."""
        self.refreshing = False
        self.retry_at = now + recheck_s if failed else float("-inf")


def size_of(entry: Entry) -> int:
    """Return about how many bytes of memory ``entry`` takes."""
    size = _OVERHEAD
    for owner, _, _, rdata, _ in sections(entry.response):
        size += _PER_RRSET + len(owner) + _PER_RECORD * len(rdata)
        size += sum(map(len, rdata)) if len(rdata) > 1 else len(rdata[0])
    return size + (size_of(entry.last_good) if entry.last_good else 0)


class Stores:
    """Positive answers and denials, each within its own bounds."""

    def __init__(self, options: Options, rules: CacheRules) -> None:
        self._stale = options.stale
        self._rules = rules
        self._kept: dict[Kind, Bounded[Key, Entry]] = {
            "success": _store(options.success),
            "denial": _store(options.denial),
        }

    def sizes(self) -> tuple[int, int]:
        """Return how many good answers and denials there are, expired ones included."""
        return len(self._kept["success"]), len(self._kept["denial"])

    def find(self, key: Key, now: float) -> tuple[Kind, Entry] | None:
        """Return the entry to answer with, and its kind.

        A denial goes first (CoreDNS); but a failure, which may be over any moment, only
        where there is no answer (since CoreDNS 1.14.4).
        """
        success = self._kept["success"].get(key)
        if self._stale.prefer_positive:
            good = self._usable(_good(key, success), now)
            if good is not None:
                return "success", good
        success = self._usable(success, now)
        denial = self._usable(self._kept["denial"].get(key), now)
        failed = (
            self._rules.answer_before_servfail
            and denial is not None
            and denial.response.rcode == Rcode.SERVFAIL
        )
        if denial is not None and not (failed and success is not None):
            return "denial", denial
        return ("success", success) if success is not None else None

    def _usable(self, entry: Entry | None, now: float) -> Entry | None:
        """Return ``entry`` unless it expired, or has been for too long."""
        if entry is None:
            return None
        left = entry.left(now)
        return entry if left > 0 or -left < self._stale.for_s else None

    def put(self, kind: Kind, key: Key, entry: Entry) -> int:
        """Keep ``entry``; return how many others had to go for it."""
        if kind == "success":
            self._keep_good(key, entry)
        return self._kept[kind].put(key, entry)

    def _keep_good(self, key: Key, entry: Entry) -> None:
        """Let ``entry`` end a denial, but not hide an answer it does not replace."""
        if not self._stale.prefer_positive or entry.is_answer(key.question):
            self._kept["denial"].drop(key)
        else:
            entry.last_good = _good(key, self._kept["success"].get(key))

    def newest(self, key: Key) -> Entry | None:
        """Return what is kept under ``key``, expired or not, a denial first."""
        return self._kept["denial"].get(key) or self._kept["success"].get(key)


def _store(bounds: Bounds) -> Bounded[Key, Entry]:
    most = bounds.entries
    return Bounded(most, most * BYTES_PER_ENTRY, size_of)


def _good(key: Key, entry: Entry | None) -> Entry | None:
    """Return ``entry`` or the one it replaced, whichever answers the question."""
    if entry is None or entry.is_answer(key.question):
        return entry
    return entry.last_good
