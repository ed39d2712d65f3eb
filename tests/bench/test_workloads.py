"""The workloads: queries that any resolver reads, and what is right to answer."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest

from bench import cluster, upstream, workloads
from bench.workloads import COUNTER, MIX, WORKLOADS, Ask, Workload
from tests.table import table

SERVICES = 50


def read(ask: Ask) -> dns.message.Message:
    return dns.message.from_wire(b"\0\1" + ask.wire)


@pytest.mark.slow
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_every_query_is_one_that_a_stub_resolver_sends(workload: Workload) -> None:
    for ask in set(workload.make(SERVICES)):
        query = read(ask)
        assert query.flags == dns.flags.RD
        assert len(query.question) == 1
        assert (query.edns, query.payload) == (0, 1232)
        assert not query.answer
        assert not query.authority
        assert not ask.answers or ask.rcode == dns.rcode.NOERROR


@pytest.mark.slow
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_a_file_holds_them_all(workload: Workload, tmp_path: Path) -> None:
    asks = list(workload.make(SERVICES))
    workloads.write(asks, tmp_path / "queries")
    at, read_back = workloads.read(tmp_path / "queries")
    assert read_back == asks
    counted = len(asks) == 1
    assert counted == (at > 0)
    if counted:
        assert asks[0].wire[at : at + len(COUNTER)] == COUNTER.encode()


@table(
    ("make", "types"),
    [
        (workloads.external_new, ["A"]),
        (workloads.external_aliases, ["CNAME", "A"]),
        (workloads.external_denied, []),
        (workloads.external_nodata, []),
    ],
)
def test_the_upstream_answers_as_expected(make: Callable[[int], list[Ask]], types: list[str]) -> None:
    (ask,) = make(SERVICES)
    answer = dns.message.from_wire(upstream.reply(b"\0\1" + ask.wire))
    assert read(ask).is_response(answer)
    assert answer.rcode() == ask.rcode
    assert [dns.rdatatype.to_text(rrset.rdtype) for rrset in answer.answer] == types


@pytest.mark.slow
def test_the_mix_has_its_shares() -> None:
    assert sum(share for share, _, _ in MIX) == 100
    counts = Counter(workloads.mix(SERVICES))
    share = {
        rtype: sum(count for ask, count in counts.items() if read(ask).question[0].rdtype == rtype) / counts.total()
        for rtype in (dns.rdatatype.SRV, dns.rdatatype.PTR)
    }
    assert share == pytest.approx({dns.rdatatype.SRV: 0.05, dns.rdatatype.PTR: 0.05}, abs=0.01)


@pytest.mark.slow
def test_reverse_names_are_those_of_addresses_that_services_have() -> None:
    objects = cluster.objects(SERVICES, 0)
    services = [obj["spec"] for obj in objects if obj["kind"] == "Service"]
    addresses = {spec["clusterIP"] for spec in services if "clusterIP" in spec} - {"None"}
    queried = {
        query.question[0].name.to_text()
        for query in map(read, set(workloads.mix(SERVICES)))
        if query.question[0].rdtype == dns.rdatatype.PTR
    }
    known = {dns.reversename.from_address(address).to_text() for address in addresses}
    assert queried
    assert queried <= known
