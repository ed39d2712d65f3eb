"""host, compared with BIND's."""

import asyncio
import re
import shutil

import pytest

from sim.node import host
from tests.sim.node.outside import outside, unreachable
from tests.table import table


@pytest.mark.skipif(not shutil.which("host"), reason="BIND's host is not here")
@pytest.mark.parametrize(
    "command",
    [
        "google.com",
        "www.example.org",
        "nope.google.com",
        "-t TXT example.org",
        "-t SRV google.com",
        "-t SOA google.com",
        "-t NS google.com",
        "-t CNAME www.example.org",
        "192.0.2.1",
        "-T google.com",
        "many.example.org.",
    ],
)
async def test_same_as_binds(command: str) -> None:
    async with outside() as (container, (where, port)):
        ours = await host.run(container, [*command.split(), where])
        words = ["host", "-p", str(port), *command.split(), where]
        theirs = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        told, _ = await theirs.communicate()
    assert ours.text == re.sub(r"#\d+", "#53", told.decode())
    assert ours.status == theirs.returncode


async def test_searches_and_names_no_server_of_its_own() -> None:
    async with outside("search example.org\nnameserver 127.0.0.1\n") as (container, _):
        output = await host.run(container, ["-t", "A", "many"])
    assert output.text.splitlines()[0] == "many.example.org has address 192.0.2.31"


@table("command", ["", "-z a", "-t BOGUS a", "a b c"], ids=repr)
async def test_usage(command: str) -> None:
    output = await host.run(unreachable(), command.split())
    assert (output.status, output.text.endswith(host.USAGE)) == (1, True)
