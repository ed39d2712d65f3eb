"""``python -m tests.survival``: the promises that are figures, measured one by one."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutants
from tests.history.playing import Different, Stage
from tests.survival import api_side
from tests.survival.asking import Steadily
from tests.survival.attack import attacked
from tests.survival.beginnings import first_answers
from tests.survival.datagrams import DROP, ERRORS, rows
from tests.survival.forging import forged
from tests.survival.streams import Client, connected, frame, is_answered
from tests.survival.test_history import PLAYED
from tests.survival.test_overload import UNLIMITED, good_s, hostile
from tests.survival.world import Server, api, cluster_dns, is_good, minidns, query, udp, upstream


class Failed(Exception):
    """A promise that was not kept."""


@contextlib.contextmanager
def served() -> Iterator[Server]:
    """Run a server with kubeadm's chain."""
    with tempfile.TemporaryDirectory() as folder, cluster_dns(Path(folder)) as server:
        yield server


def say(what: str, figure: str, kept: bool) -> None:
    """Print a line of the table."""
    print(f"{what:48} {figure}{'' if kept else '   NOT KEPT'}", flush=True)
    if not kept:
        raise Failed(what)


def hostile_datagrams(_: argparse.Namespace) -> None:
    """Send the table, and measure the good query after each."""
    table = tuple(rows())
    with served() as server:
        attacked(server, table)  # warm
        seen = attacked(server, table)
    slowest = max(outcome.good_s for outcome in seen.values())
    wrong = [row for row in table if row.kind in (*ERRORS, DROP)]
    sent = sum(len(row.wire) for row in wrong)
    came = sum(len(reply) for row in wrong for reply in seen[row.id].replies)
    say("hostile datagrams, a good answer right after", f"{len(table)} of {len(table)}, slowest {slowest * 1000:.1f} ms", slowest < 0.005)  # fmt: skip
    say("bytes out to bytes in, errors", f"{came / sent:.3f}", came <= sent)


def live_fuzz(args: argparse.Namespace) -> None:
    """Send mutants of the table at a server; after every thousand a good query."""
    count = args.datagrams
    seeds = [row.wire for row in rows() if len(row.wire) < 600]
    with served() as server, udp(server.port) as sock:
        sock.setblocking(False)
        memory, files, slowest = server.rss_mb(), server.files(), 0.0
        for number, wire in enumerate(mutants(seeds, Random(9)), 1):
            with contextlib.suppress(OSError):
                sock.send(wire)
            if number % 50 == 0:
                with contextlib.suppress(BlockingIOError):
                    while sock.recv(4096):
                        pass
            if number % 1000 == 0:
                slowest = max(slowest, good_s(server))
            if number == count:
                break
        grown = server.rss_mb() - memory
        alive = server.is_running and server.files() <= files + 4
    say(f"{count:,} mutated datagrams", f"alive, {grown:+.1f} MB, slowest good answer {slowest * 1000:.0f} ms", alive and grown < 15)  # fmt: skip


def percentile(server: Server, count: int) -> float:
    """Return the 99th percentile of UDP answers in seconds, one query at a time."""
    took = []
    with udp(server.port) as sock:
        for number in range(count):
            began = time.perf_counter()
            sock.send(query(number % 65536))
            assert is_good(sock.recv(512))
            took.append(time.perf_counter() - began)
    return sorted(took)[count * 99 // 100]


def idle_connections(_: argparse.Namespace) -> None:
    """Compare UDP with and without a thousand idle connections, and dial a new one."""

    async def measure(server: Server) -> tuple[float, float, float]:
        percentile(server, 2000)
        before = percentile(server, 10_000)
        memory = server.rss_mb()
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(connected(server.port, f"127.5.0.{n}"))
                for n in range(1, 11)
                for _ in range(100)
            ]
            await asyncio.gather(*map(ask, clients))  # idle for 10 s from now on
            during = percentile(server, 10_000)
            dialled = [await is_answered(server.port) for _ in range(50)]
            assert server.connections() >= 1000
            grown = server.rss_mb() - memory
        say("memory of 1,000 idle connections", f"{grown:+.1f} MB", grown < 20)
        return before, during, max(dialled)

    async def ask(client: Client) -> None:
        await client.send(frame(query(1)))
        await client.replies(1)

    with served() as server:
        before, during, dialled = asyncio.run(measure(server))
    more = (during - before) * 1000
    say("UDP p99 with 1,000 idle connections", f"{before * 1000:.2f} ms without, {during * 1000:.2f} ms with ({more:+.2f})", more <= 1)  # fmt: skip
    say("a new TCP query beside them, slowest of 50", f"{dialled * 1000:.1f} ms", dialled <= 0.05)  # fmt: skip


