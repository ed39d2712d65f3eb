import asyncio
import re
import shutil

import pytest

from sim.node import dig
from tests.sim.node.outside import outside, unreachable
from tests.table import table

CHANGING = re.compile(r"^(;; (Query time|WHEN|SERVER)|; ).*\n|#\d+(?=\()| in \d+ ms$", re.M)


def steady(text: str) -> str:
    """``text`` less what differs from run to run and from program to program."""
    text = re.sub(r"id: \d+", "id: 0", CHANGING.sub("", text))
    return text.replace(";; OPT PSEUDOSECTION:\n", "")


@pytest.mark.skipif(not shutil.which("dig"), reason="BIND's dig is not here")
@pytest.mark.parametrize(
    "command",
    [
        "google.com",
        "nope.google.com AAAA",
        "www.example.org",
        "+tcp google.com MX",
        "long.example.org TXT",
        "-x 192.0.2.1",
        "google.com SRV",
        "+short www.example.org",
        "+short nope.google.com",
        "-t NS google.com",
        "+noall +answer www.example.org",
        "+noall +answer +authority nope.google.com",
        "+nocomments google.com",
        "+noquestion +nostats google.com",
        "+nocmd +noall +question google.com",
        "+noall +answer +nottlid google.com",
        "+noall +answer +noclass google.com MX",
        "+norecurse google.com",
        "+dnssec google.com",
        "+noedns google.com",
        "+bufsize=512 long.example.org TXT",
        "+ignore +bufsize=512 long.example.org TXT",
        "+time=1 +tries=1 +vc google.com",
        "+noadflag +nocookie google.com IN A",
        "+search google.com",
        "+nosearch +nocrypto google.com",
        "-q google.com -t A",
        "+trace google.com",
        "TXT google.com",
        "IN MX google.com",
        "-c IN google.com",
        "CH TXT version.bind",
        "version.bind CH TXT",
        "version.bind TXT CH",
        "-c CH -t TXT version.bind",
        "google.com CLASS3",
    ],
)
async def test_same_as_binds(command: str) -> None:
    async with outside() as (container, (host, port)):
        ours = await dig.run(container, command.split())
        words = f"dig -p {port} @{host} +nocookie {command}".split()
        theirs = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        told, _ = await theirs.communicate()
    assert steady(ours.text) == steady(told.decode())
    assert ours.status == theirs.returncode


async def test_tells_server_and_time() -> None:
    async with outside() as (container, _):
        output = await dig.run(container, ["google.com"])
    assert re.search(r"\n;; Query time: \d+ msec\n", output.text)
    assert ";; SERVER: 127.0.0.1#53(127.0.0.1) (UDP)\n" in output.text


async def test_search_only_when_asked_for() -> None:
    async with outside("search example.org\nnameserver 127.0.0.1\n") as (container, _):
        as_is = await dig.run(container, ["+short", "many"])
        searched = await dig.run(container, ["+short", "+search", "many"])
    assert as_is.text == ""
    assert sorted(searched.text.split()) == ["192.0.2.31", "192.0.2.32", "192.0.2.33"]


async def test_server_on_the_command_line() -> None:
    async with outside("nameserver 192.0.2.99\n") as (container, _):
        output = await dig.run(container, ["@127.0.0.1", "+short", "google.com"])
    assert [query.send.server for query in output.queries] == ["127.0.0.1"]
    assert output.text == "192.0.2.100\n"


@table(
    ("command", "qclass", "qtype", "name"),
    [
        ("version.bind CH TXT", 3, 16, "version.bind."),
        ("CH TXT version.bind", 3, 16, "version.bind."),
        ("-c ch -t txt version.bind", 3, 16, "version.bind."),
        ("hostname.bind CLASS3 TXT", 3, 16, "hostname.bind."),
        ("HS google.com", 4, 1, "google.com."),
        ("google.com IN", 1, 1, "google.com."),
        ("MX google.com", 1, 15, "google.com."),
    ],
)
async def test_types_and_classes_in_any_order(command: str, qclass: int, qtype: int, name: str) -> None:
    async with outside() as (container, _):
        output = await dig.run(container, command.split())
    assert {query.send.question for query in output.queries} == {(name, qtype, qclass)}


@pytest.mark.slow
async def test_no_reply_is_status_9() -> None:
    output = await dig.run(unreachable(), ["google.com"])
    assert output.status == 9
    assert output.text.startswith(";; communications error to 10.96.0.20#53: timed out\n")


@table("command", ["+bogus a", "web BOGUS", "-x 1.2", "-c BOGUS web", "web CH BOGUS"], ids=repr)
async def test_usage(command: str) -> None:
    output = await dig.run(unreachable(), command.split())
    assert output.status == 1
    assert output.text.endswith(dig.USAGE)
