"""It knows how old its view is: policies, metrics, readiness, audits; in virtual time."""

import logging

import pytest

from minidns.dns.model import Rcode
from minidns.plugins import ready
from minidns.plugins.site import HttpReply
from tests.conformance.api import Api
from tests.plugins.clusters import SVC, TREES, Running, running, silent, svc
from tests.table import table
from tests.world import InstanceAlone, settle

AGE = "minidns_kubernetes_view_age_seconds"
WEB = f"web.a.{SVC}"


async def serve(k: Running) -> None:
    """Do what comes once the sockets are open."""
    for hook in k.site.hooks.serving:
        await hook()
    await settle()


def age(k: Running, resource: str) -> float:
    list(k.site.metrics.families())  # as a scrape does
    return k.site.metrics.value(AGE, {"resource": resource})


def count(k: Running, name: str, resource: str = "services") -> float:
    list(k.site.metrics.families())
    name = f"minidns_kubernetes_{name}_total"
    return k.site.metrics.value(name, {"resource": resource})


def probe(k: Running, *query: str) -> HttpReply:
    assert isinstance(k.site.instance, InstanceAlone)
    (handler,) = k.site.instance.endpoints.values()
    reply = handler(dict.fromkeys(query, ""), {})
    assert isinstance(reply, HttpReply)
    return reply


# -- how old


async def test_each_kind_has_an_age_of_its_own() -> None:
    api = Api(TREES)
    async with running(api.list_watch) as k:
        await serve(k)
        await k.world.clock.advance(70.0)
        api.apply(svc("a/new", "10.96.0.9"))
        await settle()
        await k.world.clock.advance(7.0)
        result = {r: age(k, r) for r in ("services", "endpointslices", "namespaces")}
        assert result == {"services": 7.0, "endpointslices": 77.0, "namespaces": 77.0}


async def test_the_age_falls_when_the_server_is_heard_of_again() -> None:
    """The gauge shows the present age at each scrape, not the highest so far."""
    api = Api(TREES)
    async with running(api.list_watch, wait=False) as k:
        await serve(k)
        await k.world.clock.advance(60.0)
        ages = []
        for number in range(3):
            ages.append(age(k, "services"))
            api.apply(svc(f"a/new-{number}", f"10.96.0.{10 + number}"))
            await settle()
            ages.append(age(k, "services"))
            await k.world.clock.advance(20.0 - number)
        assert ages == [60.0, 0.0, 20.0, 0.0, 19.0, 0.0]


async def test_the_age_falls_with_the_first_sync() -> None:
    """Before the first list it counts from the start; the list ends that."""
    api = Api(TREES)
    api.forbidden = lambda resource: True
    async with running(api.list_watch, wait=False) as k:
        await serve(k)
        await k.world.clock.advance(40.0)
        assert age(k, "services") == 40.0
        api.forbidden = lambda resource: False
        for _ in range(600):
            await k.world.clock.advance(1.0)
            if k.ready:
                break
        assert age(k, "services") < 40.0


async def test_what_was_never_heard_of_ages_from_the_start() -> None:
    async with running(silent, wait=False) as k:
        await serve(k)
        await k.world.clock.advance(40.0)
        assert age(k, "services") == 40.0


async def test_of_several_namespaces_the_oldest_counts() -> None:
    api = Api(TREES)
    api.forbidden = lambda resource: resource.namespace == "b"
    body = "namespaces a b\nnamespaced"
    async with running(api.list_watch, body, wait=False) as k:
        await serve(k)
        await k.world.clock.advance(9.0)
        api.apply(svc("a/new", "10.96.0.9"))
        await settle()
        assert age(k, "services") == 9.0


async def test_counts_of_what_is_asked_and_heard() -> None:
    api = Api(TREES)
    async with running(api.list_watch) as k:
        await serve(k)
        api.apply(svc("a/new", "10.96.0.9"))
        await settle()
        result = [count(k, name) for name in ("lists", "watches", "events", "errors")]
        assert result == [1, 1, 1, 0]
        api.apply(svc("a/newer", "10.96.0.10"))
        await settle()
        assert [count(k, "events"), count(k, "events")] == [2, 2]
        await k.site.stop()
        assert count(k, "events") == 2
        assert not k.site.metrics.before_scrape


async def test_refusals_are_errors() -> None:
    api = Api(TREES)
    api.forbidden = lambda resource: resource.plural == "services"
    async with running(api.list_watch, wait=False) as k:
        await serve(k)
        await k.world.clock.advance(2.0)
        assert count(k, "errors") >= 2
        assert count(k, "errors", "namespaces") == 0


# -- what comes of it


