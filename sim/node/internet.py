"""The external resolver: the name server in the node's /etc/resolv.conf.

It answers from a few zones as a resolver does, with RA and without AA; names outside of
the zones do not exist. All addresses are from the ranges for documentation (RFC 5737,
RFC 3849), also for names that exist.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator

from minidns.dns import names, zonefile
from minidns.dns.model import (
    Address,
    Name,
    Query,
    Rcode,
    Response,
    RRset,
    replace,
)
from minidns.dns.rdata import SOA
from minidns.dns.zone import Zone
from minidns.metrics.registry import Metrics
from minidns.server.instance import Listener
from minidns.server.listener import ListenerSockets

_PADDING = "does not fit into one small datagram. " * 5
ZONES = """\
.                86400 SOA a.root-servers.net. hostmaster.example.net. (
                           1 1800 900 604800 300 )
.                86400 NS  a.root-servers.net.

$ORIGIN google.com.
@                60    SOA ns1 dns-admin 1 900 900 1800 60
@                300   NS  ns1
ns1              300   A   192.0.2.10
@                300   A   192.0.2.100
@                300   AAAA 2001:db8::100
@                300   MX  10 smtp
smtp             300   A   192.0.2.25
www              300   CNAME google.com.

$ORIGIN example.org.
@                3600  SOA ns hostmaster 1 7200 3600 1209600 300
@                300   NS  ns
ns               300   A   192.0.2.11
@                300   A   192.0.2.7
@                300   AAAA 2001:db8::7
@                300   TXT "v=spf1 -all"
www              300   CNAME web.example.net.
many             60    A   192.0.2.31
many             60    A   192.0.2.32
many             60    A   192.0.2.33

$ORIGIN example.net.
@                3600  SOA ns hostmaster 1 7200 3600 1209600 300
@                300   NS  ns
ns               300   A   192.0.2.12
@                300   A   192.0.2.8
web              300   A   192.0.2.80
web              300   AAAA 2001:db8::80
loop             300   CNAME loop.example.org.

$ORIGIN example.org.
loop             300   CNAME loop.example.net.
""" + "".join(f'long 300 TXT "{n:02} {_PADDING}"\n' for n in range(12))
"""Master file (RFC 1035 5) of all zones; each SOA begins a zone."""

MAX_LINKS = 8
"""Maximum length of a CNAME chain."""


class Internet:
    """The zones of the external resolver and its answers."""

    def __init__(self, text: str = ZONES) -> None:
        """Read a master file.

        Raises:
            ZoneFileError: the file is invalid.

        """
        rrsets = zonefile.rrsets(zonefile.read(text, ".", "zones", _no_file))
        apexes = [rrset.owner.lower() for rrset in rrsets if rrset.rtype == SOA]
        parts: defaultdict[Name, list[RRset]] = defaultdict(list)
        for rrset in rrsets:
            parts[names.longest(apexes, rrset.owner.lower()) or "."].append(rrset)
        self._zones = {apex: Zone(apex, part) for apex, part in parts.items()}
        self.questions: list[str] = []
        """The names of received queries, in order."""

    async def answer(self, query: Query) -> Response:
        """Return the answer to ``query``, with CNAME chains."""
        question = query.question
        self.questions.append(question.qname)
        links: tuple[RRset, ...] = ()
        for _ in range(MAX_LINKS):
            zone = self._zones[names.longest(self._zones, question.qname) or "."]
            response, chase = zone.lookup(question)
            links += response.answer
            if not chase:
                authority = () if response.answer else (zone.soa,)
                return replace(
                    response, answer=links, authority=authority, aa=False, ra=True
                )
            question = question._replace(qname=chase)
        return Response(Rcode.SERVFAIL, ra=True)

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1") -> AsyncIterator[Address]:
        """Answer over UDP and TCP on a free port; yield the address.

        Raises:
            OSError: ``host`` is not an address of this machine.

        """
        listener = Listener("dns", host, 0)
        listening = ListenerSockets(listener, Metrics(), time.monotonic, lambda: None)
        listening.answerer.top = self.answer
        await listening.open(None)
        try:
            yield host, listening.port
        finally:
            await listening.close(0.0)


def _no_file(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)
