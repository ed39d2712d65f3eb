"""getent; expected texts are those of glibc 2.36's getent."""

from dataclasses import replace

import pytest

from sim.node import getent
from tests.sim.node.outside import outside, unreachable
from tests.table import table

HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n10.244.1.5\tweb-0.web.default.svc.cluster.local\tweb-0\n"


@table(
    ("command", "status", "text"),
    [
        pytest.param("hosts google.com", 0, "2001:db8::100   google.com\n", id="IPv6 if there is any"),
        pytest.param(
            "hosts www.example.org", 0, "2001:db8::80    web.example.net www.example.org\n", id="aliases after the name"
        ),
        pytest.param("hosts smtp.google.com", 0, "192.0.2.25      smtp.google.com\n", id="IPv4 else"),
        pytest.param("hosts nope.google.com", 2, "", id="no such name"),
        pytest.param("hosts 192.0.2.1", 2, "", id="no pointer"),
        pytest.param(
            "ahostsv4 www.example.org",
            0,
            "192.0.2.80      STREAM web.example.net\n192.0.2.80      DGRAM  \n192.0.2.80      RAW    \n",
            id="each type of socket",
        ),
        pytest.param("ahostsv6 smtp.google.com", 2, "", id="family without addresses"),
        pytest.param(
            "ahosts web-0",
            0,
            "10.244.1.5      STREAM web-0\n10.244.1.5      DGRAM  \n10.244.1.5      RAW    \n",
            id="file before DNS",
        ),
        pytest.param(
            "hosts 10.244.1.5",
            0,
            "10.244.1.5      web-0.web.default.svc.cluster.local web-0\n",
            id="address in the file",
        ),
        pytest.param("hosts localhost", 0, "::1             localhost\n", id="localhost"),
        pytest.param(
            "hosts smtp.google.com nope.google.com", 2, "192.0.2.25      smtp.google.com\n", id="one of two names"
        ),
        pytest.param("passwd root", 1, getent.USAGE, id="another database"),
    ],
)
async def test_look_ups(command: str, status: int, text: str) -> None:
    async with outside() as (container, _):
        output = await getent.run(replace(container, hosts=HOSTS), command.split())
    assert (output.status, output.text) == (status, text)


async def test_file_needs_no_server() -> None:
    output = await getent.run(replace(unreachable(), hosts=HOSTS), ["ahostsv4", "web-0"])
    assert (output.status, output.queries) == (0, ())
