"""*multisocket* with real processes: sharing, deaths, metrics, the end."""

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import dns.message
import pytest

from tests import process
from tests.crowd import NAME, NEW, OLD, SIZE, SOME, Stand, crowd, listening_port, lives, stopped, until, worker, workers
from tests.server import client

pytestmark = pytest.mark.slow


async def test_the_share_of_a_dead_worker_goes_to_the_others(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        first = await worker(server)
        with crowd(stand.port) as clients:
            async with stopped(first):
                clients.ask(NAME)
                assert 0 < len(await clients.answers(SOME)) < SIZE
            os.kill(first, signal.SIGKILL)
            await server.said(f"Worker 1 (pid {first}) ended: SIGKILL")
            assert await clients.told(NAME) == {OLD: SIZE}
            second = await worker(server, nth=2)
            async with stopped(second):  # which has a share again
                clients.ask(NAME)
                assert 0 < len(await clients.answers(SOME)) < SIZE
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
        await until(lambda: not lives(second))


async def test_a_worker_that_hangs_is_replaced_before_clients_give_up(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        first = await worker(server)
        async with stopped(first):
            began = time.monotonic()
            await server.said(f"Worker 1 (pid {first}) ended: no report")
            assert time.monotonic() - began < 5.0  # glibc asks again after 5 s
            with crowd(stand.port) as clients:
                assert await clients.told(NAME) == {OLD: SIZE}
        assert await worker(server, nth=2) != first


async def test_one_that_dies_again_and_again_is_replaced_after_a_backoff(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        died: list[float] = []
        for turn in range(3):
            os.kill(await worker(server, nth=turn + 1), signal.SIGKILL)
            died.append(time.monotonic())
            await until(lambda: not list(workers(server)))
        with crowd(stand.port) as clients:
            assert await clients.told(NAME) == {OLD: SIZE}
        assert died[2] - died[1] > 0.8  # the first step of the backoff


async def test_one_that_cannot_serve_says_why_and_is_tried_again(stand: Stand, tmp_path: Path) -> None:
    resolvers = tmp_path / "resolv.conf"
    resolvers.write_text("nameserver 127.0.0.1\n")
    stand.write(more=f"forward example.net {resolvers}")
    async with process.minidns(*stand.args) as server:
        first = await worker(server)
        resolvers.unlink()
        os.kill(first, signal.SIGKILL)
        await server.matched(rf"Worker .*{resolvers}")
        with crowd(stand.port) as clients:
            assert await clients.told(NAME) == {OLD: SIZE}
            resolvers.write_text("nameserver 127.0.0.1\n")
            await worker(server, nth=2)
            assert await clients.told(NAME) == {OLD: SIZE}


async def test_signals_to_a_worker_are_ignored_and_it_ends_with_the_main_process(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            os.kill(pid, number)
        with crowd(stand.port) as clients:
            assert await clients.told(NAME) == {OLD: SIZE}
        assert lives(pid)
        assert os.getsid(pid) != os.getsid(server.process.pid)  # nor Ctrl-C
        server.signal(signal.SIGKILL)
        await until(lambda: not lives(pid))


async def test_tcp_is_shared_too(stand: Stand) -> None:
    wire = dns.message.make_query(NAME, "A").to_wire()
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        async with stopped(pid):
            asking = [asyncio.create_task(client.tcp(stand.port, wire)) for _ in "x" * 24]
            await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            _, waiting = await asyncio.wait(asking, timeout=SOME)
            assert waiting
        for (reply,) in await asyncio.gather(*asking):
            assert dns.message.from_wire(reply).answer


async def test_wildcard_addresses_of_both_families(stand: Stand) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    stand.path.write_text(stand.path.read_text().replace("bind 127.0.0.1", ""))
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        for host in ("127.0.0.1", "::1"):
            with crowd(stand.port, host) as clients:
                async with stopped(pid):
                    clients.ask(NAME)
                    mine = await clients.answers(SOME)
                assert 0 < len(mine) < SIZE
                assert len(mine) + len(await clients.answers()) == SIZE


async def test_workers_share_a_port_that_the_kernel_chose(stand: Stand) -> None:
    stand.path.write_text(stand.path.read_text().replace(f".:{stand.port}", ".:0"))
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        line = await server.matched(r"^\.:\d+ on ")
        with crowd(int(line.split()[0].partition(":")[2])) as clients:
            async with stopped(pid):
                clients.ask(NAME)
                assert 0 < len(await clients.answers(SOME)) < SIZE


async def test_an_address_that_another_program_has_is_an_error(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        await worker(server)
        status, _, err = await process.run(*stand.args)
        assert status == 1
        assert "another program has port" in err


async def test_only_the_main_process_answers_blocks_without_the_directive(stand: Stand) -> None:
    other = listening_port()
    more = f"example.net:{other} {{\n bind 127.0.0.1\n template IN A\n}}\n"
    stand.path.write_text(stand.path.read_text() + more)
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        with crowd(other) as clients:
            async with stopped(pid):
                assert await clients.told("a.example.net.") == {"NOERROR": SIZE}


async def test_a_loop_is_detected_whichever_process_forwards(stand: Stand) -> None:
    stand.path.write_text(
        f".:{stand.port} {{\n bind 127.0.0.1\n multisocket 3\n loop\n forward . 127.0.0.1:{stand.port}\n}}\n"
    )
    async with process.minidns(*stand.args) as server:
        await server.said("[FATAL] plugin/loop: Loop (127.0.0.1:")
        assert await server.ended() == 1


# -- metrics


async def scrape(port: int) -> dict[str, float]:
    """Return the numbers of a scrape by name with labels."""
    _, text = await process.http(port, "/metrics")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    pairs = (line.rpartition(" ") for line in lines)
    return {name: float(value) for name, _, value in pairs}


async def scrape_until(port: int, name: str, value: float) -> dict[str, float]:
    """Return the first scrape in which ``name`` has ``value``; workers report late."""
    async with asyncio.timeout(process.DEADLINE_S):
        while (numbers := await scrape(port)).get(name) != value:
            await asyncio.sleep(0.02)
    return numbers


async def test_a_scrape_sums_what_all_processes_counted(stand: Stand) -> None:
    port = listening_port()
    stand.write(more=f"prometheus 127.0.0.1:{port}\ncache 30")
    label = f'server="dns://127.0.0.1:{stand.port}"'
    requests = f'coredns_dns_requests_total{{family="1",proto="udp",{label},type="A",view="",zone="."}}'
    sizes = f'coredns_dns_request_size_bytes_count{{proto="udp",{label},view="",zone="."}}'
    entries = f'coredns_cache_entries{{{label},type="success",view="",zones="."}}'
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        with crowd(stand.port) as clients:
            for turn in range(1, 4):
                assert await clients.told(NAME) == {OLD: SIZE}
                before = await scrape_until(port, requests, turn * SIZE)
                assert before[sizes] == turn * SIZE
            assert before[entries] == 2  # one in each cache
            assert before["minidns_workers"] == 1
            os.kill(pid, signal.SIGKILL)
            await server.said("SIGKILL")
            after = await scrape(port)
            assert after[requests] == 3 * SIZE  # what it counted stays
            assert after[entries] == 1  # what it had is gone
            assert after["minidns_worker_deaths_total"] == 1
            memory, cpu = "process_resident_memory_bytes", "process_cpu_seconds_total"
            assert after[memory] < before[memory]
            assert after[cpu] >= before[cpu]
            pid = await worker(server, nth=2)
            assert await clients.told(NAME) == {OLD: SIZE}
            await scrape_until(port, requests, 4 * SIZE)
            async with stopped(pid):  # a scrape does not wait for one that hangs
                assert (await scrape(port))[requests] == 4 * SIZE


# -- reload


async def test_a_reload_reaches_every_process_and_loses_nothing(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        with crowd(stand.port) as clients:
            stand.write(address=NEW)
            server.signal(signal.SIGUSR1)
            async with asyncio.timeout(process.DEADLINE_S):
                while (told := await clients.told(NAME)) != {NEW: SIZE}:
                    assert told.total() == SIZE
            stand.path.write_text("no such thing {\n")
            server.signal(signal.SIGUSR1)
            await server.said("Restart failed")
            assert await clients.told(NAME) == {NEW: SIZE}
            assert lives(pid)
            os.kill(pid, signal.SIGKILL)  # the next one does not read the broken file
            await worker(server, nth=2)
            assert await clients.told(NAME) == {NEW: SIZE}


async def test_a_reload_to_more_processes_starts_them_and_one_to_fewer_keeps_them(stand: Stand) -> None:
    stand.write(sockets=1)
    async with process.minidns(*stand.args) as server:
        await server.said("python3")
        with crowd(stand.port) as clients:
            stand.write(sockets=3)
            server.signal(signal.SIGUSR1)
            pids = [await worker(server, number) for number in (1, 2)]
            for pid in pids:
                async with stopped(pid):
                    clients.ask(NAME)
                    mine = await clients.answers(SOME)
                    assert 0 < len(mine) < SIZE
                assert len(mine) + len(await clients.answers()) == SIZE
            stand.write(sockets=1, address=NEW)
            server.signal(signal.SIGUSR1)
            async with asyncio.timeout(process.DEADLINE_S):
                while (told := await clients.told(NAME)) != {NEW: SIZE}:
                    assert told.total() == SIZE
            assert all(map(lives, pids))
            os.kill(pids[0], signal.SIGKILL)
            await worker(server, nth=2)  # which can still share the addresses
            assert await clients.told(NAME) == {NEW: SIZE}


async def test_reloads_in_quick_succession_end_at_the_last(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        await server.said("python3")
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
    assert not any("ended:" in line for line in server.lines)


# -- the end


async def test_the_end_may_come_while_workers_start(stand: Stand) -> None:
    stand.write(sockets=3)
    async with process.minidns(*stand.args) as server:
        await until(lambda: len(list(workers(server))) > 0)
        begun = list(workers(server))
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        await until(lambda: not any(map(lives, begun)))
    assert not any("ended:" in line for line in server.lines)


async def test_all_answer_through_the_lame_duck(stand: Stand) -> None:
    stand.write(more="health 127.0.0.1:0 {\nlameduck 1s\n}")
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
        assert await server.ended() == 0
        assert not lives(pid)


async def test_queries_in_flight_at_the_end_are_answered(stand: Stand) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
        upstream.bind(("127.0.0.1", 0))
        upstream.setblocking(False)
        port = upstream.getsockname()[1]
        stand.path.write_text(f".:{stand.port} {{\n bind 127.0.0.1\n multisocket 2\n forward . 127.0.0.1:{port}\n}}\n")
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
