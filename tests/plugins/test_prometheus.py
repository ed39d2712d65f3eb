import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from minidns import plugins
from minidns.corefile.blocks import ConfigError
from minidns.dns.model import DnsError, Dropped, Opt, Query, Rcode, Response, Reuse, RRset
from minidns.dns.rdata import A, a
from minidns.plugins import prometheus
from minidns.plugins.site import HttpReply, Site
from tests.table import table
from tests.world import InstanceAlone, World, always, chain, directives, plugin, query

T = TypeVar("T")

ANSWER = Response(answer=(RRset("a.example.org.", A, 30, (a("192.0.2.1"),)),))
STOCK = ("prometheus", "errors", "cache", "forward")


def set_up(text: str, world: World | None = None) -> Site:
    site = (world or World()).site(text)
    prometheus.PLUGIN.set_up(directives(site, "prometheus"), site)
    site.chain = tuple(map(plugins.find, STOCK))
    return site


def endpoints(site: Site) -> list[tuple[str, str]]:
    assert isinstance(site.instance, InstanceAlone)
    return list(site.instance.endpoints)


def scrape(site: Site, accept: str = "") -> HttpReply:
    assert isinstance(site.instance, InstanceAlone)
    (handler,) = site.instance.endpoints.values()
    page = handler({}, {"Accept": accept} if accept else {})
    return done(cast(Coroutine[Any, Any, HttpReply], page))


