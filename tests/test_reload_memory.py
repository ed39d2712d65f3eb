"""The memory of a process that reloads again and again stays the same."""

import asyncio
import gc
import logging
import signal
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minidns import plugins
from minidns.corefile.errors import ConfigError
from minidns.kubernetes.resources import Page, WatchEvent
from tests import process
from tests.serving import serving
from tests.table import table
from tests.world import World

BLOCKS = 400
RELOADS = 15
SETTLED = 5
"""Reloads until the allocator has what two instances at a time need."""
GROWTH = 1.05
SERVER = "z{number}.example:{port} {{\nbind 127.0.0.1\nerrors\ncache\nloadbalance\nforward . 192.0.2.1\n}}\n"


def _resident_kib(pid: int) -> int:
    """Return the memory that the process has in RAM (proc(5), VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1])


@pytest.mark.slow
async def test_reloads_of_many_blocks_leave_nothing_behind(tmp_path: Path) -> None:
    port = process.free_port()
    corefile = tmp_path / "Corefile"
    blocks = (SERVER.format(number=number, port=port) for number in range(BLOCKS))
    corefile.write_text("".join(blocks))
    resident_kib: list[int] = []
    async with process.minidns("-conf", str(corefile), "-explain", "off") as server:
        await server.said("python3")
        for _ in range(RELOADS):
            server.signal(signal.SIGUSR1)
            await server.said("Reloading complete")
            server.lines.clear()
            resident_kib.append(_resident_kib(server.process.pid))
    assert resident_kib[-1] <= GROWTH * resident_kib[SETTLED - 1], resident_kib


FILES = {
    "/zone": "@ 60 IN SOA a. b. 1 2 3 4 5\n",
    "/weights": "a.example\n192.0.2.1 3\n",
    "/resolv": "search a.example b.example\n",
}


class Quiet:
    """An API server that has nothing, and of which nothing changes."""

    async def page(self, token: str, version: str | None) -> Page:
        return Page((), "1")

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        if initial:
            yield WatchEvent("BOOKMARK", None, "1", ends_initial=True)
        await asyncio.Event().wait()


LINES = {
    "autopath": "autopath /resolv",
    "file": "file /zone a.example",
    "forward": "forward . 192.0.2.1 tls://192.0.2.2 {\npolicy sequential\n}",
    "k8s_external": "k8s_external a.example",
    "loadbalance weighted": "loadbalance weighted /weights",
    "hosts": "hosts {\n192.0.2.1 a.example\nfallthrough\n}",
    "template": 'template IN A {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}',
    "rewrite": "rewrite name a.example b.example answer auto",
    "transfer": "file /zone a.example\ntransfer {\nto *\n}",
    "view": "view one {\nexpr type() == 'A'\n}",
    "metadata": "metadata",
    "log": "log . {\nclass all\n}",
    **{
        plugin.name: f"{plugin.name}"
        for plugin in plugins.registry()
        if plugin.arguments is None or not plugin.arguments.least
    },
    "health": "health 127.0.0.1:0",
    "ready": "ready 127.0.0.1:0",
    "prometheus": "prometheus 127.0.0.1:0",
    "bind": "",
}


@table("line", LINES.values(), ids=LINES)
async def test_what_a_reload_replaces_is_freed_without_a_collection(
    line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread may freeze a cycle, which no collection finds then."""
    caplog.set_level(logging.CRITICAL, "minidns")  # a record can hold an exception
    text = f".:0 {{\nbind 127.0.0.1\n{line}\nerratic\n}}\n"
    world = World(files=dict(FILES), list_watch=lambda access, resource: Quiet())
    gc.disable()
    try:
        async with serving(text, world) as at:
            old = at.server.serving.instance
            assert old is not None
            left = [weakref.ref(old)]
            del old
            at.write(".:0 {\nbind 127.0.0.1\nwhoami\n}\n")
            await at.server.reload()
            await at.pass_(10)
            assert [ref() for ref in left] == [None]
    except ConfigError:
        pytest.skip("the line needs more of the world than there is")
    finally:
        gc.enable()
