"""Hostile streams at a real server with kubeadm's chain: T01 to T23.

T24 (no file descriptor left) is in test_overload.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import dns.flags
import dns.message
import dns.rcode
import pytest

from minidns.server.clients import GRACE_S
from minidns.server.connection import MAX_FRAME, MAX_IN_FLIGHT
from minidns.server.tcp import MAX_CONNECTIONS, MAX_IDLE_PER_CLIENT
from minidns.system.limits import StreamLimits, open_files
from tests.survival.streams import Ended, Play, asking, connected, frame, is_answered, never_reading, resetting, sending
from tests.survival.world import SLOW, SLOW_S, Server, cluster_dns, is_good, query, udp

pytestmark = pytest.mark.slow

FIRST_S, WRITE_S, IDLE_S, _ = StreamLimits()
FRAME_S = FIRST_S

SLACK_S = 4.0
"""The delay in seconds that a busy machine may add."""
BIG = "big.test."
RECORDS = 5000


class Row(NamedTuple):
    """The actions of a client, and the expected end of its connection."""

    play: Play
    replies: int = 0
    at_least_s: float = 0.0
    at_most_s: float = SLACK_S
    is_closed: bool = True


def slow_queries(count: int) -> list[bytes]:
    return [query(n, f"n{n}.{SLOW}") for n in range(count)]


GOOD = query(5)
RESPONSE = GOOD[:2] + bytes((GOOD[2] | 0x80,)) + GOOD[3:]
HELLO = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"


def answered(play: Play, replies: int, at_most_s: float = SLACK_S) -> Row:
    """Return a row in which the connection stays open."""
    return Row(play, replies, 0.0, at_most_s, is_closed=False)


def closed_after(seconds: float, play: Play, replies: int = 0) -> Row:
    """Return a row in which the server has had enough, but not before its time."""
    return Row(play, replies, seconds - 0.5, seconds + SLACK_S)


def sending_all(data: bytes) -> Play:
    """Send messages of which one is answered."""

    async def play(port: int) -> Ended:
        async with connected(port) as client:
            await client.send(data)
            return await client.replies(1)

    return play


ROWS = {
    "T01-length-0": closed_after(IDLE_S, sending(b"\0\0")),
    "T02-length-0-then-a-good-query": answered(sending_all(b"\0\0" + frame(GOOD)), 1),
    "T03a-length-1": answered(sending_all(b"\0\1x" + frame(GOOD)), 1),
    "T03b-length-11": answered(sending_all(frame(bytes(11)) + frame(GOOD)), 1),
    "T04a-length-65535": closed_after(FRAME_S, sending(b"\xff\xff" + bytes(20))),
    "T04b-longest-length": closed_after(FRAME_S, sending(MAX_FRAME.to_bytes(2) + bytes(20))),
    "T05-half-a-length-then-fin": Row(sending(b"\0", eof=True)),
    "T06-garbage-then-a-good-query": answered(asking(bytes(12), GOOD), 2),
    "T07-a-response": answered(sending_all(frame(RESPONSE) + frame(GOOD)), 1),
    "T08-http": closed_after(FRAME_S, sending(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
    "T09-tls": closed_after(FRAME_S, sending(HELLO)),
    "T10-two-in-one-segment": answered(asking(GOOD, GOOD), 2),
    "T11a-200-pipelined": answered(asking(*[GOOD] * 200), 200),
    "T11b-5000-pipelined": answered(asking(*[GOOD] * 5000), 5000, 10 + SLACK_S),
    "T11c-no-more-than-128-in-work": Row(
        asking(*slow_queries(2 * MAX_IN_FLIGHT + 1)),
        2 * MAX_IN_FLIGHT + 1,
        at_least_s=3 * SLOW_S,  # three rounds
        at_most_s=3 * SLOW_S + 2 * SLACK_S,
        is_closed=False,
    ),
    "T12-fin-after-the-query": Row(sending(frame(GOOD), eof=True), replies=1),
    "T12b-fin-after-200": Row(sending(frame(GOOD) * 200, eof=True), replies=200),
    "T12c-fin-while-it-waits": Row(sending(frame(query(6, f"fin.{SLOW}")), eof=True), replies=1),
    "T13-byte-by-byte": answered(asking(GOOD, pause_s=0.02), 1, FIRST_S),
    "T14-a-byte-a-second": closed_after(FRAME_S, sending(*(bytes((byte,)) for byte in frame(GOOD)), pause_s=1.0)),
    "T15-never-reading": Row(never_reading, at_most_s=WRITE_S + 10),
    "T16-idle-after-connecting": closed_after(FIRST_S, sending()),
    "T17-idle-after-an-answer": closed_after(IDLE_S, sending(frame(GOOD)), 1),
    "T20-reset-in-mid-query": Row(resetting),
    "T22-slow-before-fast": answered(asking(query(1, f"t22.{SLOW}"), query(2)), 2),
    "T23-more-than-65535-bytes": answered(asking(query(3, BIG)), 1),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    lines = (f"10.1.{n >> 8}.{n & 255} {BIG}" for n in range(RECORDS))
    hosts = "\n".join(("hosts {", *lines, "fallthrough", "}"))
    with cluster_dns(tmp_path_factory.mktemp("server"), more=hosts) as running:
        yield running


@pytest.fixture(scope="module")
def played(server: Server) -> dict[str, Ended]:
    """All rows at the same time: most of it is waiting."""

    async def play() -> list[Ended]:
        return await asyncio.gather(*(row.play(server.port) for row in ROWS.values()))

    return dict(zip(ROWS, asyncio.run(play()), strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_how_it_ends(name: str, played: dict[str, Ended]) -> None:
    row, ended = ROWS[name], played[name]
    assert len(ended.replies) == row.replies
    assert ended.is_closed == row.is_closed
    # on a busy machine the client's clock starts later than the server's
    assert 0.5 * row.at_least_s <= ended.seconds <= row.at_most_s
    for reply in ended.replies:
        message = dns.message.from_wire(reply)
        if name.startswith("T06") and reply is ended.replies[0]:
            assert len(reply) == 12
            assert message.rcode() == dns.rcode.FORMERR
        else:
            assert message.rcode() == dns.rcode.NOERROR


def test_T22_the_fast_one_comes_first(played: dict[str, Ended]) -> None:
    fast, slow = played["T22-slow-before-fast"].replies
    assert is_good(fast)
    assert slow[:2] == b"\0\1"


def test_T23_what_fits_comes_with_TC(played: dict[str, Ended]) -> None:
    (reply,) = played["T23-more-than-65535-bytes"].replies
    assert 60_000 < len(reply) <= 65535
    message = dns.message.from_wire(reply)
    assert message.flags & dns.flags.TC
    assert 3000 < len(message.answer[0]) < RECORDS


def test_nothing_is_left_of_it(server: Server, played: dict[str, Ended]) -> None:
    """Also T20: no traceback."""
    assert [line for line in server.lines if "Traceback" in line or "ERROR" in line] == []
    assert server.connections() < 10


# -- crowds


async def idle(stack: contextlib.AsyncExitStack, port: int, source: str, count: int) -> None:
    """Open so many connections, and say nothing."""
    opening = (stack.enter_async_context(connected(port, source)) for _ in range(count))
    await asyncio.gather(*opening)


async def test_T18_a_thousand_idle_connections(server: Server, played: dict[str, Ended]) -> None:
    """Figures are `make survive`'s; here: everybody is answered."""
    assert open_files() > 2 * MAX_CONNECTIONS
    hosts = [f"127.7.0.{number}" for number in range(1, 18)]  # one too many
    async with contextlib.AsyncExitStack() as stack:
        for host in hosts:
            await idle(stack, server.port, host, MAX_CONNECTIONS // 16)
        with udp(server.port) as sock:
            sock.send(query(1))
            assert is_good(sock.recv(512))
        assert await is_answered(server.port) < SLACK_S
        assert await is_answered(server.port, hosts[-1]) < SLACK_S
        # the last to come at least: on a busy machine the first have been idle too long
        assert MAX_CONNECTIONS // 32 < server.connections() <= MAX_CONNECTIONS


async def test_T19_five_hundred_from_one_address(server: Server, played: dict[str, Ended]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await idle(stack, server.port, "127.7.1.1", 500)
        assert await is_answered(server.port, "127.7.1.1") < SLACK_S
        deadline = time.monotonic() + GRACE_S + SLACK_S
        while server.connections() > MAX_IDLE_PER_CLIENT + 10:
            assert time.monotonic() < deadline
            assert await is_answered(server.port) < SLACK_S


async def test_T21_coming_and_going(server: Server, played: dict[str, Ended]) -> None:
    for _ in range(1000):
        async with connected(server.port):
            pass
    deadline = time.monotonic() + 5
    while server.connections() > 10:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert await is_answered(server.port) < SLACK_S
