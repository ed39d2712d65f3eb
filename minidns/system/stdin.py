"""Standard input as a stream of the event loop."""

import asyncio
import sys


async def standard_input() -> asyncio.StreamReader:
    """Return a reader of standard input: a pipe, a terminal or a socket, but no file.

    Raises:
        ValueError: it is a file.

    """
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader
