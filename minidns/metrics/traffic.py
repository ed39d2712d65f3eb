"""Counts of queries and responses, with their durations and sizes.

The families are those of CoreDNS. A Row caches all counters and histograms that one
kind of query adds to, so that counting a query needs few lookups.
"""

from bisect import bisect_left
from typing import TypeAlias

from msgspec import Struct

from minidns.dns.model import Query, Response, ReuseCounter, replace
from minidns.dns.rdata import TYPES, rcode_label
from minidns.dns.wire import encode_query, response_size
from minidns.metrics.registry import SIZE_BUCKETS, TIME_BUCKETS, Metrics

DROPPED = "dropped"
"""Value of the label ``zone`` for queries without a matching server block."""

_SHOWN = (
    "A AAAA CNAME DNSKEY DS MX NSEC3 NSEC NS PTR RRSIG SOA SRV TXT HTTPS SVCB"
    " IXFR AXFR ANY"
)
_TYPE_LABELS = {TYPES[name]: name for name in _SHOWN.split()}
"""Types with their own label value; clients must not create arbitrary ones."""


_Kind: TypeAlias = tuple[str, str, str, str, bool, str, str, str, bool]
"""Server, zone, view, protocol, whether IPv6, type, rcode, plugin, whether DO."""


class Row:
    """The counters and histograms for queries of one kind with one outcome."""

    __slots__ = ("_counters", "_histograms")

    def __init__(
        self,
        counters: tuple[list[float], ...],
        histograms: tuple[list[float], list[float], list[float]],
    ) -> None:
        """Count in these cells of counters and histograms."""
        self._counters = counters
        self._histograms = histograms

    def add(
        self, query_bytes: int, response_bytes: int, seconds: float, times: int = 1
    ) -> None:
        """Count ``times`` queries and their responses of these sizes.

        Each of them took ``seconds``.
        """
        for cell in self._counters:
            cell[0] += times
        took, query_sizes, response_sizes = self._histograms
        took[bisect_left(TIME_BUCKETS, seconds)] += times
        took[-1] += seconds * times
        query_sizes[bisect_left(SIZE_BUCKETS, query_bytes)] += times
        query_sizes[-1] += query_bytes * times
        response_sizes[bisect_left(SIZE_BUCKETS, response_bytes)] += times
        response_sizes[-1] += response_bytes * times


class Repetitions(Struct, frozen=True, gc=False):
    """A ReuseCounter that adds repetitions of one answer to a row.

    There is one for each remembered answer, and a Struct takes a fifth of the memory
    of functools.partial.
    """

    row: Row
    query_size: int
    response_size: int

    def __call__(self, times: int, seconds: float) -> None:
        """Count ``times`` repetitions that took ``seconds`` in all."""
        if times:
            self.row.add(self.query_size, self.response_size, seconds / times, times)


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
        """Return the row for such a query with this outcome."""
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
            self._requests.cell((*place, proto, family, qtype)),
            self._responses.cell((*place, rcode, plugin)),
        ]
        if do:
            counters.append(self._do.cell(place))
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
        """Count a query that matched no server block."""
        row = self.row(query, DROPPED, response.rcode, "")
        row.add(query_size(query), response_size(query, response), 0.0)

    def count(
        self, query: Query, response: Response, plugin: str, seconds: float
    ) -> Response:
        """Count a response; return it with a counter for its repetitions."""
        row = self.row(query, query.zone, response.rcode, plugin)
        query_bytes = len(query.wire) or query_size(query)
        response_bytes = response_size(query, response)
        if response.more:
            response_bytes += sum(
                response_size(query, message) for message in response.more
            )
        row.add(query_bytes, response_bytes, seconds)
        if response.reuse is None:
            return response
        return with_counter(response, Repetitions(row, query_bytes, response_bytes))


def with_counter(response: Response, counter: ReuseCounter) -> Response:
    """Return ``response`` with ``counter`` added to the counters of its reuse."""
    reuse = response.reuse
    if reuse is None:
        return response
    reuse = replace(reuse, counters=(*reuse.counters, counter))
    return replace(response, reuse=reuse)


def buffer_size(query: Query) -> int:
    """Return the largest reply that the client accepts, in bytes (RFC 6891 6.2.3)."""
    if query.transport == "tcp":
        return 65535
    return max(512, query.opt.size if query.opt else 0)


def query_size(query: Query) -> int:
    """Return the size of the query in bytes, also of an internal one."""
    return len(query.wire) or len(
        encode_query(query.question, query.id, query.flags, query.opt)
    )
