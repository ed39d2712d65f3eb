"""*multisocket* with real processes: another Corefile, and the end."""

import asyncio
import os
import signal
import socket

import dns.message
import pytest

from tests import process
from tests.crowd import (
    NAME,
    NEW,
    OLD,
    SIZE,
    SOME,
    Stand,
    crowd,
    listening_port,
    lives,
    stopped,
    until,
    worker,
    workers,
)

# -- reload


async def test_a_reload_reaches_every_process_and_loses_nothing(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        old = await worker(server)
        with crowd(stand.port) as clients:
            assert await clients.told(NAME) == {OLD: SIZE}
            stand.write(address=NEW)
            server.signal(signal.SIGUSR1)
            async with asyncio.timeout(process.DEADLINE_S):
                while (told := await clients.told(NAME)) != {NEW: SIZE}:
                    assert told.total() == SIZE
            new = await worker(server, nth=2)
            await until(lambda: not lives(old))
            stand.path.write_text("no such thing {\n")
            server.signal(signal.SIGUSR1)
            await server.said("Restart failed")
            assert await clients.told(NAME) == {NEW: SIZE}
            assert lives(new)
            os.kill(new, signal.SIGKILL)  # its successor does not read the broken file
            await worker(server, nth=3)
            assert await clients.told(NAME) == {NEW: SIZE}


async def test_a_reload_to_more_and_to_fewer_processes(stand: Stand) -> None:
    stand.write(sockets=1)
    async with process.minidns(*stand.args) as server:
        await server.said("python3")
        with crowd(stand.port) as clients:
            assert await clients.told(NAME) == {OLD: SIZE}
            stand.write(sockets=3)
            server.signal(signal.SIGUSR1)
            pids = [await worker(server, share) for share in (1, 2)]
            for pid in pids:
                async with stopped(pid):
                    clients.ask(NAME)
                    mine = await clients.answers(SOME)
                    assert 0 < len(mine) < SIZE
                assert len(mine) + len(await clients.answers()) == SIZE
            stand.write(sockets=1, address=NEW)
            server.signal(signal.SIGUSR1)
            await until(lambda: not any(map(lives, pids)))
            await clients.all_told(NAME, NEW)


async def test_reloads_in_quick_succession_end_at_the_last(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        await worker(server)
        for number in range(6):
            stand.write(address=f"192.0.2.{100 + number}", sockets=2 + number % 2)
            server.signal(signal.SIGUSR1)
            done = number + 1
            await until(lambda: server.lines.count("[INFO] Reloading complete") == done)  # noqa: B023  # awaited here
        with crowd(stand.port) as clients:
            await clients.all_told(NAME, "192.0.2.105")
        await until(lambda: len(list(workers(server))) == 2)
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
    assert not any("does not come" in line for line in server.lines)


# -- the end


async def test_the_end_may_come_while_workers_begin(stand: Stand) -> None:
    stand.write(sockets=3)
    async with process.minidns(*stand.args) as server:
        await server.said("python3")
        await until(lambda: len(list(workers(server))) > 0)
        begun = list(workers(server))
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        await until(lambda: not any(map(lives, begun)))
    assert not any("does not come" in line for line in server.lines)


async def test_all_answer_through_the_lame_duck(stand: Stand) -> None:
    ready = listening_port()
    more = f"ready 127.0.0.1:{ready}\nhealth 127.0.0.1:0 {{\nlameduck 1s\n}}"
    stand.write(more=more)
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        with crowd(stand.port) as clients:
            server.signal(signal.SIGTERM)
            await server.said("lameduck")
            async with stopped(pid):
                clients.ask(NAME)
                mine = await clients.answers(SOME)
                assert 0 < len(mine) < SIZE  # so the worker still has its share
            assert len(mine) + len(await clients.answers()) == SIZE
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", ready)
        assert await server.ended() == 0
        assert not lives(pid)
    assert not any("ended:" in line for line in server.lines)


async def test_queries_under_way_at_the_end_are_answered(stand: Stand) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.bind(("127.0.0.1", 0))
        upstream.setblocking(False)
        stand.path.write_text(
            f".:{stand.port} {{\n bind 127.0.0.1\n multisocket 2\n"
            f" forward . 127.0.0.1:{upstream.getsockname()[1]}\n}}\n"
        )
        loop = asyncio.get_running_loop()
        async with process.minidns(*stand.args) as server:
            await worker(server)
            with crowd(stand.port) as clients:
                clients.ask("{}.example.org.")
                asked = [await loop.sock_recvfrom(upstream, 4096) for _ in range(SIZE)]
                server.signal(signal.SIGTERM)
                await server.said("SIGTERM")
                for wire, peer in asked:
                    reply = dns.message.make_response(dns.message.from_wire(wire))
                    await loop.sock_sendto(upstream, reply.to_wire(), peer)
                assert len(await clients.answers()) == SIZE
            assert await server.ended() == 0
