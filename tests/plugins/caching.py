"""A *cache* in front of something that counts how often it is asked."""

from dataclasses import dataclass, field

from minidns.corefile.releases import NEWEST, Release
from minidns.dns import rdata
from minidns.dns.model import DnsError, Handler, Query, Rcode, Response, RRset
from minidns.dns.rdata import from_text, type_number
from minidns.plugins import cache
from minidns.plugins.site import Site
from tests.world import World, directives, settle

NAME = "www.example.org."
SOA_TEXT = "ns.example.org. admin.example.org. 1 2 3 4 900"


def rrset(record: str) -> RRset:
    """Return the record in ``owner ttl TYPE data``."""
    owner, ttl, rtype, data = record.split(" ", 3)
    number = type_number(rtype)
    return RRset(owner, number, int(ttl), (from_text(number, data),))


def answer(ttl: int = 300, name: str = NAME, address: str = "192.0.2.1") -> Response:
    return Response(answer=(rrset(f"{name} {ttl} A {address}"),), ra=True)


def denial(ttl: int = 300, rcode: int = Rcode.NXDOMAIN) -> Response:
    return Response(rcode, authority=(rrset(f"example.org. {ttl} SOA {SOA_TEXT}"),), ra=True)


@dataclass
class Caching:
    """The cache, and what is behind it."""

    world: World
    behind: Response | DnsError
    received: list[Query] = field(default_factory=list)
    delay_s: float = 0
    handler: Handler = field(init=False)
    site: Site = field(init=False)

    async def next_(self, query: Query) -> Response:
        self.received.append(query)
        if self.delay_s:
            await self.world.clock.sleep(self.delay_s)
        if isinstance(self.behind, DnsError):
            raise self.behind
        return self.behind

    async def ask(self, query: Query) -> Response:
        return await self.handler(query)

    async def later(self, seconds: float) -> None:
        await self.world.clock.advance(seconds)
        await settle()

    def count(self, name: str, kind: str = "", zones: str = ".") -> float:
        """Return a metric of the cache, as a scrape shows it."""
        self.world.metrics.update()
        labels = {"server": "dns://:53", "zones": zones, "view": "", "type": kind}
        return self.world.metrics.value(f"coredns_cache_{name}", labels)


def caching(
    line: str = "cache", behind: Response | DnsError | None = None, keys: str = ".", release: Release = NEWEST
) -> Caching:
    """Set up ``line``; behind it stands ``behind``, an address when nothing is said."""
    world = World()
    world.clock.time = 0
    result = Caching(world, behind if behind is not None else answer())
    result.site = world.site(f"{keys} {{\n{line}\n}}\n")
    result.site.release = release
    tested = cache.PLUGIN.set_up(directives(result.site, "cache"), result.site)
    assert tested is not None
    result.handler = tested(result.next_)
    return result


def ttls(response: Response) -> list[int]:
    """Return the TTL of every record."""
    sections = (response.answer, response.authority, response.additional)
    return [item.ttl for section in sections for item in section]


def addresses(response: Response) -> list[str]:
    return [rdata.address(data) for rrset in response.answer if rrset.rtype == rdata.A for data in rrset.rdata]