def done(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``work``, which waits for nothing but its turn."""
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            return cast(T, end.value)


def numbers(site: Site) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return what a scrape says, by name and labels."""
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(scrape(site).body.decode()):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            samples.setdefault(sample.name, {})[labels] = sample.value
    return samples


ADDRESSES = {
    "default-is-loopback": ("prometheus", "localhost:9153"),
    "every-address": ("prometheus :9153", ":9153"),
    "helm": ("prometheus 0.0.0.0:9153", "0.0.0.0:9153"),
    "empty-block": ("prometheus :9153 {\n}", ":9153"),
    "runtime-metrics": ("prometheus :9153 {\nruntime_metrics\n}", ":9153"),
}


@table(("line", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_address(line: str, address: str) -> None:
    site = set_up(f".:53 {{\n{line}\n}}")
    assert endpoints(site) == [(address, "/metrics")]


REFUSED = {
    "twice": ("prometheus\nprometheus", "this plugin can only be used once per Server Block"),
    "no-port": ("prometheus 9153", "address 9153: missing port in address"),
    "two-addresses": (
        "prometheus :1 :2",
        "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after ':2'",
    ),
    "unknown-option": ("prometheus {\nfoo\n}", "Corefile:3 - Error during parsing: unknown option: foo"),
    "runtime-metrics-with-argument": (
        "prometheus {\nruntime_metrics x\n}",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'x'",
    ),
    "tls-without-file": (
        "prometheus {\ntls\n}",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'tls'",
    ),
    "tls-is-not-served-in-the-clear": (
        "prometheus {\ntls web.yml\n}",
        "Corefile:3 - Error during parsing: tls is not supported by minidns",
    ),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(f".:53 {{\n{body}\n}}")
    assert str(caught.value) == message


AT_ZERO = (
    "coredns_panics_total",
    "coredns_forward_healthcheck_broken_total",
    "coredns_forward_max_concurrent_rejects_total",
    "coredns_health_request_failures_total",
    "coredns_health_request_duration_seconds_count",
    "coredns_reload_failed_total",
    "coredns_hosts_reload_timestamp_seconds",
    "coredns_local_localhost_requests_total",
)


@table("name", AT_ZERO)
def test_there_at_zero_from_the_start(name: str) -> None:
    assert numbers(set_up(".:53 {\nprometheus\n}"))[name] == {(): 0}


def test_build_info_says_minidns() -> None:
    ((labels, value),) = numbers(set_up(".:53 {\nprometheus\n}"))["coredns_build_info"].items()
    values = dict(labels)
    assert value == 1
    assert values["version"].startswith("minidns-")
    assert values["revision"] == ""
    assert values["goversion"].startswith("python3.")


def test_text_is_what_prometheus_gets_by_default() -> None:
    reply = scrape(set_up(".:53 {\nprometheus\n}"))
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_openmetrics_by_negotiation() -> None:
    reply = scrape(set_up(".:53 {\nprometheus\n}"), "application/openmetrics-text")
    assert reply.content_type.startswith("application/openmetrics-text")


SERVERS = {
    "plain": (".:53", (), ["dns://:53"]),
    "tls": ("tls://.", (), ["tls://:853"]),
    "bound": (".:53", ("127.0.0.1", "::1"), ["dns://127.0.0.1:53", "dns://[::1]:53"]),
}


@table(("key", "bound", "servers"), SERVERS.values(), ids=SERVERS)
async def test_plugin_enabled(key: str, bound: tuple[str, ...], servers: list[str]) -> None:
    site = set_up(f"{key} {{\nprometheus\n}}")
    site.listen.addresses = bound
    for hook in site.hooks.serving:
        await hook()
    assert {
        (labels["server"], labels["zone"], labels["view"], labels["name"])
        for labels in map(dict, numbers(site)["coredns_plugin_enabled"])
    } == {(server, ".", "", name) for server in servers for name in STOCK}


async def test_plugin_enabled_forgets_what_a_reload_took_away() -> None:
    world = World()
    for handlers in (("prometheus", "log"), ("prometheus", "errors")):
        site = set_up("Example.Org {\nprometheus\n}", world)
        site.chain = tuple(map(plugins.find, handlers))
        for hook in site.hooks.serving:
            await hook()
    names = {dict(number)["name"] for number in numbers(site)["coredns_plugin_enabled"]}
    assert names == {"prometheus", "errors"}
    assert ("zone", "example.org.") in next(iter(numbers(site)["coredns_plugin_enabled"]))


async def test_plugin_enabled_of_every_block() -> None:
    site = set_up(".:53 {\nprometheus\n}")
    other = Site(site.block, site.edges, site.metrics, site.instance)
    other.listen.addresses = ("192.0.2.1",)
    prometheus.PLUGIN.set_up(directives(site, "prometheus"), other)
    other.chain = tuple(map(plugins.find, ("prometheus",)))
    site.instance.sites.append(other)
    for site_ in site.instance.sites:
        for hook in site_.hooks.serving:
            await hook()
    assert len(numbers(site)["coredns_plugin_enabled"]) == len(STOCK) + 1


# what is counted


def raising(error: Exception) -> Callable[[Query], object]:
    async def handler(_: Query) -> Response:
        raise error

    return handler


OUTCOMES = {
    "response": (always(ANSWER), "NOERROR", "errors"),
    "written-failure": (always(Response(Rcode.SERVFAIL)), "SERVFAIL", "errors"),
    "failure-by-return-code": (raising(DnsError("i/o timeout")), "SERVFAIL", ""),
    "refused-by-return-code": (raising(DnsError(rcode=Rcode.REFUSED)), "REFUSED", ""),
    "silence": (raising(Dropped()), "NOERROR", ""),
}


@table(("last", "rcode", "name"), OUTCOMES.values(), ids=OUTCOMES)
async def test_responses(last: object, rcode: str, name: str) -> None:
    world = World()
    site = set_up(".:53 {\nprometheus\n}", world)
    tested = prometheus.PLUGIN.set_up(directives(site, "prometheus"), site)
    handler = chain(tested, last=last)  # type: ignore[arg-type]  # either kind of handler
    try:
        response: object = await handler(query("a.example.org", opt=Opt(1232, True)))
    except DnsError as error:
        response = error
    assert isinstance(response, Response | DnsError)
    place = {"server": "dns://:53", "zone": ".", "view": ""}
    labels = place | {"rcode": rcode, "plugin": name}
    value = world.metrics.value
    assert value("coredns_dns_responses_total", labels) == 1
    labels = place | {"proto": "udp", "family": "1", "type": "A"}
    assert value("coredns_dns_requests_total", labels) == 1
    assert value("coredns_dns_request_duration_seconds", place) == 1
    assert value("coredns_dns_do_requests_total", place) == 1


async def test_seconds_are_those_of_the_edges() -> None:
    world = World()

    async def slow(_: Query) -> Response:
        world.clock.time += 3
        return ANSWER

    tested, _ = plugin(world, prometheus.PLUGIN.set_up, "prometheus", "prometheus")
    await chain(tested, last=slow)(query("a.example.org"))
    families = {family_.name: family_ for family_ in world.metrics.families()}
    (cells,) = families["coredns_dns_request_duration_seconds"].values.values()
    assert isinstance(cells, list)
    assert cells[-1] == 3


async def test_repetitions_by_the_edge_are_counted() -> None:
    world = World()
    tested, _ = plugin(world, prometheus.PLUGIN.set_up, "prometheus", "prometheus")
    answer = Response(answer=ANSWER.answer, reuse=Reuse())
    response = await chain(tested, last=always(answer))(query("a.example.org"))
    assert response.reuse is not None
    (tally,) = response.reuse.counters
    tally(99, 0.00099)
    labels = {"server": "dns://:53", "zone": ".", "view": ""}
    labels |= {"proto": "udp", "family": "1", "type": "A"}
    assert world.metrics.value("coredns_dns_requests_total", labels) == 100


def test_values_survive_a_reload() -> None:
    world = World()
    set_up(".:53 {\nprometheus\n}", world)
    world.metrics.counter("coredns_panics_total", "").inc()
    site = set_up(".:53 {\nprometheus\n}", world)
    assert numbers(site)["coredns_panics_total"] == {(): 1}


def test_runtime_metrics_warns(caplog: pytest.LogCaptureFixture) -> None:
    set_up(".:53 {\nprometheus {\nruntime_metrics\n}\n}")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
