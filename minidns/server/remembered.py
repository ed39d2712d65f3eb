"""Remembered replies: reply bytes that answer equal query bytes without the chain.

The key is the channel of the query (transport and address family) and the query's bytes
without the ID. A query with bytes after its message is answered, and not remembered. An
answer that depends on anything else about the client may not be reused.

A change of anything that a reply depends on invalidates it before the next query is
read. A reply is remembered when its query comes for the second time.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Literal, NamedTuple, TypeAlias

from minidns.dns import message, names
from minidns.dns.model import CoversLabel, Query, Response, Reuse, ReuseCounter
from minidns.dns.rdata import AAAA, SOA, A

MAX_ENTRIES = 32768
MAX_BYTES = 24 << 20
_SEEN = 16384
SECONDS_PER_REUSE = 10e-6
"""The duration that metrics count for a reuse: it is too short to measure."""
OVERHEAD = 720
"""Bytes of memory of an entry beside its query and reply (measured)."""


Channel: TypeAlias = str
"""Transport and address family of a socket: udp4, udp6, tcp4 or tcp6."""
Key: TypeAlias = tuple[Channel, bytes]
"""The key of a reply: the channel, and the bytes of the query without the ID."""
_FamilyKey: TypeAlias = tuple[Channel, bytes, bytes]
"""The key of a reply that holds for many first labels: the bytes before and after the
label's letters."""
_EntryKey: TypeAlias = Key | _FamilyKey
_LABEL = 11
"""Where the first label's letters begin, counted without the id."""


class Miss(NamedTuple):
    """A query that was not remembered when it came."""

    key: Key
    asked_before: bool
    """Whether it was seen before: a reply is remembered from the second time on."""
    like_asked_before: bool
    """Whether it, or one that differs in its first label only, was seen before."""
    age: int
    """What the memory's age was."""


class Entry:
    """One remembered reply."""

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
        self,
        query: Query,
        response: Response,
        reuse: Reuse,
        reply: bytes,
        count: "_ReuseCount",
    ) -> None:
        self.tail = reply[2:]
        """The reply without its ID."""
        self.until = reuse.expires_at
        self.keys = reuse.depends_on
        self.covers_label: CoversLabel | None = reuse.covers_label
        self.count = count
        self.when = reuse.ttls_true_at
        self.ttl_at = _ttls(reply) if reuse.ttls_true_at is not None else ()
        self.block = _addresses(query, response, reply) if reuse.rotates else None
        self.serial = _Serial.of(reuse, reply)

    def rotate(self) -> bytes:
        """Return the tail with its addresses rotated by one (*loadbalance*)."""
        tail = self.tail
        if self.block is not None:
            start, size, end = self.block
            tail = b"".join(
                (
                    tail[:start],
                    tail[start + size : end],
                    tail[start : start + size],
                    tail[end:],
                )
            )
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
        """Write the current serial into the SOA, if it is another one."""
        if self.serial is not None and (news := self.serial.changed()) is not None:
            at, tail = self.serial.at, self.tail
            self.tail = tail[:at] + news + tail[at + 4 :]


class _ReuseCount:
    """The number of reuses of all replies that have the same counters."""

    __slots__ = ("entries", "number", "tallies")

    def __init__(self, tallies: tuple[ReuseCounter, ...]) -> None:
        self.tallies = tallies
        self.number = 0
        """Since the last report."""
        self.entries = 0

    def tell(self) -> None:
        """Report the number to every counter."""
        number, self.number = self.number, 0
        if number:
            for tally in self.tallies:
                tally(number, number * SECONDS_PER_REUSE)


class _Serial:
    """The serial in a reply's authority section, which moves on with any change."""

    __slots__ = ("at", "now", "shown")

    def __init__(self, now: Callable[[], int], at: int, shown: int) -> None:
        self.now = now
        self.at = at
        """Where it stands in the tail."""
        self.shown = shown

    @classmethod
    def of(cls, reuse: Reuse, reply: bytes) -> "_Serial | None":
        """Locate the SOA serial in ``reply`` if it must be refreshed on reuse."""
        if reuse.soa_serial is None:
            return None
        answers, authority = (int.from_bytes(reply[at : at + 2]) for at in (6, 8))
        at = message.skip_name(reply, 12) + 4
        for number in range(answers + authority):
            rtype, at = message.skip_record(reply, at)
            if number >= answers and rtype == SOA:
                shown = int.from_bytes(reply[at - 20 : at - 16])
                return cls(reuse.soa_serial, at - 20 - 2, shown)  # less the id
        return None

    def changed(self) -> bytes | None:
        """Return the bytes of the current serial if it has changed."""
        serial = self.now()
        if serial == self.shown:
            return None
        self.shown = serial
        return serial.to_bytes(4)


def _ttls(reply: bytes) -> tuple[int, ...]:
    """Return where the TTLs of ``reply`` stand, counted in the tail."""
    counts = [int.from_bytes(reply[at : at + 2]) for at in (6, 8, 10)]
    at = message.skip_name(reply, 12) + 4
    found = []
    for _ in range(sum(counts)):
        rtype, end = message.skip_record(reply, at)
        if rtype != 41:
            found.append(message.skip_name(reply, at) + 4 - 2)
        at = end
    return tuple(found)


