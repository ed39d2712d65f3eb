from dataclasses import dataclass, field

import pytest

from minidns.dns import wire
from minidns.dns.model import Opt, Query, Question, Rcode, Response, Reuse, RRset, replace
from minidns.dns.rdata import AAAA, ANY, HINFO, HTTPS, IXFR, A, a
from minidns.metrics.registry import Metrics
from minidns.metrics.traffic import Traffic, query_size, with_counter
from tests.table import table

QUERY = Query(Question("a.example.org.", A), wire=bytes(31))
ANSWER = Response(answer=(RRset("a.example.org.", A, 30, (a("192.0.2.1"),)),))
PLACE = {"server": "dns://:53", "zone": ".", "view": ""}


@dataclass
class Counted:
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.metrics)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.value(name, PLACE | labels)


KINDS = {
    # id: query, labels of coredns_dns_requests_total
    "udp-ipv4-A": (QUERY, ("udp", "1", "A")),
    "tcp": (replace(QUERY, transport="tcp"), ("tcp", "1", "A")),
    "ipv6": (replace(QUERY, peer=("2001:db8::1", 5)), ("udp", "2", "A")),
    **{
        f"type-{label}": (replace(QUERY, question=Question("a.example.org.", rtype)), ("udp", "1", label))
        for rtype, label in {
            AAAA: "AAAA",
            HTTPS: "HTTPS",
            IXFR: "IXFR",
            ANY: "ANY",
            HINFO: "other",  # not among CoreDNS's monitored types
            65280: "other",
        }.items()
    },
}


@table(("query", "labels"), KINDS.values(), ids=KINDS)
def test_request_labels(query: Query, labels: tuple[str, str, str]) -> None:
    counted = Counted()
    counted.traffic.count(query, ANSWER, "errors", 0.001)
    proto, family, qtype = labels
    name = "coredns_dns_requests_total"
    assert counted.value(name, proto=proto, family=family, type=qtype) == 1
    sizes = "coredns_dns_request_size_bytes"
    assert counted.value(sizes, proto=proto) == 1


RCODES = {Rcode.NOERROR: "NOERROR", Rcode.NXDOMAIN: "NXDOMAIN", Rcode.SERVFAIL: "SERVFAIL", 42: "other"}


@table(("rcode", "label"), RCODES.items(), ids=RCODES.values())
def test_response_labels(rcode: int, label: str) -> None:
    counted = Counted()
    counted.traffic.count(QUERY, Response(rcode), "errors", 0)
    name = "coredns_dns_responses_total"
    assert counted.value(name, rcode=label, plugin="errors") == 1


@table(("opt", "count"), [(None, 0), (Opt(1232), 0), (Opt(1232, do=True), 1)])
def test_do_bit(opt: Opt | None, count: int) -> None:
    counted = Counted()
    counted.traffic.count(replace(QUERY, opt=opt), ANSWER, "errors", 0)
    assert counted.value("coredns_dns_do_requests_total") == count


def test_histograms() -> None:
    counted = Counted()
    counted.traffic.count(QUERY, ANSWER, "errors", 0.003)
    place = tuple(PLACE.values())
    families = {family.name: family for family in counted.metrics.families()}
    took = families["coredns_dns_request_duration_seconds"].values[place]
    assert isinstance(took, list)
    assert took.index(1) == 4, "3 ms are in the bucket up to 4 ms"
    assert took[-1] == 0.003
    response_sizes = families["coredns_dns_response_size_bytes"].values[(*place, "udp")]
    assert isinstance(response_sizes, list)
    assert response_sizes[-1] == wire.response_size(QUERY, ANSWER)
    query_sizes = families["coredns_dns_request_size_bytes"].values[(*place, "udp")]
    assert isinstance(query_sizes, list)
    assert query_sizes[-1] == 31


def test_transfers_count_all_their_messages() -> None:
    counted = Counted()
    more = replace(ANSWER, more=(ANSWER, ANSWER))
    counted.traffic.count(QUERY, more, "errors", 0)
    families = {family.name: family for family in counted.metrics.families()}
    response_sizes = families["coredns_dns_response_size_bytes"]
    (cells,) = response_sizes.values.values()
    assert isinstance(cells, list)
    assert cells[-1] == 3 * wire.response_size(QUERY, ANSWER)


def test_silence_has_no_size_and_no_plugin() -> None:
    counted = Counted()
    counted.traffic.count_silence(QUERY, Rcode.SERVFAIL, 0.001)
    name = "coredns_dns_responses_total"
    assert counted.value(name, rcode="SERVFAIL", plugin="") == 1
    assert counted.value("coredns_dns_response_size_bytes", proto="udp") == 1


def test_dropped_queries_have_their_own_zone() -> None:
    counted = Counted()
    counted.traffic.count_dropped(QUERY, Response(Rcode.REFUSED))
    name = "coredns_dns_responses_total"
    assert counted.value(name, zone="dropped", rcode="REFUSED", plugin="") == 1
    assert counted.value(name, rcode="REFUSED", plugin="") == 0


def test_repetitions_count_as_queries() -> None:
    counted = Counted()
    reported: list[tuple[int, float]] = []
    before = Reuse(depends_on=("x",), counters=(lambda n, seconds: reported.append((n, seconds)),))
    response = replace(ANSWER, reuse=before)
    reuse = counted.traffic.count(QUERY, response, "errors", 0.001).reuse
    assert reuse is not None
    assert reuse.depends_on == ("x",)
    for tally in reuse.counters:
        tally(10, 0.001)
        tally(0, 0.0)
    assert reported == [(10, 0.001), (0, 0.0)]
    name = "coredns_dns_requests_total"
    assert counted.value(name, proto="udp", family="1", type="A") == 11
    assert counted.value("coredns_dns_request_duration_seconds") == 11
    name = "coredns_dns_responses_total"
    assert counted.value(name, rcode="NOERROR", plugin="errors") == 11


def test_without_reuse_nothing_is_counted() -> None:
    assert with_counter(ANSWER, lambda n, seconds: None) is ANSWER
    assert Counted().traffic.count(QUERY, ANSWER, "errors", 0) is ANSWER


def test_types_and_names_do_not_create_series() -> None:
    counted = Counted()
    for number in range(1000):
        question = Question(f"{number}.example.org.", 1000 + number)
        counted.traffic.count(replace(QUERY, question=question), ANSWER, "e", 0)
    for family in counted.metrics.families():
        assert len(family.values) <= 1


def test_size_of_an_internal_query() -> None:
    query = Query(Question("a.example.org.", A), opt=Opt(1232))
    assert query_size(query) == 12 + 15 + 4 + 11


@pytest.mark.parametrize("number", [QUERY.question.qtype, "any"], ids=["rcodes", "all"])
def test_values_from_the_network_create_few_series(number: int | str) -> None:
    """Upstreams can send 4,096 codes and clients 65,536 types."""
    counted = Counted()
    for rcode in range(4096):
        qtype = rcode * 16 + 3 if number == "any" else number
        query = replace(QUERY, question=Question("a.example.org.", int(qtype)))
        counted.traffic.count(query, Response(rcode), "forward", 0.001)
    series = sum(len(family.values) for family in counted.metrics.families())
    assert series < 60
    assert len(counted.traffic._rows) < 500
