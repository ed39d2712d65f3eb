import subprocess
import sys

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text

from minidns.core.metrics import SIZE_BUCKETS, TIME_BUCKETS, Metrics
from minidns.net.exposition import Exposition

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.counter("coredns_panics_total", "Panics.")
    requests = made.counter("coredns_dns_requests_total", "Queries.", ("zone", "type"))
    requests.inc((".", "A"), 3)
    made.counter("coredns_never_total", "Never.", ("zone",))
    made.gauge("coredns_build_info", "Build.", ("version",)).set(("x",), 1)
    seconds = made.histogram("coredns_seconds", "Seconds.", (), TIME_BUCKETS)
    seconds.observe((), 0.0003)
    seconds.observe((), 100)
    made.histogram("coredns_bytes", "Bytes.", ("proto",), SIZE_BUCKETS).observe(
        ("udp",), 511
    )
    return made


def numbers(text: str) -> dict[tuple[str, str], float]:
    """Return every number by name and ``le``."""
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in read_text(text)
        for sample in family.samples
    }


def test_text(metrics: Metrics) -> None:
    reply = Exposition(metrics).page("")
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    got = numbers(reply.body.decode())
    assert got["coredns_panics_total", ""] == 0
    assert got["coredns_dns_requests_total", ""] == 3
    assert got["coredns_build_info", ""] == 1
    assert got["coredns_seconds_bucket", "0.00025"] == 0
    assert got["coredns_seconds_bucket", "0.0005"] == 1
    assert got["coredns_seconds_bucket", "8.192"] == 1
    assert got["coredns_seconds_bucket", "+Inf"] == 2
    assert got["coredns_seconds_count", ""] == 2
    assert got["coredns_seconds_sum", ""] == 100.0003
    assert got["coredns_bytes_bucket", "400"] == 0
    assert got["coredns_bytes_bucket", "511"] == 1
    assert got["coredns_bytes_bucket", "64000"] == 1


def test_types_in_text(metrics: Metrics) -> None:
    lines = Exposition(metrics).page("").body.decode().splitlines()
    for line in (
        "# TYPE coredns_panics_total counter",
        "# TYPE coredns_dns_requests_total counter",
        "# TYPE coredns_build_info gauge",
        "# TYPE coredns_seconds histogram",
    ):
        assert line in lines


def test_families_without_a_number_are_left_out(metrics: Metrics) -> None:
    assert b"coredns_never" not in Exposition(metrics).page("").body


@pytest.mark.parametrize("accept", [OPENMETRICS, PROMETHEUS])
def test_openmetrics_by_negotiation(metrics: Metrics, accept: str) -> None:
    reply = Exposition(metrics).page(accept)
    assert reply.content_type.startswith("application/openmetrics-text; version=1.0.0")
    text = reply.body.decode()
    assert text.endswith("# EOF\n")
    read = read_openmetrics(text)  # type: ignore[no-untyped-call]  # typed in part
    families = {each.name: each for each in read}
    assert families["coredns_panics"].type == "counter"
    les = [each.labels.get("le") for each in families["coredns_bytes"].samples]
    assert "511.0" in les


def test_the_form_is_chosen_at_every_scrape(metrics: Metrics) -> None:
    exposition = Exposition(metrics)
    exposition.page(OPENMETRICS)
    assert ("coredns_bytes_bucket", "511") in numbers(
        exposition.page("text/plain").body.decode()
    )


PROCESS = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
    "process_max_fds",
    "process_network_receive_bytes_total",
    "process_network_transmit_bytes_total",
)


@pytest.mark.parametrize("name", PROCESS)
def test_figures_of_the_process(metrics: Metrics, name: str) -> None:
    got = numbers(Exposition(metrics).page("").body.decode())
    assert (name, "") in got


def test_derived_numbers_are_brought_up_to_date(metrics: Metrics) -> None:
    panics = metrics.counter("coredns_panics_total", "")
    metrics.before_scrape.append(panics.inc)
    exposition = Exposition(metrics)
    exposition.page("")
    got = numbers(exposition.page("").body.decode())
    assert got["coredns_panics_total", ""] == 2


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_H07_hostile_label_values(accept: str) -> None:
    metrics = Metrics()
    value = 'a"b\\c\nd{},=\u20ac'
    metrics.counter("coredns_x_total", "X.", ("zone",)).inc((value,))
    text = Exposition(metrics).page(accept).body.decode()
    read = read_openmetrics if accept else read_text
    families = {each.name: each for each in read(text)}
    assert families["coredns_x"].samples[0].labels == {"zone": value}


def test_figures_of_workers_are_added_to_ours(metrics: Metrics) -> None:
    added = ("process_resident_memory_bytes", "process_open_fds")
    own = ("process_start_time_seconds", "process_max_fds")
    exposition = Exposition(metrics)
    before = numbers(exposition.page("").body.decode())
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()  # it is there, with all its memory
        metrics.workers.add(worker.pid)
        during = numbers(exposition.page("").body.decode())
    after = numbers(exposition.page("").body.decode())  # one that is no more
    for name in added:
        assert during[name, ""] > before[name, ""]
        assert after[name, ""] < during[name, ""]
    for name in own:
        assert during[name, ""] == before[name, ""]
    cpu = "process_cpu_seconds_total"
    assert before[cpu, ""] <= during[cpu, ""] <= after[cpu, ""]


def test_gauges_that_only_workers_have(metrics: Metrics) -> None:
    entries = metrics.gauge("coredns_cache_entries", "Entries.", ("type",))
    assert b"coredns_cache_entries" not in Exposition(metrics).page("").body
    entries.elsewhere[1] = {("success",): 2}
    entries.elsewhere[2] = {("success",): 3}
    got = numbers(Exposition(metrics).page("").body.decode())
    assert got["coredns_cache_entries", ""] == 5
