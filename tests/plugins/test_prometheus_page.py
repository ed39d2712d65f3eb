import asyncio
import subprocess
import sys
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from minidns.metrics.registry import SIZE_BUCKETS, TIME_BUCKETS, Metrics
from minidns.plugins.prometheus.exposition import _SLICE, Exposition

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


@pytest.fixture
def metrics() -> Metrics:
    tested = Metrics()
    tested.counter("coredns_panics_total", "Panics.")
    requests = tested.counter("coredns_dns_requests_total", "Queries.", ("zone", "type"))
    requests.inc((".", "A"), 3)
    tested.counter("coredns_never_total", "Never.", ("zone",))
    tested.gauge("coredns_build_info", "Build.", ("version",)).set(("x",), 1)
    seconds = tested.histogram("coredns_seconds", "Seconds.", (), TIME_BUCKETS)
    seconds.observe((), 0.0003)
    seconds.observe((), 100)
    tested.histogram("coredns_bytes", "Bytes.", ("proto",), SIZE_BUCKETS).observe(("udp",), 511)
    return tested


def numbers(text: str) -> dict[tuple[str, str], float]:
    """Return every number by name and ``le``."""
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in read_text(text)
        for sample in family.samples
    }


async def test_text(metrics: Metrics) -> None:
    reply = await Exposition(metrics).page("")
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


async def test_types_in_text(metrics: Metrics) -> None:
    lines = (await Exposition(metrics).page("")).body.decode().splitlines()
    for line in (
        "# TYPE coredns_panics_total counter",
        "# TYPE coredns_dns_requests_total counter",
        "# TYPE coredns_build_info gauge",
        "# TYPE coredns_seconds histogram",
    ):
        assert line in lines


async def test_families_without_a_number_are_left_out(metrics: Metrics) -> None:
    assert b"coredns_never" not in (await Exposition(metrics).page("")).body


@pytest.mark.parametrize("accept", [OPENMETRICS, PROMETHEUS])
async def test_openmetrics_by_negotiation(metrics: Metrics, accept: str) -> None:
    reply = await Exposition(metrics).page(accept)
    assert reply.content_type.startswith("application/openmetrics-text; version=1.0.0")
    text = reply.body.decode()
    assert text.endswith("# EOF\n")
    read = read_openmetrics(text)  # type: ignore[no-untyped-call]  # typed in part
    families = {family.name: family for family in read}
    assert families["coredns_panics"].type == "counter"
    les = [sample_.labels.get("le") for sample_ in families["coredns_bytes"].samples]
    assert "511.0" in les


async def test_the_form_is_chosen_at_every_scrape(metrics: Metrics) -> None:
    exposition = Exposition(metrics)
    await exposition.page(OPENMETRICS)
    assert ("coredns_bytes_bucket", "511") in numbers((await exposition.page("text/plain")).body.decode())


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
async def test_figures_of_the_process(metrics: Metrics, name: str) -> None:
    got = numbers((await Exposition(metrics).page("")).body.decode())
    assert (name, "") in got


async def test_derived_numbers_are_brought_up_to_date(metrics: Metrics) -> None:
    panics = metrics.counter("coredns_panics_total", "")
    metrics.before_scrape.append(panics.inc)
    exposition = Exposition(metrics)
    await exposition.page("")
    got = numbers((await exposition.page("")).body.decode())
    assert got["coredns_panics_total", ""] == 2


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
async def test_hostile_label_values(accept: str) -> None:
    metrics = Metrics()
    value = 'a"b\\c\nd{},=\u20ac'
    metrics.counter("coredns_x_total", "X.", ("zone",)).inc((value,))
    text = (await Exposition(metrics).page(accept)).body.decode()
    read = read_openmetrics if accept else read_text
    families = {family.name: family for family in read(text)}
    assert families["coredns_x"].samples[0].labels == {"zone": value}


async def test_figures_of_workers_are_added_to_ours(metrics: Metrics) -> None:
    added = ("process_resident_memory_bytes", "process_open_fds")
    own = ("process_start_time_seconds", "process_max_fds")
    exposition = Exposition(metrics)
    before = numbers((await exposition.page("")).body.decode())
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "import sys; print(flush=True); sys.stdin.read()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    await worker.stdout.readline()  # it is there, with all its memory
    metrics.workers.add(worker.pid)
    during = numbers((await exposition.page("")).body.decode())
    assert worker.stdin is not None
    worker.stdin.close()
    await worker.wait()
    after = numbers((await exposition.page("")).body.decode())  # one that is no more
    for name in added:
        assert during[name, ""] > before[name, ""]
        assert after[name, ""] < during[name, ""]
    for name in own:
        assert during[name, ""] == before[name, ""]
    cpu = "process_cpu_seconds_total"
    assert before[cpu, ""] <= during[cpu, ""] <= after[cpu, ""]


async def test_gauges_that_only_workers_have(metrics: Metrics) -> None:
    entries = metrics.gauge("coredns_cache_entries", "Entries.", ("type",))
    assert b"coredns_cache_entries" not in (await Exposition(metrics).page("")).body
    entries.elsewhere[1] = {("success",): 2}
    entries.elsewhere[2] = {("success",): 3}
    got = numbers((await Exposition(metrics).page("")).body.decode())
    assert got["coredns_cache_entries", ""] == 5


MANY = 4_000


def many(kind: str) -> Metrics:
    """Return metrics with so many series in one family."""
    metrics = Metrics()
    for number in range(MANY):
        labels = (str(number),)
        if kind == "histogram":
            metrics.histogram("x_seconds", "X.", ("n",), (0.1,)).observe(labels, number)
        else:
            metrics.counter("x_total", "X.", ("n",)).inc(labels, number)
    return metrics


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
@pytest.mark.parametrize("kind", ["counter", "histogram"])
async def test_others_have_their_turn_while_a_long_page_is_written(kind: str, accept: str) -> None:
    metrics = many(kind)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    turn()
    body = (await Exposition(metrics).page(accept)).body
    assert turns > body.count(b"\nx_") / (2 * _SLICE)
    read = read_openmetrics if accept else read_text
    families = [family for family in read(body.decode()) if family.name.startswith("x")]
    (family,) = families  # one header, however many slices
    assert family.type == kind
    name = "x_seconds_sum" if kind == "histogram" else "x_total"
    numbers = [item.value for item in family.samples if item.name == name]
    assert numbers == list(range(MANY))


MOST_S = 0.005
"""Processor time of the event loop that a page may take before queries have a turn."""


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["", OPENMETRICS], ids=["text", "openmetrics"])
@pytest.mark.parametrize("kind", ["counter", "histogram"])
async def test_a_page_of_any_length_is_written_in_short_steps(kind: str, accept: str) -> None:
    exposition = Exposition(many(kind))
    longest: list[float] = []
    for _ in range(3):  # a collection of garbage may come in between
        writing = asyncio.ensure_future(exposition.page(accept))
        steps = []
        while not writing.done():
            began = time.thread_time()
            await asyncio.sleep(0)
            steps.append(time.thread_time() - began)
        longest.append(max(steps))
    assert min(longest) < MOST_S


async def test_series_that_come_while_a_page_is_written_do_no_harm() -> None:
    metrics = many("counter")
    counter = metrics.counter("x_total", "X.", ("n",))
    writing = asyncio.ensure_future(Exposition(metrics).page(""))
    number = MANY
    while not writing.done():
        counter.inc((str(number := number + 1),))
        metrics.counter(f"y{number}_total", "Y.").inc()
        await asyncio.sleep(0)
    assert writing.result().body.count(b"\nx_total{") >= MANY
