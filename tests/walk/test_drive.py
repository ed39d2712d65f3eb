"""Lookups of a stub resolver over an exchange that answers, refuses, or stays silent."""

import asyncio
from random import Random

import dns.message
import dns.rrset
import pytest

from minidns.stub.glibc import Glibc
from minidns.stub.protocol import Failure, Lookup, Send, Status
from minidns.walk.drive import drive
from sim.scenario import clock

NAME = "www.example.test."


@pytest.mark.parametrize(
    ("ends", "status", "seconds"),
    [
        pytest.param([0.25, 0.5], Status.ANSWERED, 0.5, id="the later of two replies ends it"),
        pytest.param([Failure.REFUSED], Status.REFUSED, 0.0, id="refused"),
        pytest.param([None], Status.SILENT, 10.0, id="two attempts of 5 s"),
    ],
)
def test_a_lookup_is_driven_to_its_end(ends: list[float | Failure | None], status: Status, seconds: float) -> None:
    asked: list[str] = []

    async def carry(send: Send) -> bytes | Failure | None:
        query = dns.message.from_wire(send.wire)
        end = ends[len(asked) % len(ends)]
        asked.append(str(query.question[0].name))
        if not isinstance(end, float):
            return end
        await asyncio.sleep(end)
        reply = dns.message.make_response(query)
        if query.question[0].rdtype == 1:
            reply.answer.append(dns.rrset.from_text(NAME, 30, "IN", "A", "192.0.2.7"))
        return reply.to_wire()

    async def run() -> tuple[Status, float]:
        machine = Glibc("nameserver 192.0.2.1\n", Random(1))
        began = asyncio.get_running_loop().time()
        outcome = await drive(Lookup(machine, machine.look_up(NAME)), carry)
        assert len(asyncio.all_tasks()) == 1, "nothing is left that waits"
        return outcome.status, asyncio.get_running_loop().time() - began

    found, took = clock.run(run())
    assert found is status
    assert took == pytest.approx(seconds)
    assert set(asked) == {NAME}
