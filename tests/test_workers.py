"""*multisocket* with real processes: who answers, who dies, who takes over."""

import asyncio
import json
import os
import signal
import socket
import urllib.request
from pathlib import Path

import dns.message
import pytest

from minidns.server.datagrams import BATCH
from tests import process
from tests.crowd import (
    NAME,
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
)
from tests.server import client


async def test_both_answer_and_what_a_dead_worker_left_is_answered(
    stand: Stand,
) -> None:
    async with process.minidns(*stand.args) as server:
        first = await worker(server)
        with crowd(stand.port) as clients:
            async with stopped(first):
                clients.ask(NAME)
                mine = await clients.answers(SOME)
                assert 0 < len(mine) < SIZE  # the rest waits in the worker's socket
                os.kill(first, signal.SIGKILL)
                theirs = await clients.answers(process.DEADLINE_S)
                assert len(mine) + len(theirs) == SIZE
            assert "SIGKILL" in await server.said(f"Worker 1 (pid {first}) ended")
            second = await worker(server, nth=2)
            assert second != first
            async with stopped(second):  # which has a share again
                clients.ask(NAME)
                assert 0 < len(await clients.answers(SOME)) < SIZE
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
        await until(lambda: not lives(second))


async def test_what_waits_for_a_stopped_worker_is_answered_before_clients_give_up(
    stand: Stand,
) -> None:
    async with process.minidns(*stand.args) as server:
        first = await worker(server)
        with crowd(stand.port) as clients:
            async with stopped(first):
                clients.ask(NAME)
                mine = await clients.answers(SOME)
                assert 0 < len(mine) < SIZE
                # glibc asks again after 5 s
                theirs = await clients.answers(5.0 - SOME)
                assert len(mine) + len(theirs) == SIZE
        await server.said(f"Worker 1 (pid {first}) ended: it said nothing for 2 s")
        assert await worker(server, nth=2) != first


