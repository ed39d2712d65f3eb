"""minidns at IPv6 link-local addresses; ``python -m tests.link_local`` in a namespace.

Everything that can be bound is: DNS by ``bind INTERFACE``, *health*, *ready*,
*prometheus* and the endpoint of ``minidns why``; *forward* asks a link-local upstream.
"""

import asyncio
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.rcode

from minidns.commands.why import NO_RECORDS
from tests import process

ADDRESS = "fe80::7%lo"
PORT, UPSTREAM = 5300, 5301
COREFILE = f"""
.:{PORT} {{
    bind lo
    log . "remote={{remote}} local={{local}}"
    health [{ADDRESS}]:8080
    ready [{ADDRESS}]:8181
    prometheus [{ADDRESS}]:9153
    forward . [{ADDRESS}]:{UPSTREAM}
}}
.:{UPSTREAM} {{
    bind lo
    whoami
}}
"""
PAGES = {8080: "/health", 8181: "/ready", 9153: "/metrics"}


def add_address() -> None:
    """Give the loopback interface of this namespace a link-local address."""
    words = "link set lo up", f"addr add {ADDRESS.partition('%')[0]}/64 dev lo nodad"
    for word in words:
        subprocess.run(("ip", *word.split()), check=True)


async def check(folder: Path) -> None:
    """Serve, and ask for everything.

    Raises:
        AssertionError: something is not served, or not shown with its scope.

    """
    file = folder / "Corefile"
    file.write_text(COREFILE)
    explain = f"[{ADDRESS}]:8053"
    async with process.minidns("-conf", str(file), "-explain", explain) as server:
        await server.said(f".:{PORT} on {ADDRESS}")
        await server.said("python3")
        query = dns.message.make_query("x.org", "A")
        for ask in dns.asyncquery.udp, dns.asyncquery.tcp:
            reply = await ask(query, ADDRESS, 5.0, PORT)
            assert reply.rcode() == dns.rcode.NOERROR, reply
            assert reply.additional, reply
        shown = f"[{ADDRESS}]"
        await server.said(f"remote={shown} local={shown}")
        for port, path in PAGES.items():
            status, body = await process.http(port, path, ADDRESS)
            assert status == 200, (path, status, body)
            if port == 9153:
                assert f'server="dns://{shown}:{PORT}"' in body, body
        url = f"http://{explain}"
        status, out, err = await process.run("why", "x.org", "--server", url)
        assert status == NO_RECORDS, err  # whoami answers in the additional section alone
        assert f"at {explain}" in out, out
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        scope = socket.if_nametoindex("lo")
        taken.bind((ADDRESS.partition("%")[0], PORT, 0, scope))
        status, _, err = await process.run("-conf", str(file), "-explain", "off")
        assert status == 1, status
        assert f"listen udp {shown}:{PORT}: bind: " in err, err


if __name__ == "__main__":
    add_address()
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(check(Path(name)))
    sys.exit(0)
