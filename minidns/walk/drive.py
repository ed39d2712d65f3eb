"""Runs a lookup of a stub resolver in real time, over any kind of exchange."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from minidns.stub.protocol import Failure, Lookup, Outcome, Send, Wait

Carry: TypeAlias = Callable[[Send], Awaitable[bytes | Failure | None]]
"""Carries a query to its server; returns the reply, a failure, or None for silence."""


async def drive(lookup: Lookup, carry: Carry) -> Outcome:
    """Run ``lookup`` to its end; queries that leave together are carried together."""
    now = asyncio.get_running_loop().time
    arrived: asyncio.Queue[tuple[Send, bytes | Failure]] = asyncio.Queue()
    tasks: set[asyncio.Task[None]] = set()

    async def deliver(send: Send) -> None:
        if (end := await carry(send)) is not None:
            arrived.put_nowait((send, end))

    step = lookup.start(now())
    try:
        while isinstance(step, Wait):
            for send in step.sends:
                tasks.add(asyncio.create_task(deliver(send)))
            try:
                async with asyncio.timeout_at(step.until):
                    send, end = await arrived.get()
            except TimeoutError:
                step = lookup.on_timeout(max(now(), step.until))
                continue
            if isinstance(end, Failure):
                step = lookup.on_failure(now(), send.server, send.source, end)
            else:
                step = lookup.on_reply(now(), send.server, send.source, end)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return step.outcome
