"""A thousand changes while the API server cannot be watched; are they all found?"""

import socket
import time
from collections.abc import Mapping
from select import select

import dns.message

from sim.api.faults import Action, Rule
from sim.api.http import ApiServer
from tests.survival.followed import service
from tests.survival.world import HOST, Api, Server, query, run

CHANGES = 1000
SPACE = "gap"
_BATCH = 50
_PATIENCE_S = 0.5

Expected = Mapping[str, str | None]
"""The address of each name; None where there is no such name."""


def address(number: int) -> str:
    return f"10.98.{number >> 8}.{number & 255}"


def name(number: int) -> str:
    return f"s{number}.{SPACE}.svc.cluster.local."


def fill(api: Api) -> Expected:
    """Make a namespace with a Service for each change; return what is to be answered."""

    async def load() -> None:
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
        api.server.cluster.load([space])
        for number in range(CHANGES):
            put(api.server, number, number)

    run(api.loop, load())
    return {name(number): address(number) for number in range(CHANGES)}


def put(server: ApiServer, number: int, at: int) -> None:
    server.cluster.load([service(f"s{number}", address(at), SPACE)])


def change(api: Api, *, compacted: bool) -> Expected:
    """Make the changes, a third of each kind; return what is to be answered then."""
    expected: dict[str, str | None] = {}

    async def work() -> None:
        cluster = api.server.cluster
        for number in range(CHANGES):
            if number % 3 == 0:
                cluster.delete("Service", SPACE, f"s{number}")
                expected[name(number)] = None
            elif number % 3 == 1:
                put(api.server, number, CHANGES + number)
                expected[name(number)] = address(CHANGES + number)
            else:
                put(api.server, CHANGES + number, 2 * CHANGES + number)
                expected[name(CHANGES + number)] = address(2 * CHANGES + number)
                expected[name(number)] = address(number)
        if compacted:
            cluster.compact()

    run(api.loop, work())
    return expected


def cut(api: Api, *, compacted: bool) -> Expected:
    """Reset every connection, and change everything before they come again."""
    api.act(Action("reset"))
    return change(api, compacted=compacted)


def outage(api: Api, down_s: float, *, compacted: bool) -> Expected:
    """Stop the server as a crash would, change everything, start it after a while."""
    api.act(Action("kill"))
    expected = change(api, compacted=compacted)
    time.sleep(down_s)
    api.act(Action("up"))
    return expected


def until_right_s(server: Server, expected: Expected, most_s: float) -> float:
    """Return how long it took until everything is answered right.

    Raises:
        AssertionError: it took longer than ``most_s``.

    """
    began = time.monotonic()
    # a few until they are right: the API server is a thread of this process
    some: Expected = dict(list(expected.items())[:: CHANGES // 4])
    for each in (some, expected):
        left = each
        while left := wrong(server.port, left):
            took_s = time.monotonic() - began
            which = f"{len(left)} wrong, such as {sorted(left)[:5]}"
            assert took_s < most_s, f"after {took_s:.1f} s {which}"
            time.sleep(0.05)
    took_s = time.monotonic() - began
    assert not wrong(server.port, expected)
    return took_s


def wrong(port: int, expected: Expected) -> Expected:
    """Return what is not answered as expected."""
    names, found = list(expected), dict(expected)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            for ident, each in enumerate(batch):
                sock.send(query(ident, each))
            for _ in batch:
                if not select([sock], [], [], _PATIENCE_S)[0]:
                    break
                ident, answer = _read(sock.recv(4096))
                if answer == [expected[batch[ident]] or "NXDOMAIN"]:
                    found.pop(batch[ident], None)
    return found


def _read(reply: bytes) -> tuple[int, list[str]]:
    message = dns.message.from_wire(reply)
    if message.rcode() == 3:
        return message.id, ["NXDOMAIN"]
    return message.id, [str(each) for rrset in message.answer for each in rrset]


def freeze(api: Api) -> None:
    """Let the server say nothing more, and not refuse either."""

    async def work() -> None:
        api.server.faults.rules.append(Rule(freeze=True))
        await api.server.act(Action("freeze"))

    run(api.loop, work())


def thaw(api: Api) -> None:
    """Let it go on; what it never answered is lost."""

    async def work() -> None:
        api.server.faults.rules.clear()
        await api.server.act(Action("reset"))

    run(api.loop, work())
