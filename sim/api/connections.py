"""Connection faults: resets and slow responses."""

import asyncio
import socket
import struct

from aiohttp import web


async def trickle(response: web.StreamResponse, data: bytes, rate: int) -> None:
    """Send ``data`` at ``rate`` bytes per second; 0 means without a limit."""
    if not rate:
        await response.write(data)
        return
    step = max(rate // 10, 1)
    for start in range(0, len(data), step):
        await response.write(data[start : start + step])
        await asyncio.sleep(step / rate)


def reset(transport: asyncio.Transport | None) -> None:
    """Close a connection with a TCP reset; unsent bytes are lost."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # with a linger time of 0, close() sends a reset (socket(7))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
