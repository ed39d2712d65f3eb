"""Server blocks chosen by *view*, asked over real sockets by clients of two addresses.

What one client is given must not depend on what another one asked before: caches and the
listener's memory of remembered replies are on.
"""

import asyncio
import itertools
import socket
from pathlib import Path

import dns.message
import pytest

from tests import process

COREFILE = """\
example.org:{port} {{
    bind 127.0.0.1
    view one {{
        expr incidr(client_ip(), '127.0.0.1/32')
    }}
    hosts {{
        192.0.2.1 www.example.org
    }}
    cache
}}
example.org:{port} {{
    bind 127.0.0.1
    view capitals {{
        expr name() startsWith 'mail.' and type() in ['A', 'TXT']
    }}
    hosts {{
        192.0.2.2 www.example.org mail.example.org
    }}
    cache
}}
example.org:{port} {{
    bind 127.0.0.1
    hosts {{
        192.0.2.3 www.example.org mail.example.org
        2001:db8::3 mail.example.org
    }}
    cache
}}
"""
EXPECTED = {
    ("127.0.0.1", "www.example.org", "A"): ["192.0.2.1"],
    ("127.0.0.2", "www.example.org", "A"): ["192.0.2.3"],
    ("127.0.0.1", "mail.example.org", "A"): [],
    ("127.0.0.2", "mail.example.org", "A"): ["192.0.2.2"],
    ("127.0.0.2", "mail.example.org", "AAAA"): ["2001:db8::3"],
    ("127.0.0.3", "www.example.org", "A"): ["192.0.2.3"],
}


def ask(port: int, client: str, name: str, qtype: str, transport: str) -> list[str]:
    """Return the addresses that ``client`` is given; its query's bytes are the same."""
    message = dns.message.make_query(name, qtype)
    message.id = 4660
    wire = message.to_wire()
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(process.DEADLINE_S)
        sock.bind((client, 0))
        sock.connect(("127.0.0.1", port))
        if transport == "udp":
            sock.send(wire)
            reply = sock.recv(4096)
        else:
            sock.sendall(len(wire).to_bytes(2) + wire)
            with sock.makefile("rb") as stream:
                reply = stream.read(int.from_bytes(stream.read(2)))
    return [str(data) for rrset in dns.message.from_wire(reply).answer for data in rrset]


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_no_client_gets_what_the_view_of_another_gave(tmp_path: Path, transport: str) -> None:
    port = process.free_port()
    path = tmp_path / "Corefile"
    path.write_text(COREFILE.format(port=port))
    async with process.minidns("-conf", str(path), "-explain", "off") as server:
        await server.said("minidns-")
        for order in (list(EXPECTED), list(reversed(EXPECTED))):
            for asked, _ in itertools.product(order, range(4)):
                given = await asyncio.to_thread(ask, port, *asked, transport)
                assert given == EXPECTED[asked], asked
