import asyncio
import shutil

import pytest

from sim.node import nslookup
from tests.sim.node.outside import outside, unreachable
from tests.table import table

HEAD = "Server:\t\t127.0.0.1\nAddress:\t127.0.0.1#53\n\n"
NON_AUTH = HEAD + "Non-authoritative answer:\n"


@table(
    ("command", "status", "expected"),
    [
        pytest.param(
            "google.com",
            0,
            NON_AUTH + "Name:\tgoogle.com\nAddress: 192.0.2.100\nName:\tgoogle.com\nAddress: 2001:db8::100\n\n",
            id="both-families",
        ),
        pytest.param(
            "www.example.org",
            0,
            NON_AUTH + "www.example.org\tcanonical name = web.example.net.\n"
            "Name:\tweb.example.net\nAddress: 192.0.2.80\n"
            "Name:\tweb.example.net\nAddress: 2001:db8::80\n\n",
            id="alias-once",
        ),
        pytest.param(
            "nope.example.org", 1, HEAD + "** server can't find nope.example.org: NXDOMAIN\n\n", id="nxdomain"
        ),
        pytest.param(
            "google.com SRV", 0, NON_AUTH + "*** Can't find google.com: No answer\n\n", id="type-after-the-name"
        ),
        pytest.param(
            "-type=MX google.com",
            0,
            NON_AUTH + "google.com\tmail exchanger = 10 smtp.google.com.\n\n",
            id="type-option",
        ),
        pytest.param(
            "10.96.0.1 127.0.0.1", 1, "** server can't find 1.0.96.10.in-addr.arpa: NXDOMAIN\n\n", id="reverse"
        ),
        pytest.param(
            "loop.example.org",
            1,
            ";; Got SERVFAIL reply from 127.0.0.1\n" + HEAD + "** server can't find loop.example.org: SERVFAIL\n\n",
            id="servfail",
        ),
    ],
)
async def test_output(command: str, status: int, expected: str) -> None:
    async with outside() as (container, _):
        output = await nslookup.run(container, command.split())
    assert (output.status, output.text) == (status, expected)


@pytest.mark.skipif(not shutil.which("nslookup"), reason="BIND's nslookup is not here")
@pytest.mark.parametrize(
    "command",
    [
        "google.com",
        "www.example.org",
        "many.example.org",
        "nope.example.org",
        "-type=SRV google.com",
        "-type=MX google.com",
        "-type=NS google.com",
        "-type=TXT example.org",
        "-type=SOA google.com",
        "-type=CNAME www.example.org",
        "loop.example.org",
        "10.96.0.1",
    ],
)
async def test_same_as_binds(command: str) -> None:
    async with outside() as (container, (host, port)):
        ours = await nslookup.run(container, command.split())
        words = f"nslookup -port={port} {command} {host}".split()
        theirs = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        told, _ = await theirs.communicate()
    # the list of who else could be asked is left out here
    text = told.decode().split("Authoritative answers can be found")[0]
    assert ours.text == text.replace(f"#{port}", "#53")
    assert ours.status == theirs.returncode


async def test_search_list_is_used() -> None:
    async with outside("search example.org\nnameserver 127.0.0.1\n") as (container, _):
        output = await nslookup.run(container, ["many"])
    assert output.status == 0
    assert "Name:\tmany.example.org\nAddress: 192.0.2.31\n" in output.text
    # the other family is asked for at the name that was found, not searched again
    assert [query.send.question.qname for query in output.queries] == ["many.example.org.", "many.example.org."]


@pytest.mark.slow
@pytest.mark.parametrize(("refused", "why"), [(False, "timed out"), (True, "connection refused")])
async def test_no_server(refused: bool, why: str) -> None:
    output = await nslookup.run(unreachable(refused=refused), ["google.com"])
    assert output.status == 1
    assert output.text == (f";; communications error to 10.96.0.20#53: {why}\n;; no servers could be reached\n\n")


@table("command", ["", "-x y", "a b c", "-type=BOGUS a", "a BOGUS"], ids=repr)
async def test_usage(command: str) -> None:
    output = await nslookup.run(unreachable(), command.split())
    assert output.status == 1
    assert output.text.endswith(nslookup.USAGE)
    assert output.queries == ()
