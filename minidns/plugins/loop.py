"""*loop* - detect a forwarding loop, and end the process.

A probe with an unguessable name is sent to the own port once the server answers. If it
comes back, there is a loop. Only in the first half minute, and only by that
name, can anything a client sends end the process (CVE-2026-26018).
"""

import logging
from collections.abc import Awaitable, Callable

from minidns.corefile.options import no_arguments
from minidns.dns.model import (
    DnsError,
    Handler,
    Plugin,
    Query,
    Question,
    Response,
    replace,
)
from minidns.dns.rdata import HINFO
from minidns.dns.wire import encode_query
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits, as_plugin
from minidns.text.go_text import quote
from minidns.upstream.upstream import Upstream, joined

log = logging.getLogger(__name__)

WINDOW_S = 30.0
"""Seconds to wait for the reply to a probe."""
PAUSE_S = 1.0
"""Seconds between a probe without a reply and the next."""
SETTLE_S = 2.0
"""Seconds after an answer in which the probe may still come back."""
ENOUGH = 3
"""Arrivals of one probe that prove a loop; the first is the probe itself."""
_PROBE_S = 2.0
_ADVICE = "see https://coredns.io/plugins/loop#troubleshooting"


def setup(options: None, site: Site) -> Plugin:
    """Return the plugin that counts the arrivals of a probe."""
    loop = Loop(site)
    site.on_serving(loop.start)
    return as_plugin(loop.handle)


class Loop:
    """The probe of one server block."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._zone = site.zones[0]
        self.qname = _probe_name(self._zone, site.edges.entropy)
        self._seen = 0
        self._ended = False

    def handle(self, next_: Handler, query: Query) -> Awaitable[Response]:
        """Count the arrivals of the probe; pass every query on."""
        qname, qtype, _ = query.question
        if self._ended or qtype != HINFO or qname != self.qname:
            return next_(query)
        return self._arrival(next_, query)

    async def _arrival(self, next_: Handler, query: Query) -> Response:
        self._seen += 1
        if self._seen >= ENOUGH:
            self._site.instance.fatal(self._text(query))
            raise DnsError  # fail the query: this ends the loop
        return replace(await next_(query), reuse=None)  # every arrival counts

    def _text(self, query: Query) -> str:
        """Return the message of CoreDNS, which users can search for."""
        client, own = joined(*query.peer), joined(*self._own_address())
        return (
            f"plugin/loop: Loop ({client} -> {own}) detected"
            f" for zone {quote(self._zone)}, {_ADVICE}."
            f' Query: "HINFO {self.qname}"'
        )

    def _own_address(self) -> tuple[str, int]:
        """Return the first address listened at (empty: all) and its port."""
        host = self._site.listen.addresses[0] if self._site.listen.addresses else ""
        return host, self._site.block.keys[0].port

    async def start(self) -> None:
        """Start probing."""
        self._site.task("loop", self._probe)

    async def _probe(self) -> None:
        edges = self._site.edges
        end = edges.now() + WINDOW_S
        try:
            while edges.now() < end:
                if await self._is_answered():
                    await edges.sleep(SETTLE_S)
                    return
                self._seen = 0
                await edges.sleep(PAUSE_S)
        finally:
            self._ended = True

    async def _is_answered(self) -> bool:
        """Return whether the own port sends any reply to the probe."""
        host, port = self._own_address()
        ident = int.from_bytes(self._site.edges.entropy(2))
        wire = encode_query(Question(self.qname, HINFO), ident)
        start = ident.to_bytes(2)

        def accept(reply: bytes) -> bool | None:
            return True if reply[:2] == start and len(reply) >= 12 else None

        to = Upstream(host or "127.0.0.1", port)
        try:
            return await self._site.edges.exchange(to, wire, _PROBE_S, accept)
        except OSError as exc:
            log.debug("no answer to the probe: %s", exc)
            return False


def _probe_name(zone: str, entropy: Callable[[int], bytes]) -> str:
    """Return ``RANDOM.RANDOM.ZONE``, whose labels nobody can guess."""
    first, second = (int.from_bytes(entropy(8)) >> 2 for _ in range(2))
    labels = f"{first}.{second}."
    return labels if zone == "." else labels + zone


PLUGIN = PluginSpec(
    name="loop",
    summary="detect a forwarding loop, and end the process",
    traits=Traits.HANDLES_QUERIES | Traits.TOUCHES_NAMES | Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    options=(no_arguments(),),
    repeated=Repeated.REFUSED,
    block=Block.REFUSED,
)
