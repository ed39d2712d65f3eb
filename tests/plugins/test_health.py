import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.http.server import HttpEndpoints
from minidns.plugins import health
from minidns.plugins.site import HttpReply, Site
from tests.table import table
from tests.world import InstanceAlone, World, directives, settle


def set_up(body: str, world: World | None = None) -> Site:
    site = (world or World()).site(f".:53 {{\n{body}\n}}")
    health.PLUGIN.set_up(directives(site, "health"), site)
    return site


def endpoints(site: Site) -> list[tuple[str, str]]:
    assert isinstance(site.instance, InstanceAlone)
    return list(site.instance.endpoints)


ADDRESSES = {
    "default": ("health", ":8080"),
    "node-local": ("health 169.254.20.10:8080", "169.254.20.10:8080"),
    "empty-block": ("health :8082 {\n}", ":8082"),
    "twice-the-last-counts": ("health :1\nhealth :2", ":2"),
}


@table(("body", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_address(body: str, address: str) -> None:
    assert endpoints(set_up(body)) == [(address, "/health")]


ARGS = "Error during parsing: Wrong argument count or unexpected line ending after"
REFUSED = {
    "no-colon": ("health 8080", "address 8080: missing port in address"),
    "two-addresses": ("health :1 :2", f"Corefile:2 - {ARGS} ':2'"),
    "unknown-option": ("health {\nfoo\n}", "Corefile:3 - Error during parsing: unknown property 'foo'"),
    "lameduck-without": ("health {\nlameduck\n}", f"Corefile:3 - {ARGS} 'lameduck'"),
    "lameduck-twice": ("health {\nlameduck 5s 6s\n}", f"Corefile:3 - {ARGS} '6s'"),
    "lameduck-without-unit": (
        "health {\nlameduck 5\n}",
        "unable to parse lameduck duration value: '5' : time: missing unit in duration \"5\"",
    ),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == message


def test_always_ok() -> None:
    site = set_up("health")
    assert isinstance(site.instance, InstanceAlone)
    (handler,) = site.instance.endpoints.values()
    assert handler({}, {}) == HttpReply(b"OK", 200)


LAMEDUCKS = {
    "none": ("health", 0, []),
    "zero": ("health {\nlameduck 0s\n}", 0, []),
    "kubeadm": ("health {\nlameduck 5s\n}", 5, ["Going into lameduck mode for 5s"]),
    "minutes": ("health {\nlameduck 90s\n}", 90, ["Going into lameduck mode for 1m30s"]),
}


@pytest.mark.parametrize(("body", "seconds", "lines"), LAMEDUCKS.values(), ids=LAMEDUCKS)
async def test_lameduck(caplog: pytest.LogCaptureFixture, body: str, seconds: float, lines: list[str]) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    site = set_up(body, world)
    (shut_down,) = site.hooks.shutdown
    ending = asyncio.ensure_future(shut_down())
    if seconds:
        await world.clock.advance(seconds - 0.1)
        assert not ending.done()
        assert endpoints(site), "still answers while it waits"
        await world.clock.advance(0.1)
    await ending
    assert endpoints(site) == []
    assert [record.getMessage() for record in caplog.records] == lines


# the check of itself


class Checked:
    """A site that checks itself at an address where something else may answer."""

    def __init__(self, port: int) -> None:
        self.world = World()
        self.site = set_up(f"health 127.0.0.1:{port}", self.world)

    async def pass_a_second(self, checks: int) -> None:
        """Let a second pass and wait until so many checks are over."""
        await self.world.clock.advance(1)
        await self.until(checks)

    async def until(self, checks: int) -> None:
        async with asyncio.timeout(10):
            while self.checks < checks:
                await asyncio.sleep(0.001)

    @property
    def checks(self) -> float:
        return self.world.metrics.value("coredns_health_request_duration_seconds")

    @property
    def failures(self) -> float:
        return self.world.metrics.value("coredns_health_request_failures_total")


@contextlib.asynccontextmanager
async def checking(port: int) -> AsyncIterator[Checked]:
    checked = Checked(port)
    for hook in checked.site.hooks.start:
        await hook()
    await settle()
    try:
        yield checked
    finally:
        await checked.site.stop()


def reserved() -> socket.socket:
    """Return a socket that keeps a port for others, without listening at it."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


async def test_it_asks_itself_every_second(caplog: pytest.LogCaptureFixture) -> None:
    web = HttpEndpoints()
    web.add("127.0.0.1:0", "/health", lambda query, headers: HttpReply(b"OK"))
    await web.open()
    async with checking(web.bound("127.0.0.1:0")[1]) as checked:
        for n in (1, 2, 3):
            await checked.pass_a_second(checks=n)
        assert checked.failures == 0
    await web.close()
    assert caplog.records == []


async def test_nobody_answers(caplog: pytest.LogCaptureFixture) -> None:
    with reserved() as sock:
        port = sock.getsockname()[1]
        async with checking(port) as checked:
            await checked.pass_a_second(checks=1)
            assert checked.failures == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f'Local health request to "http://127.0.0.1:{port}/health" failed: ')


async def test_a_silent_listener_fails_after_three_seconds(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with checking(port) as checked:
            await checked.world.clock.advance(1)
            await checked.world.clock.advance(2.9)
            assert checked.checks == 0
            await checked.pass_a_second(checks=1)
            assert checked.failures == 1
    assert caplog.records[0].getMessage() == (
        f'Local health request to "http://127.0.0.1:{port}/health" failed: no reply within 3s'
    )


async def test_slow_replies_are_told(caplog: pytest.LogCaptureFixture) -> None:
    may_answer = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await may_answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as slow:
        port = slow.sockets[0].getsockname()[1]
        async with checking(port) as checked:
            await checked.world.clock.advance(1)
            await checked.world.clock.advance(1.2)
            may_answer.set()
            await checked.until(checks=1)
            assert checked.failures == 0
    assert caplog.records[0].getMessage() == (
        f'Local health request to "http://127.0.0.1:{port}/health" took more than 1s: 1.2s'
    )