def _addresses(
    query: Query, response: Response, reply: bytes
) -> tuple[int, int, int] | None:
    """Return start, record size and end in the tail of the addresses to turn.

    They are the last RRset of the answer, where several addresses are; elsewhere (a
    compressed reply, addresses of several names) the order is left as it is.
    """
    if not response.answer or response.answer[-1].rtype not in (A, AAAA):
        return None
    *before, last = response.answer
    if len(last.rdata) < 2:
        return None
    qname = query.question.qname
    start = 12 + len(names.to_wire(qname)) + 4
    for rrset in before:
        head = len(names.to_wire(rrset.owner)) + 10
        start += sum(head + len(data) for data in rrset.rdata)
    size = len(names.to_wire(last.owner)) + 10 + len(last.rdata[0])
    end = start + size * len(last.rdata)
    if (
        end > len(reply)
        or reply[start + size - len(last.rdata[0]) : start + size] != last.rdata[0]
    ):
        return None
    return start - 2, size, end - 2


class Memory:
    """Remembered replies by the bytes of their queries, less the id."""

    def __init__(
        self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self.entries: dict[_EntryKey, Entry] = {}
        # most keys are those of one question, and a set takes 216 bytes
        self._dependents: dict[Hashable, _EntryKey | set[_EntryKey]] = {}
        self._counts: dict[tuple[ReuseCounter, ...], _ReuseCount] = {}
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self.size = 0
        """Bytes of memory that the entries take, about."""
        # hashes: a stranger's bytes may be long, and a wrong match does no harm
        self._seen: set[int] = set()
        self._seen_before: set[int] = set()
        self._age = 0
        """Grows whenever something is forgotten."""

    def get(self, key: Key, now: float) -> bytes | None:
        """Return the remembered reply without its id; None when there is none."""
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
        """Return the reply to a name beside it that covers this label, or None."""
        question, family = key[1], _family(key)
        entry = self.entries.get(family)
        if entry is None or entry.covers_label is None:
            return None
        if entry.until <= now:
            self._drop(family)
            return None
        end = _LABEL + question[_LABEL - 1]
        label = question[_LABEL:end]
        # other letters may stand for something else: an escape, a port, a wildcard
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
            self._age,
        )

    def put(self, miss: Miss, query: Query, response: Response, reply: bytes) -> None:
        """Remember ``reply`` if it may be reused.

        It may not if something was forgotten since the ``miss``: the change that came
        while the chain waited may have made the answer stale.
        """
        reuse = response.reuse
        if reuse is None or self._age != miss.age:
            return
        if query.flags & 0x7800 or response.more:
            return
        if reuse.covers_label is not None and query.like_asked_before:
            self._store(_family(miss.key), query, response, reuse, reply)
        elif query.asked_before:
            self._store(miss.key, query, response, reuse, reply)

    def _store(
        self,
        key: _EntryKey,
        query: Query,
        response: Response,
        reuse: Reuse,
        reply: bytes,
    ) -> None:
        size = _size(key, reply)
        while self.entries and (
            len(self.entries) >= self._max_entries or self.size + size > self._max_bytes
        ):
            self._drop(next(iter(self.entries)))  # the oldest
        if size > self._max_bytes:
            return
        self._drop(key)
        count = self._count_of(reuse)
        count.entries += 1
        self.entries[key] = Entry(query, response, reuse, reply, count)
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

    def _is_again(self, asked: int) -> bool:
        if asked in self._seen or asked in self._seen_before:
            return True
        if len(self._seen) >= _SEEN:
            self._seen_before, self._seen = self._seen, set()
        self._seen.add(asked)
        return False

    def forget(self, keys: Iterable[Hashable]) -> None:
        """Drop every reply that depends on any of ``keys``."""
        self._age += 1
        asked = self._dependents
        if asked:
            stale: set[_EntryKey] = set()
            for source in keys:
                if (known := asked.get(source)) is not None:
                    stale.update(known if isinstance(known, set) else (known,))
            for key in stale:
                self._drop(key)

    def clear(self) -> None:
        """Drop every reply."""
        self._age += 1
        self.tell()
        self.entries.clear()
        self._counts.clear()
        self._dependents.clear()
        self.size = 0

    def _drop(self, key: _EntryKey) -> None:
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        entry.count.entries -= 1
        self.size -= _size(key, entry.tail) + 2  # the id
        for source in entry.keys:
            known = self._dependents.get(source)
            if isinstance(known, set):
                known.discard(key)
            if not known or known == key:
                self._dependents.pop(source, None)

    def tell(self) -> None:
        """Tell every tally of the count since the last time."""
        for count in self._counts.values():
            count.tell()
        self._counts = {
            tallies: count for tallies, count in self._counts.items() if count.entries
        }


def channel(transport: Literal["udp", "tcp"], *, ipv6: bool) -> Channel:
    """Return the channel of a socket."""
    return f"{transport}{6 if ipv6 else 4}"


def _family(key: Key) -> _FamilyKey:
    """Return ``key`` without the letters of the first label."""
    through, question = key
    if len(question) < _LABEL:
        return through, question, b""
    return through, question[:_LABEL], question[_LABEL + question[_LABEL - 1] :]


def _size(key: _EntryKey, reply: bytes) -> int:
    """Return the bytes that ``reply`` takes under ``key``."""
    return sum(map(len, key)) + len(reply) + OVERHEAD
