"""The client in a pod: lookups as lines of JSON on its standard streams.

A trial is attached to each client pod. A line on standard input asks for a lookup; a
line on standard output has its result. Lookups do not wait for each other. The program
ends with its standard input, and its pod with it, so that no client is left when the
trial is killed or its connection breaks off.
"""

import asyncio
import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from random import Random
from typing import TypeAlias

import msgspec

from minidns.probe import libc
from minidns.system.lateness import Lateness
from minidns.system.stdin import standard_input
from minidns.trial import resolving
from minidns.trial.arms import Manner, Target
from minidns.trial.lookup import Outcome, Result, Subject


class Request(msgspec.Struct, frozen=True):
    """One lookup to make."""

    number: int
    """Repeated in the response."""
    address: str
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
    source_port: int
    """Port of the first query."""
    ident: int
    """ID of the first query."""
    transport: str = "udp"
    """Transport of the last query."""
    late_s: float = 0.0
    """Seconds of the lookup in which this client was late itself."""

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
            self.late_s,
        )


LookUp: TypeAlias = Callable[[Request], Awaitable[Response]]


def request(number: int, target: Target, subject: Subject) -> bytes:
    """Return the line that asks for a lookup."""
    asked = Request(number, target.address, subject.name, subject.types, subject.manner)
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
    look_up: LookUp,
) -> None:
    """Make the lookups that ``lines`` ask for, until they end; write the results."""
    now = asyncio.get_running_loop().time
    lateness = Lateness(now)

    async def one(asked: Request) -> None:
        began = now()
        got = await look_up(asked)
        got = msgspec.structs.replace(got, late_s=round(lateness.since(began), 6))
        await write(msgspec.json.encode(got) + b"\n")

    measuring = asyncio.ensure_future(lateness.run())
    try:
        async with asyncio.TaskGroup() as tasks:
            async for line in lines:
                tasks.create_task(one(msgspec.json.decode(line, type=Request)))
    finally:
        measuring.cancel()


async def look_up(asked: Request, rng: Random, port: int = 53) -> Response:
    """Make a lookup over the sockets of this machine, at a server's ``port``."""
    lookup = resolving.lookup(asked.name, asked.types, asked.manner, asked.address, rng)
    got = await libc.resolve(lookup, port)
    end = resolving.ending(got.outcome)
    return Response(
        asked.number,
        got.seconds,
        end.outcome,
        end.rcode,
        tuple(sorted(end.addresses)),
        got.source_port,
        got.ident,
        got.transport,
    )


async def main() -> None:
    """Serve the standard streams of this process."""
    rng = Random()

    async def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    await serve(await standard_input(), write, lambda asked: look_up(asked, rng))