def coming_and_going(args: argparse.Namespace) -> None:
    """Connect and close as fast as possible for some seconds."""

    async def storm(port: int, seconds: float) -> int:
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()
            count += 1
        return count

    with served() as server:
        files = server.files()
        count = asyncio.run(storm(server.port, 5.0))
        began = time.monotonic()
        while server.files() > files + 2 and time.monotonic() - began < 10:
            time.sleep(0.01)
        took = time.monotonic() - began
    say(f"files back after {count:,} connections in 5 s", f"{took:.2f} s", took <= 1)


def overload(args: argparse.Namespace) -> None:
    """Ask twice as much as can be answered, names that nobody asked before."""
    with (
        tempfile.TemporaryDirectory() as name,
        api(Path(name) / "kubeconfig"),
        upstream() as port,
        minidns(Path(name), UNLIMITED, kubeconfig=Path(name) / "kubeconfig", upstream_port=port) as server,
    ):
        rng = Random(3)
        wires = [hostile(n, rng) for n in range(20_000)]
        memory = server.rss_mb()
        sent, took = _open_loop(server, wires, args.overload_s)
        grown = server.rss_mb() - memory
        began = time.monotonic()
        answered_s = 1.0
        while answered_s > 0.01 and time.monotonic() - began < 10:
            with contextlib.suppress(TimeoutError):
                answered_s = good_s(server, 0.05)
        normal = time.monotonic() - began
    took.sort()
    p99 = took[len(took) * 99 // 100]
    say(f"overload: {sent:,} sent, {len(took):,} answered", f"p99 {p99 * 1000:.0f} ms", p99 <= 0.2)  # fmt: skip
    say("memory it took, time until normal", f"{grown:+.1f} MB, {normal:.2f} s", grown <= 20 and normal <= 2)  # fmt: skip


def _open_loop(server: Server, wires: list[bytes], seconds: float) -> tuple[int, list[float]]:
    """Send as fast as this process can; return how many, and what answers took."""
    at: dict[bytes, float] = {}
    took: list[float] = []
    sent, end = 0, time.perf_counter() + seconds
    with udp(server.port) as sock:
        sock.setsockopt(1, 8, 4 << 20)
        sock.setblocking(False)
        while (now := time.perf_counter()) < end:
            wire = wires[sent % len(wires)]
            # a new name in place of one that would be remembered by now
            wire = (sent & 0xFFFF).to_bytes(2) + wire[2:13] + sent.to_bytes(8) + wire[21:]
            with contextlib.suppress(BlockingIOError):
                sock.send(wire)
                at[wire[:2]] = now
                sent += 1
            if sent % 16 == 0:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        began = at.pop(sock.recv(2048)[:2], None)
                        if began is not None:
                            took.append(time.perf_counter() - began)
    return sent, took


def restarts(args: argparse.Namespace) -> None:
    """End a process under load as often as asked; lame ducks answer to the last."""
    lost = sent = 0
    for _ in range(args.restarts):
        with (
            tempfile.TemporaryDirectory() as folder,
            cluster_dns(Path(folder), lameduck="1s") as server,
            Steadily(server.port, 5000) as load,
        ):
            time.sleep(0.3)
            server.process.terminate()
            time.sleep(0.7)
        lost += load.lost + load.wrong
        sent += load.sent
    say(f"lost over {args.restarts} SIGTERMs, of {sent:,}", str(lost), lost == 0)


def beginnings(args: argparse.Namespace) -> None:
    """Kill -9, start again, and wait for the first right answer."""
    for services, endpoints, limit in ((1000, 1500, 3.0), (10_000, 150_000, 10.0)):
        took = first_answers(services, endpoints, args.kills)
        what = f"right again after kill -9, {services:,} Services"
        say(what, f"{took:.2f} s (slowest of {args.kills})", took <= limit)


def forgeries(args: argparse.Namespace) -> None:
    """Send forged replies before each true one, wrong in one thing only."""
    sent, believed, true, other = forged(args.forged)
    what = f"believed, of {sent:,} forged replies"
    figure = f"{believed} ({true:,} queries had the true one, {other} none)"
    say(what, figure, believed == other == 0)


def gaps(args: argparse.Namespace) -> None:
    """Make a thousand changes that the watch cannot tell of."""
    for compacted in (False, True):
        how = "a new list" if compacted else "the old version"
        took = api_side.cut_s(compacted=compacted)
        say(f"1,000 changes after a cut, from {how}", f"{took:.1f} s", took <= 5)
    took = api_side.outage_s(args.outage_s)
    what = f"1,000 changes after {args.outage_s:.0f} s without the API server"
    say(what, f"{took:.1f} s", took <= 65)


def relists(_: argparse.Namespace) -> None:
    """List 10,000 Services with 150,000 endpoints anew, in both ways."""
    for streaming in (False, True):
        cost = api_side.relisted(streaming=streaming)
        what = f"relist of 150,000 endpoints, {'streaming' if streaming else 'in pages'}"
        figure = f"{cost.peak_mib:.0f} MiB, slowest answer {cost.stall_ms:.0f} ms"
        say(what, figure, cost.peak_mib <= 170 and cost.stall_ms <= 50)


def churn(args: argparse.Namespace) -> None:
    """Change endpoints a thousand times a second."""
    seen = api_side.churned(1000, 1000.0, args.churn_s)
    what = f"1,000 changes a second for {args.churn_s:.0f} s"
    figure = f"lag {seen.slowest_lag_s:.2f} s, p99 {seen.p99_ms:.1f} ms"
    say(what, figure, seen.slowest_lag_s <= 1 and seen.p99_ms <= 10 and not seen.lost)


def audits(args: argparse.Namespace) -> None:
    """Compare 10,000 Services with 150,000 endpoints with fresh lists."""
    seen = api_side.audited(20.0, args.audit_s)
    what = f"{seen.audits} audits of 150,000 endpoints that move"
    grown = seen.peak_mib - seen.before_mib
    figure = f"{seen.differences} found, +{grown:.0f} MiB, slowest answer {seen.slowest_ms:.0f} ms"  # fmt: skip
    say(what, figure, seen.differences == 0 and grown <= 30 and seen.slowest_ms <= 50)


async def _histories_on(name: str, count: int) -> None:
    """Play ``count`` random histories on one Corefile.

    Raises:
        Different: a reply depends on what was asked before it.

    """
    stage = Stage(PLAYED[name])
    await stage.open()
    try:
        for number in range(count):
            await stage.play(Random(f"{name} {number}"))
    finally:
        await stage.close()


def _histories_failed(name: str, count: int) -> str:
    """Return why the histories on one Corefile failed, "" if none did."""
    try:
        asyncio.run(_histories_on(name, count))
    except Different as error:
        return str(error)
    return ""


def histories(args: argparse.Namespace) -> None:
    """Play random histories on each Corefile; compare with servers that are fresh."""
    count = -(-args.count // len(PLAYED))
    began = time.perf_counter()
    failed = []
    with ProcessPoolExecutor(args.processes) as workers:
        results = {workers.submit(_histories_failed, name, count): name for name in PLAYED}
        for done, result in enumerate(as_completed(results), 1):
            if reason := result.result():
                failed.append(results[result])
                print(reason, flush=True)
            else:
                played = f"{results[result]}: {count} histories"
                print(f"  {done}/{len(PLAYED)} {played}", file=sys.stderr, flush=True)
    rate = count * len(PLAYED) / (time.perf_counter() - began)
    what = f"{count * len(PLAYED):,} histories on {len(PLAYED)} Corefiles"
    figure = f"differ on {', '.join(failed)}" if failed else "no reply depends on one"
    say(what, f"{figure}, {rate:.0f} a second", kept=not failed)


MEASURED: dict[str, Callable[[argparse.Namespace], None]] = {
    "datagrams": hostile_datagrams,
    "fuzz": live_fuzz,
    "idle": idle_connections,
    "connections": coming_and_going,
    "overload": overload,
    "restarts": restarts,
    "kill": beginnings,
    "forged": forgeries,
    "gaps": gaps,
    "relists": relists,
    "churn": churn,
    "audits": audits,
    "history": histories,
}


def main() -> int:
    """Measure what is named, or all; return 1 when a promise was not kept."""
    parser = argparse.ArgumentParser("tests.survival", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"(all of {', '.join(MEASURED)})")
    parser.add_argument("--datagrams", type=int, default=1_000_000, help="to mutate")
    parser.add_argument("--count", type=int, default=5000, help="histories to play")
    parser.add_argument("--processes", type=int, default=2, help="that play histories")
    parser.add_argument("--overload-s", type=float, default=60.0, help="seconds of it")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--forged", type=int, default=1_000_000, help="replies")
    parser.add_argument("--outage-s", type=float, default=150.0, help="seconds of it")
    parser.add_argument("--churn-s", type=float, default=60.0, help="seconds of it")
    parser.add_argument("--audit-s", type=float, default=200.0, help="seconds of them")
    args = parser.parse_args()
    failed = 0
    for name in args.what or MEASURED:
        try:
            MEASURED[name](args)
        except Failed:
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