async def test_killed_under_load_it_takes_one_batch_along(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        victim = await worker(server)
        lost = []
        with crowd(stand.port, size=4 * BATCH) as clients:
            for turn in range(20):
                clients.ask(NAME)
                if turn == 10:
                    os.kill(victim, signal.SIGKILL)
                answers = await clients.answers(2.0)
                lost.append(4 * BATCH - len(answers))
        assert lost.pop(10) <= BATCH  # what it had read and not answered
        assert not any(lost)
        await worker(server, nth=2)


async def test_one_that_dies_again_and_again_is_replaced_after_a_while(
    stand: Stand,
) -> None:
    async with process.minidns(*stand.args) as server:
        for turn in range(3):
            os.kill(await worker(server, nth=turn + 1), signal.SIGKILL)
        with crowd(stand.port) as clients:
            for _ in range(20):  # nobody has a worker now, and nobody waits for one
                assert await clients.told(NAME) == {OLD: SIZE}
        assert sum("answers (pid" in line for line in server.lines) == 3


async def test_one_that_cannot_start_is_tried_again(
    stand: Stand, tmp_path: Path
) -> None:
    resolvers = tmp_path / "resolv.conf"
    resolvers.write_text("nameserver 127.0.0.1\n")
    stand.write(more=f"forward example.net {resolvers}")
    async with process.minidns(*stand.args, "-log.format", "json") as server:
        first = await worker(server)
        resolvers.unlink()
        os.kill(first, signal.SIGKILL)
        line = await server.said("Worker 1 does not come to answer")
        assert str(resolvers) in line
        with crowd(stand.port) as clients:
            assert await clients.told(NAME) == {OLD: SIZE}
            resolvers.write_text("nameserver 127.0.0.1\n")
            await worker(server, nth=2)
            assert await clients.told(NAME) == {OLD: SIZE}


async def test_workers_write_the_log_in_the_form_of_all(stand: Stand) -> None:
    stand.write(more="log")
    async with process.minidns(*stand.args, "-log.format", "json") as server:
        await worker(server)
        with crowd(stand.port) as clients:
            assert await clients.told(NAME) == {OLD: SIZE}
            await until(lambda: sum("NOERROR" in x for x in server.lines) == SIZE)
        for line in server.lines:
            if "NOERROR" in line:
                assert json.loads(line)["plugin"] == "log"


async def test_a_worker_ignores_what_is_the_main_processes_to_hear(
    stand: Stand,
) -> None:
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
            asking = [
                asyncio.create_task(client.tcp(stand.port, wire)) for _ in "x" * 24
            ]
            done, waiting = await asyncio.wait(asking, timeout=SOME)
            assert done
            assert waiting
        for (reply,) in await asyncio.gather(*asking):
            assert dns.message.from_wire(reply).answer


async def test_wildcard_addresses_of_both_families(tmp_path: Path) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    stand = Stand(tmp_path)
    stand.write()
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


async def test_an_address_that_another_program_has_is_an_error(stand: Stand) -> None:
    async with process.minidns(*stand.args) as server:
        await worker(server)
        status, _, err = await process.run(*stand.args)
        assert status == 1
        assert "another program has port" in err


async def test_blocks_without_the_directive_are_the_main_processes(
    stand: Stand,
) -> None:
    other = listening_port()
    more = f"example.net:{other} {{\n bind 127.0.0.1\n template IN A\n}}\n"
    stand.path.write_text(stand.path.read_text() + more)
    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        with crowd(other) as clients:
            async with stopped(pid):
                assert await clients.told("a.example.net.") == {"NOERROR": SIZE}


# -- a scrape


def numbers(port: int) -> dict[str, float]:
    """Return what a scrape shows, by name with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


async def test_a_scrape_shows_the_sum(stand: Stand) -> None:
    scraped = listening_port()
    stand.write(more=f"prometheus 127.0.0.1:{scraped}\ncache 30")
    server_label = f'server="dns://127.0.0.1:{stand.port}"'
    requests = (
        f'coredns_dns_requests_total{{family="1",proto="udp",{server_label},'
        'type="A",view="",zone="."}'
    )
    sizes = (
        f'coredns_dns_request_size_bytes_count{{proto="udp",{server_label},'
        'view="",zone="."}'
    )
    entries = (
        f'coredns_cache_entries{{{server_label},type="success",view="",zones="."}}'
    )

    async def shown(name: str) -> float:
        return (await asyncio.to_thread(numbers, scraped)).get(name, 0)

    async def shows(name: str, value: float) -> None:
        async with asyncio.timeout(process.DEADLINE_S):
            while await shown(name) != value:
                await asyncio.sleep(0.05)

    async with process.minidns(*stand.args) as server:
        pid = await worker(server)
        with crowd(stand.port) as clients:
            for _ in range(5):
                assert await clients.told(NAME) == {OLD: SIZE}
            await shows(requests, 5 * SIZE)
            await shows(sizes, 5 * SIZE)
            await shows(entries, 2)  # one in each cache
            await shows("minidns_workers", 1)
            before = await asyncio.to_thread(numbers, scraped)
            os.kill(pid, signal.SIGKILL)
            await server.said("SIGKILL")
            after = await asyncio.to_thread(numbers, scraped)
            assert after[requests] == 5 * SIZE  # what it counted stays
            assert after[entries] == 1  # what it had is gone
            assert after["minidns_worker_deaths_total"] == 1
            cpu = "process_cpu_seconds_total"
            assert after[cpu] >= before[cpu]
            memory = "process_resident_memory_bytes"
            assert after[memory] < before[memory]
            await worker(server, nth=2)
            assert await clients.told(NAME) == {OLD: SIZE}
            await shows(requests, 6 * SIZE)


async def test_a_ring_is_found_whoever_forwards(stand: Stand) -> None:
    stand.path.write_text(
        f".:{stand.port} {{\n bind 127.0.0.1\n multisocket 3\n loop\n"
        f" forward . 127.0.0.1:{stand.port}\n}}\n"
    )
    async with process.minidns(*stand.args) as server:
        await server.said("[FATAL] plugin/loop: Loop (127.0.0.1:")
        assert await server.ended() == 1
