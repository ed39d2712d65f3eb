"""Another Corefile takes over while queries go on, or fails to."""

import asyncio
import hashlib
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from minidns.dns.model import Question
from minidns.dns.rdata import type_number
from minidns.probe.lookup import Form, look_up
from tests import process
from tests.probe import fake_server
from tests.server import client
from tests.serving import Serving, serving
from tests.world import World

WWW = "www.example.org."
ANSWER = 'template IN A {{\nanswer "{{{{ .Name }}}} 60 IN A {}"\n}}\n'


def corefile(port: int, address: str = "192.0.2.1", more: str = "") -> str:
    """Return a Corefile that answers with an address, and is looked at again."""
    answer = ANSWER.format(address)
    return f".:{port} {{\nbind 127.0.0.1\n{answer}reload 2s 0\n{more}\n}}\n"


async def address(port: int) -> str:
    reply = await client.ask(port, WWW)
    return str(reply.answer[0][0])


@pytest.mark.slow
async def test_no_query_is_lost_while_another_file_takes_over(tmp_path: Path) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    path.write_text(corefile(port))
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        first = await server.matched(r"^\[INFO\] plugin/reload: Running configuration SHA512 = [0-9a-f]{128}$")
        path.write_text(corefile(port, "192.0.2.2"))
        seen: list[str] = []
        async with asyncio.timeout(process.DEADLINE_S):
            while seen[-1:] != ["192.0.2.2"]:  # each must come within its deadline
                seen.append(await address(port))
                await asyncio.sleep(0.002)
        assert set(seen) == {"192.0.2.1", "192.0.2.2"}
        assert seen == sorted(seen)
        await server.matched(f"^(?!{re.escape(first)}).*Running configuration SHA512 = ")
        begun = server.lines.index(first)
        assert server.lines[begun + 1] == "[INFO] Reloading"
        assert "[INFO] Reloading complete" in server.lines


@pytest.mark.slow
async def test_no_probe_is_lost_either(tmp_path: Path) -> None:
    ports = {path: process.free_port() for path in ("/health", "/ready", "/metrics")}
    path = tmp_path / "Corefile"
    lines = "\n".join(
        f"{plugin} 127.0.0.1:{port}"
        for plugin, port in zip(("health", "ready", "prometheus"), ports.values(), strict=True)
    )
    path.write_text(corefile(process.free_port(), more=lines))
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        await server.said("Running configuration")
        for times in range(1, 4):
            server.signal(signal.SIGUSR1)
            while server.lines.count("[INFO] Reloading complete") < times:
                for page, port in ports.items():
                    assert (await process.http(port, page))[0] == 200
        for page, port in ports.items():
            assert (await process.http(port, page))[0] == 200


@pytest.mark.slow
async def test_what_a_bad_file_says_and_that_a_missing_one_is_no_news(tmp_path: Path) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    path.write_text(corefile(port))
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        await server.said("Running configuration")
        path.write_text(corefile(port, "192.0.2.2", more="nosuch"))
        why = f"{path}:7 - Error during parsing: Unknown directive 'nosuch'"
        await server.said("[ERROR] plugin/reload")
        begun = server.lines.index("[INFO] Reloading")
        assert server.lines[begun : begun + 3] == [
            "[INFO] Reloading",
            f"[ERROR] Restart failed: {why}",
            "[ERROR] plugin/reload: Corefile changed but reload failed:"
            f" starting with listener file descriptors: {why}",
        ]
        said = len(server.lines)
        path.unlink()
        assert await address(port) == "192.0.2.1"
        path.write_text(corefile(port, "192.0.2.3"))
        await server.said("[INFO] Reloading complete")
        assert server.lines[said] == "[INFO] Reloading"
        assert await address(port) == "192.0.2.3"
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0


# -- with time moved by hand


class Watched:
    """The log lines and versions of a server with a watched Corefile."""

    def __init__(self, running: Serving, caplog: pytest.LogCaptureFixture) -> None:
        self.running = running
        self._caplog = caplog

    async def look(self, times: int = 1) -> None:
        """Let the watch look so many times, each look come to its end."""
        for _ in range(times):
            await self.running.pass_(2)
            for _ in range(50):  # endpoints open and close in a few turns
                await asyncio.sleep(0.001)

    def said(self, text: str) -> int:
        return sum(text in record.getMessage() for record in self._caplog.records)

    @property
    def failures(self) -> float:
        return self.running.world.metrics.value("coredns_reload_failed_total")

    @property
    def versions(self) -> list[tuple[str, ...]]:
        families = {family.name: family for family in self.running.world.metrics.families()}
        return list(families["coredns_reload_version_info"].values)


Watch = Callable[[Serving], Watched]


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture) -> Watch:
    caplog.set_level("INFO")
    return lambda running: Watched(running, caplog)


FILES = {"/lines.conf": "whoami\n", "/hosts": "192.0.2.1 a\n"}
SAME = ".:0 {\nbind 127.0.0.1\nimport /lines.conf\nhosts /hosts {\nfallthrough\nreload 0\n}\nreload 2s 0\n}\n"
EDITS = {
    "comment-on-a-line": ({"Corefile": SAME.replace("reload 0", "reload 0 # never")}, 0),
    "comment-that-moves-lines": ({"Corefile": "# new\n" + SAME}, 1),
    "imported-file": ({"/lines.conf": "whoami\nerrors\n"}, 1),
    "hosts-file": ({"/hosts": "192.0.2.2 a\n"}, 0),
    "the-same-again": ({"Corefile": SAME}, 0),
}


@pytest.mark.parametrize(("edit", "reloads"), EDITS.values(), ids=EDITS)
async def test_what_counts_as_a_change(edit: dict[str, str], reloads: int, watch: Watch) -> None:
    world = World(files=dict(FILES))
    async with serving(SAME, world) as running:
        watched = watch(running)
        await watched.look()
        world.files.texts.update(edit)
        await watched.look(3)
        assert watched.said("Reloading complete") == reloads
        assert watched.failures == 0


NOT_READABLE = {"brace-missing": ".:0 {\nwhoami\n", "import-missing": ".:0 {\nimport nowhere.conf\n}\n"}


@pytest.mark.parametrize("text", NOT_READABLE.values(), ids=NOT_READABLE)
async def test_what_cannot_be_parsed_is_warned_of_at_every_look(text: str, watch: Watch) -> None:
    async with serving(SAME, World(files=dict(FILES))) as running:
        watched = watch(running)
        running.write(text)
        await watched.look(3)
        assert watched.said("Corefile parse failed: Corefile:") == 3
        assert (watched.said("Reloading"), watched.failures) == (0, 0)


async def test_a_missing_file_is_silence(watch: Watch) -> None:
    async with serving(SAME, World(files=dict(FILES))) as running:
        watched = watch(running)
        del running.world.files.texts["Corefile"]
        await watched.look(3)
        assert watched.said("Running configuration") == 1
        assert watched.said("arse failed") == watched.said("Reloading") == 0


