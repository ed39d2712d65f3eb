"""The prober in a pod: lookups as lines of JSON on its standard streams.

The command holds one exec stream to each prober pod. A line on standard input asks for
a lookup; a line on standard output has its result. Lookups do not wait for each other.
The program ends with its standard input, so that nothing is left when the command ends
or its connection breaks off.
"""

import asyncio
import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from random import Random

import msgspec

from minidns.trial.arms import ARMS, Manner, NameKind, Target
from minidns.trial.live.sockets import SocketProber
from minidns.trial.lookup import Outcome, Result, Subject

_ARMS = {arm.name: arm for arm in ARMS}


class Request(msgspec.Struct, frozen=True):
    """One lookup to make."""

    number: int
    """Repeated in the response."""
    arm: str
    address: str
    port: int
    name: str
    types: tuple[int, ...]
    manner: Manner


class Response(msgspec.Struct, frozen=True):
    """The result of a lookup; its time of sending is that of the request."""

    number: int
    latency_s: float
    outcome: Outcome
    rcode: int
    addresses: tuple[str, ...]
    transport: str
    source_port: int
    ident: int

    def result(self, sent_at: float, target: Target) -> Result:
        """Return the result of a lookup at ``target`` that was requested then."""
        return Result(
            sent_at,
            self.latency_s,
            self.outcome,
            self.rcode,
            frozenset(self.addresses),
            target.replica,
            self.transport,
            self.source_port,
            self.ident,
        )


def request(number: int, target: Target, subject: Subject) -> bytes:
    """Return the line that asks for a lookup."""
    asked = Request(
        number,
        target.arm.name,
        target.address,
        target.port,
        subject.name,
        subject.types,
        subject.manner,
    )
    return msgspec.json.encode(asked) + b"\n"


def response(line: bytes) -> Response:
    """Return the result in a line.

    Raises:
        ValueError: the line is no result, as when a program has printed a message.

    """
    return msgspec.json.decode(line, type=Response)


async def serve(
    lines: AsyncIterable[bytes],
    write: Callable[[bytes], Awaitable[None]],
    prober: SocketProber,
) -> None:
    """Make the lookups that ``lines`` ask for, until they end; write the results."""

    async def one(asked: Request) -> None:
        target = Target(_ARMS[asked.arm], asked.address, port=asked.port)
        # what the name depends on does not matter here
        subject = Subject(asked.name, NameKind.EXTERNAL, asked.manner, asked.types)
        got = await prober.look_up(target, subject)
        answer = Response(
            asked.number,
            got.latency_s,
            got.outcome,
            got.rcode,
            tuple(sorted(got.addresses)),
            got.transport,
            got.source_port,
            got.ident,
        )
        await write(msgspec.json.encode(answer) + b"\n")

    async with asyncio.TaskGroup() as tasks:
        async for line in lines:
            tasks.create_task(one(msgspec.json.decode(line, type=Request)))


async def main(search: tuple[str, ...]) -> None:
    """Serve the standard streams of this process."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )

    async def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    await serve(reader, write, SocketProber(search, Random()))
