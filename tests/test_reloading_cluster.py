"""The store of the cluster is kept across the reload of a Corefile."""

import asyncio
from collections.abc import AsyncIterator

import dns.message
import pytest

from minidns.corefile.blocks import ConfigError
from minidns.kubernetes.resources import Access, ApiError, ListWatch, Page, Resource, WatchEvent
from minidns.kubernetes.watcher import watch_options
from tests import process
from tests.conformance.api import Api
from tests.kubernetes import made
from tests.server import client
from tests.serving import Serving, serving
from tests.table import table
from tests.world import World, settle

WEB = "web.prod.svc.cluster.local."
OBJECTS = [
    {"kind": "Namespace", "metadata": {"name": "prod"}},
    {
        "kind": "Service",
        "metadata": {"namespace": "prod", "name": "web"},
        "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80}]},
    },
]


class Switched:
    """An API server that can be switched off, and counts what it is asked."""

    def __init__(self) -> None:
        self.api = Api(OBJECTS)
        self.down = False
        self.lists = 0
        self._off = asyncio.Event()

    def switch_off(self) -> None:
        self.down = True
        self._off.set()

    def switch_on(self) -> None:
        self.down = False
        self._off = asyncio.Event()

    def list_watch(self, access: Access, resource: Resource) -> ListWatch:
        return _Part(self, self.api.list_watch(access, resource))

    async def off(self) -> None:
        await self._off.wait()


class _Part:
    def __init__(self, switch: Switched, inner: ListWatch) -> None:
        self._switch = switch
        self._inner = inner

    def _check(self) -> None:
        if self._switch.down:
            raise ApiError("connection refused")

    async def page(self, token: str, version: str | None) -> Page:
        self._switch.lists += 1
        self._check()
        return await self._inner.page(token, version)

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        self._check()
        events = aiter(self._inner.watch(version, initial=initial))
        off = asyncio.ensure_future(self._switch.off())
        try:
            while True:
                following = asyncio.ensure_future(anext(events))
                await asyncio.wait((following, off), return_when="FIRST_COMPLETED")
                if not following.done():
                    following.cancel()
                self._check()
                yield following.result()
        finally:
            off.cancel()


def corefile(port: int, body: str = "", more: str = "") -> str:
    return f".:{port} {{\nbind 127.0.0.1\nkubernetes cluster.local {{\n{body}\n}}\n{more}\n}}\n"


async def address(port: int) -> str:
    """Return the address of the Service, or how it failed."""
    wire = dns.message.make_query(WEB, "A").to_wire()
    reply = dns.message.from_wire(await client.udp(port, wire))
    return str(reply.answer[0][0]) if reply.answer else reply.rcode().name


async def reload(running: Serving) -> None:
    """Reload, and let the start-up wait for the API server pass."""
    task = asyncio.ensure_future(running.server.reload())
    while not task.done():
        await running.world.clock.advance(0.5)
        await settle()
    task.result()
    await running.pass_(0.0)


CHANGES = {"nothing": ("", ""), "answers": ("ttl 60\nfallthrough", ""), "other-plugins": ("", "cache 30\nwhoami")}


@table(("body", "more"), CHANGES.values(), ids=CHANGES)
async def test_names_are_there_though_the_api_server_is_not(body: str, more: str) -> None:
    switch, port = Switched(), process.free_port()
    world = World(list_watch=switch.list_watch)
    async with serving(corefile(port), world) as running:
        assert await address(port) == "10.96.0.9"
        lists = switch.lists
        switch.switch_off()
        await running.pass_(10.0)
        for _ in range(3):
            running.write(corefile(port, body, more))
            await reload(running)
            assert await address(port) == "10.96.0.9"
        assert switch.lists == lists
        # and it goes on from there
        switch.switch_on()
        switch.api.apply(OBJECTS[1] | {"spec": {"clusterIP": "10.96.0.10"}})
        await running.pass_(5.0)
        assert await address(port) == "10.96.0.10"
        assert switch.lists == lists


async def test_a_reload_that_fails_leaves_it_to_the_old_one() -> None:
    switch, port = Switched(), process.free_port()
    world = World(list_watch=switch.list_watch)
    async with serving(corefile(port), world) as running:
        weights = "loadbalance weighted missing {\nreload 0s\n}\n"
        after = f"}}\norg:{port} {{\nbind 127.0.0.1\n{weights}whoami"
        for broken in ("kubernetes x {\nttl -1\n}", weights, after):
            running.write(corefile(port, "ttl 60", broken))
            with pytest.raises(ConfigError):
                await reload(running)
        switch.api.apply(OBJECTS[1] | {"spec": {"clusterIP": "10.96.0.10"}})
        await running.pass_(1.0)
        assert await address(port) == "10.96.0.10"


async def test_what_is_followed_in_another_way_is_followed_anew() -> None:
    switch, port = Switched(), process.free_port()
    world = World(list_watch=switch.list_watch)
    async with serving(corefile(port), world) as running:
        lists = switch.lists
        running.write(corefile(port, "pods verified"))
        await reload(running)
        assert switch.lists > lists
        assert await address(port) == "10.96.0.9"


async def test_it_ends_with_the_last_block_that_uses_it() -> None:
    switch, port = Switched(), process.free_port()
    world = World(list_watch=switch.list_watch)
    async with serving(corefile(port), world) as running:
        assert running.server.serving.instance is not None
        (follower,) = running.server.serving.instance.watchers
        running.write(f".:{port} {{\nbind 127.0.0.1\nwhoami\n}}\n")
        await reload(running)
        assert follower.watcher.reflectors == []


SAME = ["ttl 60", "fallthrough", "ignore empty_service", "endpoint_pod_names"]
OTHER = [
    "pods verified", "labels a=b", "namespace_labels a=b", "namespaces prod",
    "noendpoints", "kubeconfig /tmp/x", "endpoint http://x", "strict", "zonal",
    "stale_after 5m", "hold 0", "audit off", "startup_timeout 1s",
]  # fmt: skip


@table("line", SAME)
def test_options_that_matter_to_answers_alone(line: str) -> None:
    assert watch_options(made.options(line)) == watch_options(made.options())
    assert watch_options(made.options("", "other.zone")) == watch_options(made.options())


@table("line", OTHER)
def test_options_that_say_what_is_followed(line: str) -> None:
    assert watch_options(made.options(line)) != watch_options(made.options())
