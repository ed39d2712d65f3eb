"""How many queries there were, how long they took and what became of them.

The families that CoreDNS counts requests and responses in, and the cheap way to count:
a Row holds everything that one kind of query adds to, found once and kept.
"""

from bisect import bisect_left
from typing import TypeAlias

from msgspec import Struct

from minidns.dns.model import Query, Response, ReuseCounter, replace
from minidns.dns.rdata import TYPES, rcode_label
from minidns.dns.wire import encode_query, response_size
from minidns.metrics.registry import SIZE_BUCKETS, TIME_BUCKETS, Labels, Metrics

DROPPED = "dropped"
"""The zone of queries that no server block took."""

_SHOWN = (
    "A AAAA CNAME DNSKEY DS MX NSEC3 NSEC NS PTR RRSIG SOA SRV TXT HTTPS SVCB"
    " IXFR AXFR ANY"
)
_TYPE_LABELS = {TYPES[name]: name for name in _SHOWN.split()}
"""Types with a label of their own; a stranger must not make labels at will."""


_Kind: TypeAlias = tuple[str, str, str, str, bool, str, str, str, bool]
"""Server, zone, view, protocol, whether IPv6, type, rcode, plugin, whether DO."""


class Row:
    """What all queries of one kind with one outcome add to."""

    __slots__ = ("_counters", "_histograms")

    def __init__(
        self,
        counters: tuple[tuple[dict[Labels, float], Labels], ...],
        histograms: tuple[list[float], list[float], list[float]],
    ) -> None:
        self._counters = counters
        self._histograms = histograms

    def add(self, asked: int, said: int, seconds: float, times: int = 1) -> None:
        """Count ``times`` queries of ``asked`` bytes, answered with ``said`` bytes.

        Each of them took ``seconds``.
        """
        for values, labels in self._counters:
            values[labels] = values.get(labels, 0) + times
        took, query_sizes, response_sizes = self._histograms
        took[bisect_left(TIME_BUCKETS, seconds)] += times
        took[-1] += seconds * times
        query_sizes[bisect_left(SIZE_BUCKETS, asked)] += times
        query_sizes[-1] += asked * times
        response_sizes[bisect_left(SIZE_BUCKETS, said)] += times
        response_sizes[-1] += said * times


class Repetitions(Struct, frozen=True, gc=False):
    """A tally of a Reuse: what repetitions of one answer add to a row.

    There is one for each remembered answer: as bound arguments it takes a fifth of the
    memory of functools.partial.
    """

    row: Row
    asked: int
    said: int

    def __call__(self, times: int, seconds: float) -> None:
        """Count ``times`` repetitions that took ``seconds`` in all."""
        if times:
            self.row.add(self.asked, self.said, seconds / times, times)


class Traffic:
    """The families of requests and responses."""

    def __init__(self, metrics: Metrics) -> None:
        place = ("server", "zone", "view")
        self._requests = metrics.counter(
            "coredns_dns_requests_total",
            "DNS queries by zone, protocol and address family.",
            (*place, "proto", "family", "type"),
        )
        self._do = metrics.counter(
            "coredns_dns_do_requests_total", "DNS queries with the DO bit.", place
        )
        self._responses = metrics.counter(
            "coredns_dns_responses_total",
            "DNS responses by rcode.",
            (*place, "rcode", "plugin"),
        )
        self._seconds = metrics.histogram(
            "coredns_dns_request_duration_seconds",
            "Seconds it took to answer a query.",
            place,
            TIME_BUCKETS,
        )
        self._query_sizes = metrics.histogram(
            "coredns_dns_request_size_bytes",
            "Bytes of the queries.",
            (*place, "proto"),
            SIZE_BUCKETS,
        )
        self._response_sizes = metrics.histogram(
            "coredns_dns_response_size_bytes",
            "Bytes of the responses before compression.",
            (*place, "proto"),
            SIZE_BUCKETS,
        )
        self._rows: dict[_Kind, Row] = {}

    def row(self, query: Query, zone: str, rcode: int, plugin: str) -> Row:
        """Return where such a query with this outcome is counted."""
        opt = query.opt
        key = (
            query.server,
            zone,
            query.view,
            query.transport,
            ":" in query.peer[0],
            _TYPE_LABELS.get(query.question.qtype, "other"),
            rcode_label(rcode),
            plugin,
            opt is not None and opt.do,
        )
        return self._rows.get(key) or self._new_row(key)

    def _new_row(self, key: _Kind) -> Row:
        server, zone, view, proto, ipv6, qtype, rcode, plugin, do = key
        place = (server, zone, view)
        family = "2" if ipv6 else "1"
        counters = [
            (self._requests.values, (*place, proto, family, qtype)),
            (self._responses.values, (*place, rcode, plugin)),
        ]
        if do:
            counters.append((self._do.values, place))
        row = Row(
            tuple(counters),
            (
                self._seconds.cells(place),
                self._query_sizes.cells((*place, proto)),
                self._response_sizes.cells((*place, proto)),
            ),
        )
        self._rows[key] = row
        return row

    def count_silence(self, query: Query, rcode: int, seconds: float) -> None:
        """Count a query for which no plugin wrote a response."""
        row = self.row(query, query.zone, rcode, "")
        row.add(query_size(query), 0, seconds)

    def count_dropped(self, query: Query, response: Response) -> None:
        """Count a query that no server block took."""
        row = self.row(query, DROPPED, response.rcode, "")
        row.add(query_size(query), response_size(query, response), 0.0)

    def count(
        self, query: Query, response: Response, plugin: str, seconds: float
    ) -> Response:
        """Count a response; return it such that its repetitions count too."""
        row = self.row(query, query.zone, response.rcode, plugin)
        asked = query_size(query)
        said = response_size(query, response)
        if response.more:
            said += sum(response_size(query, each) for each in response.more)
        row.add(asked, said, seconds)
        if response.reuse is None:
            return response
        return tallied(response, Repetitions(row, asked, said))


def tallied(response: Response, tally: ReuseCounter) -> Response:
    """Return ``response`` such that ``tally`` is told of its repetitions, if any."""
    reuse = response.reuse
    if reuse is None:
        return response
    reuse = replace(reuse, counters=(*reuse.counters, tally))
    return replace(response, reuse=reuse)


def query_size(query: Query) -> int:
    """Return the bytes of the query, also of one the server asks itself."""
    return len(query.wire) or len(
        encode_query(query.question, query.id, query.flags, query.opt)
    )
