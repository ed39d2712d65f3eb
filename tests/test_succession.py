"""Both sides of a handover, in one process."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from minidns.server.handover import Handover
from minidns.server.instance import Listener
from minidns.server.listener import Bound
from minidns.server.succession import Predecessor, Shares, Successors, close
from minidns.server.udp import bound

DNS = Listener("dns", "127.0.0.1", 53)
TLS = Listener("tls", "", 853)


def sockets(kind: int, count: int = 1) -> list[Bound]:
    return [Bound("127.0.0.1", bound(kind, "127.0.0.1", 0)) for _ in range(count)]


@contextlib.asynccontextmanager
async def waiting(
    path: Path, shares: Mapping[Listener, Shares]
) -> AsyncIterator[list[int]]:
    """Wait for a successor; give the list of those that took over."""
    relieved: list[int] = []
    successors = Successors(str(path), lambda: shares, relieved.append)
    await successors.open()
    try:
        yield relieved
    finally:
        await successors.close()
        close(shares)


async def found(path: Path) -> Predecessor:
    predecessor = await Predecessor.at(str(path))
    assert predecessor is not None
    return predecessor


async def until(relieved: list[int]) -> None:
    async with asyncio.timeout(5):
        while not relieved:
            await asyncio.sleep(0.005)


async def test_the_very_same_sockets(tmp_path: Path) -> None:
    kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
    first = [each for kind in kinds for each in sockets(kind)]
    shares = {DNS: [first, sockets(kinds[0])], TLS: [sockets(kinds[1])]}
    async with waiting(tmp_path / "s", shares) as relieved:
        predecessor = await found(tmp_path / "s")
        given = await predecessor.sockets()
        assert not relieved
        assert given.keys() == shares.keys()
        for listener, parts in shares.items():
            names = [[each.sock.getsockname() for each in part] for part in parts]
            got = [[each.sock.getsockname() for each in p] for p in given[listener]]
            assert got == names
            assert all(each.host == "127.0.0.1" for p in given[listener] for each in p)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", first[0].sock.getsockname())
        assert given[DNS][0][0].sock.recv(99) == b"hello"
        assert predecessor.pid == os.getpid()
        await predecessor.relieve()
        await until(relieved)
        assert relieved == [os.getpid()]
        predecessor.close()
        close(given)


async def test_many_sockets(tmp_path: Path) -> None:
    shares = {DNS: [sockets(socket.SOCK_DGRAM) for _ in range(300)]}
    async with waiting(tmp_path / "s", shares):
        predecessor = await found(tmp_path / "s")
        given = await predecessor.sockets()
        assert len(given[DNS]) == 300
        predecessor.close()
        close(given)


async def test_one_that_dies_before_it_answers_changes_nothing(tmp_path: Path) -> None:
    shares = {DNS: [sockets(socket.SOCK_DGRAM)]}
    async with waiting(tmp_path / "s", shares) as relieved:
        first = await found(tmp_path / "s")
        close(await first.sockets())
        first.close()
        second = await found(tmp_path / "s")
        close(await second.sockets())
        assert not relieved
        await second.relieve()
        await until(relieved)
        second.close()


async def test_nonsense_changes_nothing(tmp_path: Path) -> None:
    async with waiting(tmp_path / "s", {}) as relieved:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.connect(str(tmp_path / "s"))
            stranger.send(b"hello")
        predecessor = await found(tmp_path / "s")
        assert await predecessor.sockets() == {}
        assert not relieved
        predecessor.close()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(b"", ConnectionError, id="end"),
        pytest.param(b"hello", OSError, id="hello"),
        pytest.param(b"{}", OSError, id="json"),
    ],
)
async def test_who_gives_no_sockets(
    reply: bytes, error: type[OSError], tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        predecessor = await found(tmp_path / "s")
        client, _ = server.accept()
        with client:
            client.send(reply) if reply else client.shutdown(socket.SHUT_RDWR)
            with pytest.raises(error):
                await predecessor.sockets()
        predecessor.close()


async def test_a_socket_that_is_said_to_be_something_else(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        predecessor = await found(tmp_path / "s")
        client, _ = server.accept()
        with client:
            socket.send_fds(client, [b"{}"], [server.fileno()])
            with pytest.raises(OSError, match="says something else"):
                await predecessor.sockets()
        predecessor.close()


async def test_nobody_is_there(tmp_path: Path) -> None:
    assert await Predecessor.at(str(tmp_path / "s")) is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(tmp_path / "s"))
    assert (tmp_path / "s").exists()
    assert await Predecessor.at(str(tmp_path / "s")) is None


async def test_the_path_is_ours_alone_and_goes_with_us(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("stale")
    async with waiting(path, {}):
        assert path.stat().st_mode & 0o777 == 0o600
        assert [each.name for each in tmp_path.iterdir()] == ["s"]
    assert not path.exists()


async def test_the_path_of_a_successor_stays(tmp_path: Path) -> None:
    async with waiting(tmp_path / "s", {}):
        async with waiting(tmp_path / "s", {}):
            pass
        assert not (tmp_path / "s").exists()
    async with contextlib.AsyncExitStack() as stack:
        old = await stack.enter_async_context(contextlib.AsyncExitStack())
        await old.enter_async_context(waiting(tmp_path / "s", {}))
        await stack.enter_async_context(waiting(tmp_path / "s", {}))
        await old.aclose()
        assert (tmp_path / "s").exists()


async def test_who_is_not_ready_waits_as_long_as_there_is_somebody(
    tmp_path: Path,
) -> None:
    ready = asyncio.Event()
    async with waiting(tmp_path / "s", {DNS: [sockets(socket.SOCK_DGRAM)]}):
        handover = Handover(str(tmp_path / "s"))
        beginning = asyncio.create_task(handover.begin(ready.is_set))
        await asyncio.sleep(0.1)
        assert not beginning.done()
        ready.set()
        await asyncio.wait_for(beginning, 5)
        (share,) = handover.take(DNS)
        close({DNS: [share]})
        await handover.close()


async def test_when_the_predecessor_dies_there_is_nothing_to_wait_for(
    tmp_path: Path,
) -> None:
    handover = Handover(str(tmp_path / "s"))
    async with waiting(tmp_path / "s", {}):
        beginning = asyncio.create_task(handover.begin(lambda: False))
        await asyncio.sleep(0.1)
        assert not beginning.done()
    await asyncio.wait_for(beginning, 5)
    assert handover.take(DNS) == []


async def test_without_a_path_nothing_happens() -> None:
    handover = Handover("")
    await handover.begin(lambda: False)
    await handover.finish(dict, lambda pid: None)
    await handover.close()