@table(
    ("policy", "fresh", "stale"),
    [
        ("", (Rcode.NOERROR, 200), (Rcode.NOERROR, 200)),
        ("stale_after 5m", (Rcode.NOERROR, 200), (Rcode.NOERROR, 200)),
        ("stale_after 5m serve", (Rcode.NOERROR, 200), (Rcode.NOERROR, 200)),
        ("stale_after 5m servfail", (Rcode.NOERROR, 200), (Rcode.SERVFAIL, 200)),
        ("stale_after 5m unready", (Rcode.NOERROR, 200), (Rcode.NOERROR, 503)),
    ],
)
async def test_policies(policy: str, fresh: tuple[int, int], stale: tuple[int, int]) -> None:
    api = Api(TREES)

    async def state() -> tuple[int, int]:
        return (await k.ask(WEB)).rcode, probe(k).status

    async with running(api.list_watch, policy, before="ready") as k:
        ready.PLUGIN.set_up(k.site.block.named("ready"), k.site)
        assert isinstance(k.site.instance, InstanceAlone)
        await serve(k)
        for _ in range(2):
            await k.world.clock.advance(299.0)
            assert await state() == fresh
            await k.world.clock.advance(2.0)
            assert await state() == stale
            for number, tree in enumerate(TREES):  # it comes back
                if tree["metadata"]["name"] != "web":
                    api.apply({**tree, "metadata": {**tree["metadata"], "n": number}})
            await settle()
            assert await state() == fresh


@table("name", [f"web.a.{SVC}", f"no.a.{SVC}", "1.0.96.10.in-addr.arpa"])
async def test_servfail_is_for_all_that_is_ours(name: str) -> None:
    async with running(Api(TREES).list_watch, "stale_after 5m servfail") as k:
        await k.world.clock.advance(301.0)
        response = await k.ask(name, "PTR" if "arpa" in name else "A")
        assert response.rcode == Rcode.SERVFAIL
        assert not response.answer
        assert response.rule == "negative/stale"


async def test_one_silent_kind_is_enough() -> None:
    api = Api(TREES)
    async with running(api.list_watch, "stale_after 5m servfail") as k:
        await k.world.clock.advance(200.0)
        api.apply(svc("a/new", "10.96.0.9"))
        await settle()
        await k.world.clock.advance(200.0)
        assert (await k.ask(WEB)).rcode == Rcode.SERVFAIL


# -- readiness, for people


async def test_verbose() -> None:
    async with running(Api(TREES).list_watch, "stale_after 5m unready", before="ready") as k:
        ready.PLUGIN.set_up(k.site.block.named("ready"), k.site)
        await k.world.clock.advance(3.0)
        assert probe(k) == HttpReply(b"OK", 200)
        assert probe(k, "verbose") == HttpReply(
            b"[+]kubernetes ok\n"
            b"[+]endpointslices ok (age 3s)\n"
            b"[+]namespaces ok (age 3s)\n"
            b"[+]services ok (age 3s)\n"
            b"ready check passed\n",
            200,
        )
        await k.world.clock.advance(400.0)
        reply = probe(k, "verbose")
        assert reply.status == 503
        assert reply.body.splitlines()[0] == b"[-]kubernetes failed"
        assert b"[-]services stale (age 403s)" in reply.body
        assert reply.body.endswith(b"ready check failed\n")


async def test_verbose_before_the_first_sync_says_what_is_missing() -> None:
    api = Api(TREES)
    api.forbidden = lambda resource: resource.plural == "endpointslices"
    async with running(api.list_watch, before="ready", wait=False) as k:
        ready.PLUGIN.set_up(k.site.block.named("ready"), k.site)
        await settle()
        assert probe(k).body == b"kubernetes"
        lines = probe(k, "verbose").body.decode().splitlines()
        assert lines[:3] == [
            "[-]kubernetes failed",
            "[-]endpointslices not synced (age 0s)",
            "[+]namespaces ok (age 0s)",
        ]


# -- audits


def corrupt(k: Running) -> None:
    """Take in what the API server never said."""
    assert k.site.offers.cluster is not None
    k.site.offers.cluster.main.services.clear()


async def test_an_audit_puts_right_what_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with running(Api(TREES).list_watch, "audit 10m") as k:
        await serve(k)
        corrupt(k)
        assert (await k.ask(f"ext.a.{SVC}")).rcode == Rcode.NXDOMAIN
        k.forgotten.clear()
        await k.world.clock.advance(16 * 60.0)
        assert (await k.ask(WEB)).rcode == Rcode.NOERROR
        assert count(k, "audit_differences") == 4
        assert count(k, "audits", "namespaces") >= 1
        assert ("service", "a", "ext") in k.forgotten


@pytest.mark.parametrize("body", ["audit off", ""])
async def test_how_often(body: str) -> None:
    async with running(Api(TREES).list_watch, body) as k:
        await serve(k)
        await k.world.clock.advance(4 * 3600.0)
        audits = count(k, "audits")
        assert (audits == 0) if body else (5 <= audits <= 12)
        assert count(k, "lists") == 1


async def test_a_worker_audits_nothing() -> None:
    async with running(Api(TREES).list_watch, "audit 10m") as k:
        await k.world.clock.advance(3600.0)
        corrupt(k)
        await k.world.clock.advance(3600.0)
        assert (await k.ask(f"ext.a.{SVC}")).rcode == Rcode.NXDOMAIN
