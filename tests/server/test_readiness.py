"""*ready* of a whole server: who is sent here by a probe must be answered."""

import aiohttp
import dns.asyncquery
import dns.message

from minidns.server.process import Server, Settings
from tests.process import free_port
from tests.world import World


async def _ready(port: int) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/ready") as reply:
        return reply.status, await reply.text()


async def test_not_ready_until_the_dns_sockets_are_open() -> None:
    world, dns_port, ready_port = World(), free_port(), free_port()
    world.files.texts["Corefile"] = f".:{dns_port} {{\n bind 127.0.0.1\n whoami\n ready 127.0.0.1:{ready_port}\n}}\n"
    server = Server(Settings(file="Corefile", quiet=True, port=53), world.edges, world.metrics)
    await server.serving.start()
    try:
        status, waiting = await _ready(ready_port)
        assert (status, waiting) == (503, "listeners")
        await server.serving.open()
        assert await _ready(ready_port) == (200, "OK")
        await dns.asyncquery.udp(dns.message.make_query("a.example.", "A"), "127.0.0.1", 10, dns_port)
        await server.serving.reload()  # the old sockets answer while the new instance starts
        assert await _ready(ready_port) == (200, "OK")
    finally:
        await server.serving.close()
        await server.serving.stop()
