"""Remembered replies: reply bytes that answer equal query bytes without the chain.

The key of a reply is the channel of the query (transport and address family) and the
bytes of the query without the ID. A query with bytes after its message is answered, but
its reply is not remembered. A reply that depends on anything else about the client must
not be reused: the `Reuse` of a response states whether and how long it may be.

A change of any data that a reply depends on invalidates it before the next query is
read. A reply is remembered when its query arrives for the second time. A negative reply
may also answer queries with another first label (`Reuse.covers_label`).
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from typing import Literal, TypeAlias

from msgspec import Struct

from minidns.dns import message
from minidns.dns.model import CoversLabel, Query, Response, Reuse, ReuseCounter
from minidns.dns.rdata import AAAA, OPT, SOA, A

MAX_ENTRIES = 32768
MAX_BYTES = 24 << 20
_MAX_SEEN = 16384
"""Number of hashes in a set of queries seen once."""
_EVICTED_SHARE = 64
"""A full memory evicts one entry in so many: finding the oldest in a dict is slow."""
SECONDS_PER_REUSE = 10e-6
"""Duration of a reuse in metrics; it is too short to measure."""
OVERHEAD = 720
"""Bytes of an entry beside its query and reply (measured)."""


Channel: TypeAlias = str
"""Transport and address family of a socket: udp4, udp6, tcp4 or tcp6."""
Key: TypeAlias = tuple[Channel, bytes]
"""The key of a reply: the channel, and the bytes of the query without the ID."""
_FamilyKey: TypeAlias = tuple[Channel, bytes, bytes]
"""The key of a reply for many first labels: the bytes before and after the label."""
_EntryKey: TypeAlias = Key | _FamilyKey
_LABEL = 11
"""Offset of the first label's characters in a message without the ID."""


class Miss(Struct, frozen=True):
    """A query without a remembered reply."""

    key: Key
    asked_before: bool
    """True if it was seen before: its reply will be remembered."""
    like_asked_before: bool
    """True if it, or a query that differs in the first label only, was seen before."""
    generation: int
    """The generation of the memory when the query arrived."""
    stored: int
    """The number of replies stored until then."""


class Entry:
    """A remembered reply."""

    __slots__ = (
        "block",
        "count",
        "covers_label",
        "keys",
        "serial",
        "tail",
        "ttl_at",
        "until",
        "when",
    )

    def __init__(
        self, response: Response, reuse: Reuse, reply: bytes, count: "_ReuseCount"
    ) -> None:
        self.tail = reply[2:]
        """The reply without its ID."""
        self.until = reuse.expires_at
        self.keys = reuse.depends_on
        self.covers_label: CoversLabel | None = reuse.covers_label
        self.count = count
        self.when = reuse.ttls_true_at
        """Monotonic seconds at which the TTLs in ``tail`` are true; None for always."""
        self.ttl_at = _ttl_offsets(reply) if self.when is not None else ()
        self.block = _address_block(response, reply) if reuse.rotates else None
        self.serial = _Serial.find(reuse, reply)

    def rotate(self) -> bytes:
        """Return the tail with its addresses rotated by one (*loadbalance*)."""
        tail = self.tail
        if self.block is not None:
            start, size, end = self.block
            first = tail[start : start + size]
            tail = tail[:start] + tail[start + size : end] + first + tail[end:]
            self.tail = tail
        return tail

    def age_ttls(self, now: float) -> None:
        """Count the TTLs down to ``now``, in whole seconds."""
        if self.when is None:
            return
        passed = int(now - self.when)
        if passed <= 0:
            return
        tail = bytearray(self.tail)
        for at in self.ttl_at:
            ttl = int.from_bytes(tail[at : at + 4])
            tail[at : at + 4] = max(0, ttl - passed).to_bytes(4)
        self.tail = bytes(tail)
        self.when += passed

    def refresh_serial(self) -> None:
        """Write the current serial into the SOA if it has changed."""
        if self.serial is not None:
            self.tail = self.serial.refreshed(self.tail)


class _ReuseCount:
    """The number of reuses of all replies that have the same counters."""

    __slots__ = ("counters", "entries", "number")

    def __init__(self, counters: tuple[ReuseCounter, ...]) -> None:
        self.counters = counters
        self.number = 0
        """Reuses since the last report."""
        self.entries = 0

    def report(self) -> None:
        """Add the number to every counter."""
        number, self.number = self.number, 0
        if number:
            for counter in self.counters:
                counter(number, number * SECONDS_PER_REUSE)


class _Serial:
    """The serial of the SOA in a reply's authority section, which may change."""

    __slots__ = ("at", "current", "shown")

    def __init__(self, current: Callable[[], int], at: int, shown: int) -> None:
        self.current = current
        self.at = at
        """Its offset in the tail."""
        self.shown = shown
        """The serial in the tail."""

    @classmethod
    def find(cls, reuse: Reuse, reply: bytes) -> "_Serial | None":
        """Locate the SOA serial in ``reply`` if it must be refreshed on reuse."""
        if reuse.soa_serial is None:
            return None
        answers = int.from_bytes(reply[6:8])
        for number, (rtype, _, _, end) in enumerate(_records(reply)):
            if number >= answers and rtype == SOA:
                # after the names, an SOA has five numbers; the serial is the first
                at = end - 20
                shown = int.from_bytes(reply[at : at + 4])
                return cls(reuse.soa_serial, at - 2, shown)
        return None

    def refreshed(self, tail: bytes) -> bytes:
        """Return ``tail`` with the current serial."""
        serial = self.current()
        if serial == self.shown:
            return tail
        self.shown = serial
        return tail[: self.at] + serial.to_bytes(4) + tail[self.at + 4 :]


def _records(reply: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield type, start, offset of the type field, and end of each record."""
    counts = (int.from_bytes(reply[at : at + 2]) for at in (6, 8, 10))
    end = message.skip_name(reply, 12) + 4
    for _ in range(sum(counts)):
        start, at = end, message.skip_name(reply, end)
        rtype, end = message.skip_record(reply, start)
        yield rtype, start, at, end


def _ttl_offsets(reply: bytes) -> tuple[int, ...]:
    """Return the offsets of the TTLs of ``reply`` in its tail."""
    return tuple(at + 4 - 2 for rtype, _, at, _ in _records(reply) if rtype != OPT)


def _address_block(response: Response, reply: bytes) -> tuple[int, int, int] | None:
    """Return start, record size and end in the tail of the addresses to rotate.

    They are the last RRset of the answer, if all its records have one form. If not (the
    first has its owner in full, the others a pointer), the order stays as it is.
    """
    if not response.answer or response.answer[-1].rtype not in (A, AAAA):
        return None
    *before, last = response.answer
    number = sum(len(rrset.rdata) for rrset in before)
    if int.from_bytes(reply[6:8]) != number + len(last.rdata) or len(last.rdata) < 2:
        return None  # truncated, or there is nothing to rotate
    _, start, at, end = next(islice(_records(reply), number, None))
    size, head = end - start, reply[start : at + message.FIXED.size]
    end = start + size * len(last.rdata)
    if reply[end - size : end - size + len(head)] != head:
        return None
    return start - 2, size, end - 2


class Memory:
    """The remembered replies by the bytes of their queries."""

    def __init__(
        self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self.entries: dict[_EntryKey, Entry] = {}
        # most keys belong to one question, and a set takes 216 bytes
        self._dependents: dict[Hashable, _EntryKey | set[_EntryKey]] = {}
        self._counts: dict[tuple[ReuseCounter, ...], _ReuseCount] = {}
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self.size = 0
        """Bytes of memory that the entries take, about."""
        # hashes, because queries may be long, and a collision does no harm
        self._seen: set[int] = set()
        self._seen_before: set[int] = set()
        self._generation = 0
        """Grows with every invalidation."""
        self._stored = 0
        """Number of replies stored so far."""

    def get(self, key: Key, now: float) -> bytes | None:
        """Return the remembered reply without its ID, None without one."""
        entry = self.entries.get(key)
        if entry is None:
            return self._get_covered(key, now)
        if entry.until <= now:
            self._drop(key)
            return None
        entry.count.number += 1
        if entry.when is not None:
            entry.age_ttls(now)
        if entry.serial is not None:
            entry.refresh_serial()
        return entry.rotate() if entry.block is not None else entry.tail

    def _get_covered(self, key: Key, now: float) -> bytes | None:
        """Return the reply to another first label that covers this one, or None."""
        question, family = key[1], _family(key)
        entry = self.entries.get(family)
        if entry is None or entry.covers_label is None:
            return None
        if entry.until <= now:
            self._drop(family)
            return None
        end = _LABEL + question[_LABEL - 1]
        label = question[_LABEL:end]
        # other characters may have a meaning: an escape, a port, a wildcard
        if not label.replace(b"-", b"0").isalnum():
            return None
        if not entry.covers_label(label.decode("ascii").lower()):
            return None
        entry.count.number += 1
        entry.refresh_serial()
        return entry.tail[:_LABEL] + label + entry.tail[end:]

    def miss(self, key: Key) -> Miss:
        """Note that a query was not remembered; see ``put``."""
        return Miss(
            key,
            self._is_again(hash(key)),
            self._is_again(hash(_family(key))),
            self._generation,
            self._stored,
        )

    def get_since(self, miss: Miss, now: float) -> bytes | None:
        """Return the reply if it was stored after the ``miss``, else None."""
        return None if miss.stored == self._stored else self.get(miss.key, now)

    def put(self, miss: Miss, query: Query, response: Response, reply: bytes) -> None:
        """Remember ``reply`` if it may be reused.

        It may not if anything was invalidated since the ``miss``: a change while the
        chain waited may have made the answer stale.
        """
        reuse = response.reuse
        if reuse is None or self._generation != miss.generation:
            return
        if query.flags & 0x7800 or response.more:
            return
        if reuse.covers_label is not None and query.like_asked_before:
            self._store(_family(miss.key), response, reuse, reply)
        elif query.asked_before:
            self._store(miss.key, response, reuse, reply)

    def _store(
        self, key: _EntryKey, response: Response, reuse: Reuse, reply: bytes
    ) -> None:
        size = _size(key, reply)
        if size > self._max_bytes:
            return
        while (
            len(self.entries) >= self._max_entries or self.size + size > self._max_bytes
        ):
            self._evict()
        self._drop(key)
        count = self._count_of(reuse)
        count.entries += 1
        self._stored += 1
        self.entries[key] = Entry(response, reuse, reply, count)
        self.size += size
        for source in reuse.depends_on:
            known = self._dependents.setdefault(source, key)
            if isinstance(known, set):
                known.add(key)
            elif known != key:
                self._dependents[source] = {known, key}

    def _count_of(self, reuse: Reuse) -> _ReuseCount:
        known = self._counts.get(reuse.counters)
        if known is None:
            known = self._counts[reuse.counters] = _ReuseCount(reuse.counters)
        return known

    def _evict(self) -> None:
        """Drop the oldest replies."""
        number = max(1, len(self.entries) // _EVICTED_SHARE)
        for key in list(islice(self.entries, number)):
            self._drop(key)

    def _is_again(self, query: int) -> bool:
        """Note the hash of a query; return whether it was seen before."""
        if query in self._seen or query in self._seen_before:
            return True
        # two sets in turn, so that old queries are forgotten without a time for each
        if len(self._seen) >= _MAX_SEEN:
            self._seen_before, self._seen = self._seen, set()
        self._seen.add(query)
        return False

    def invalidate(self, keys: Iterable[Hashable]) -> None:
        """Drop every reply that depends on any of ``keys``."""
        # always, because the answer to a query in flight may depend on one of the keys
        self._generation += 1
        stale: set[_EntryKey] = set()
        for source in keys if self._dependents else ():
            known = self._dependents.get(source)
            if known is not None:
                stale.update(known if isinstance(known, set) else (known,))
        for key in stale:
            self._drop(key)

    def clear(self) -> None:
        """Drop every reply."""
        self._generation += 1
        self.report()
        self.entries.clear()
        self._counts.clear()
        self._dependents.clear()
        self.size = 0

    def _drop(self, key: _EntryKey) -> None:
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        entry.count.entries -= 1
        self.size -= _size(key, entry.tail) + 2  # the ID
        for source in entry.keys:
            known = self._dependents.get(source)
            if isinstance(known, set):
                known.discard(key)
            if not known or known == key:
                self._dependents.pop(source, None)

    def report(self) -> None:
        """Add the reuses since the last report to the counters of the replies."""
        for count in self._counts.values():
            count.report()
        self._counts = {
            counters: count for counters, count in self._counts.items() if count.entries
        }


def channel(transport: Literal["udp", "tcp"], *, ipv6: bool) -> Channel:
    """Return the channel of a socket of this transport and address family."""
    return f"{transport}{6 if ipv6 else 4}"


def _family(key: Key) -> _FamilyKey:
    """Return ``key`` without the characters of the first label."""
    through, query = key
    if len(query) < _LABEL:
        return through, query, b""
    return through, query[:_LABEL], query[_LABEL + query[_LABEL - 1] :]


def _size(key: _EntryKey, reply: bytes) -> int:
    """Return the memory that ``reply`` takes under ``key``, in bytes."""
    return sum(map(len, key)) + len(reply) + OVERHEAD
