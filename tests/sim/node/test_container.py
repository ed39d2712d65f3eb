import re

import pytest

from sim.node.container import query_lines
from sim.resolver.kinds import find
from tests.sim.node.outside import outside, unreachable

SEARCH = "search a.example example.org\nnameserver 127.0.0.1\noptions ndots:2\n"


async def test_every_query_has_a_line() -> None:
    async with outside(SEARCH) as (container, _):
        resolved = await container.getaddrinfo("many.x")
    lines = [re.sub(r" +[\d.]+ ms$", "", line) for line in query_lines(resolved.queries)]
    assert lines == [
        f"{name:19} {kind:5} 127.0.0.1 -> 127.0.0.1:53  NXDOMAIN"
        for name in ("many.x.a.example.", "many.x.example.org.", "many.x.")
        for kind in ("A", "AAAA")
    ]


@pytest.mark.slow
async def test_lines_tell_nodata_tcp_and_silence() -> None:
    async with outside() as (container, _):
        musl = find("musl").make(container.resolv_conf, container.rng)
        resolved = await container.look_up(musl, "google.com", (33,))
        (line,) = query_lines(resolved.queries)
        assert "NODATA" in line
        resolved = await container.look_up(musl, "long.example.org", (16,))
        assert [" over TCP" in line for line in query_lines(resolved.queries)] == [False, True]
    silent = await unreachable().getaddrinfo("google.com", (1,))
    assert query_lines(silent.queries)[0].endswith("10.96.0.20 -> nobody  no reply")
    refused = await unreachable(refused=True).getaddrinfo("google.com", (1,))
    assert query_lines(refused.queries)[0].endswith("-> nobody  no endpoint")


def test_nothing_asked_is_no_line() -> None:
    assert query_lines(()) == []