@pytest.mark.parametrize("line", ["nosuch", "cache 0", "prometheus {taken}"])
async def test_a_bad_file_shows_its_hash_and_is_tried_once(line: str, watch: Watch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        async with serving(SAME, World(files=dict(FILES))) as running:
            watched = watch(running)
            bad = SAME.replace("reload 2s 0", "reload 2s 0\n" + line.format(taken=where))
            running.write(bad)
            await watched.look(4)
            assert watched.said("Corefile changed but reload failed: ") == 1
            assert watched.failures == 1
            ((kind, value),) = watched.versions
            assert (kind, len(value)) == ("sha512", hashlib.sha512().digest_size * 2)
            running.write(SAME)  # as it was: but that is not what was tried last
            await watched.look(2)
            assert watched.said("Reloading complete") == 1
            assert watched.versions != [(kind, value)]


WITHOUT_RELOAD = {
    # id: Corefile without the directive (plugin reload of CoreDNS 1.13.1 and 1.14.7)
    "line-lost": ".:0 {\nbind 127.0.0.1\nwhoami\n}\n",
    "block-lost": "example.org:0 {\nbind 127.0.0.1\nlog\n}\n",
    "comment-only": "# later\n",
}


@pytest.mark.parametrize("text", WITHOUT_RELOAD.values(), ids=WITHOUT_RELOAD)
async def test_a_corefile_without_reload_is_watched_as_the_one_before(text: str, watch: Watch) -> None:
    async with serving(SAME, World(files=dict(FILES)), port=0) as running:
        watched = watch(running)
        for written in (text, SAME, text, text + "\n# again\n"):
            running.write(written)
            await watched.look(2)
        assert watched.said("Reloading complete") == 3
        assert watched.said("Running configuration") == 4
        running.write(SAME.replace("reload 2s 0", "reload 4s 0"))
        await watched.look(1)
        running.write(text)
        await watched.look(1)
        assert watched.said("Reloading complete") == 4
        await watched.look(1)
        assert watched.said("Reloading complete") == 5, "the last interval counts"


async def test_a_corefile_that_never_had_reload_is_not_watched(watch: Watch) -> None:
    text = ".:0 {\nbind 127.0.0.1\nwhoami\n}\n"
    async with serving(text) as running:
        watched = watch(running)
        running.write(SAME)
        await watched.look(30)
        assert watched.said("Reloading") == 0


async def test_ports_come_and_go_and_those_that_stay_keep_their_sockets(watch: Watch) -> None:
    first, second, third = (process.free_port() for _ in range(3))
    text = "".join(f".:{port} {{\nbind 127.0.0.1\nwhoami\nreload 2s 0\n}}\n" for port in (first, second))
    async with serving(text) as running:
        watched = watch(running)
        kept = [each for each in running.server.serving.sockets.values() if each.port == first]
        running.write(text.replace(str(second), str(third)))
        await watched.look()
        async with asyncio.timeout(10):
            while not watched.said("Reloading complete"):
                await watched.look()
        now = {each.port: each for each in running.server.serving.sockets.values()}
        assert set(now) == {first, third}
        assert now[first] is kept[0]
        wire = dns.message.make_query(WWW, "A").to_wire()
        for port in (first, third):
            reply = dns.message.from_wire(await client.udp(port, wire))
            assert reply.rcode() == dns.rcode.NOERROR
        with pytest.raises(ConnectionError):
            await client.udp(second, wire)


async def test_a_reload_starts_with_an_empty_cache_and_asks_again_who_is_ready(watch: Watch) -> None:
    port, ready = process.free_port(), process.free_port()
    text = (
        f".:{port} {{\nbind 127.0.0.1\ncache 30\n{ANSWER.format('192.0.2.1')}"
        f"reload 2s 0\nerratic {{\ndrop 0\ndelay 0\n}}\nready 127.0.0.1:{ready}\n}}\n"
    )
    async with serving(text) as running:
        watched = watch(running)
        await address(port)
        for _ in range(3):  # erratic is ready now and then
            await client.ask(port, WWW, "TXT")
        assert (await process.http(ready, "/ready"))[0] == 200
        running.write(text.replace("192.0.2.1", "192.0.2.2"))
        await watched.look(2)
        assert watched.said("Reloading complete") == 1
        assert await address(port) == "192.0.2.2"
        assert (await process.http(ready, "/ready"))[0] == 503


COMPLETED = [
    # the question, and the lines by which its answer needs another question of the chain
    ("www.example.org.", "A", ""),
    ("www.example.org.", "A", "rewrite cname exact target.example.org. secret.example.net."),
    ("secret.example.net.", "AAAA", "dns64 {\nallow_ipv4\n}"),
]
RECORDS = {
    ("www.example.org.", "A"): ["www.example.org. 60 CNAME target.example.org."],
    ("secret.example.net.", "A"): ["secret.example.net. 60 A 192.0.2.81"],
}
LATENCY_S = 2.0
"""Longer than a reload takes."""


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("name", "qtype", "lines"), COMPLETED)
async def test_a_query_in_flight_at_a_reload_is_answered_by_the_chain_it_came_to(
    name: str, qtype: str, lines: str, transport: str, tmp_path: Path
) -> None:
    """Also what completes its answer: the old chain lives as long as its queries."""
    reached = asyncio.Event()

    def upstream(query: dns.message.Message, transport: str) -> bytes | None:
        reached.set()
        question = query.question[0]
        key = str(question.name), dns.rdatatype.to_text(question.rdtype)
        return fake_server.answers(*RECORDS.get(key, ()))(query, transport)

    port, path = process.free_port(), tmp_path / "Corefile"
    form = Form(transport, timeout_s=process.DEADLINE_S)

    def text(host: str, upstream_port: int, more: str = "") -> str:
        forward = f"forward . {host}:{upstream_port} {{\nread_timeout 9s\n}}"
        return f".:{port} {{\nbind 127.0.0.1\n{lines}\n{more}\n{forward}\n}}\n"

    async with fake_server.serving(upstream, delay_s=LATENCY_S) as place:
        path.write_text(text(*place))
        words = ("-conf", str(path), "-explain", "off")
        async with process.minidns(*words) as server:
            await server.said("minidns-")
            question = Question(name, type_number(qtype))
            expected = await look_up(question, ("127.0.0.1", port), form)
            assert expected.failure == ""
            reached.clear()
            asking = asyncio.ensure_future(look_up(question, ("127.0.0.1", port), form))
            await reached.wait()
            path.write_text(text(*place, "chaos"))
            server.signal(signal.SIGUSR1)
            await server.said("Reloading complete")
            assert not asking.done()
            got = await asking
    assert got.answer == expected.answer
