"""*file* - answer with authority from zone files."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.corefile.values import covers, duration, longest, zones
from minidns.dns import rdata, zonefile
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    Reuse,
    RRset,
    replace,
)
from minidns.dns.reuse import also_depends_on, combine
from minidns.dns.zone import Found, Zone
from minidns.dns.zonefile import ZoneFileError
from minidns.plugins.chain import EndOfChain
from minidns.plugins.options import accepted, fallthrough, flag, setting
from minidns.plugins.site import Site
from minidns.plugins.spec import Excess, Option, PluginSpec, Traits, Words
from minidns.text import files
from minidns.text.go_text import format_duration, quote

log = logging.getLogger(__name__)

_LOWERED = frozenset(
    (rdata.NS, rdata.SOA, rdata.CNAME, rdata.MX, rdata.SVCB, rdata.HTTPS)
)
"""Types whose names lose their letters' case (CoreDNS)."""
_MAX_LOOKUPS = 9
"""Lookups in zones for one query, each for the target of an alias (CoreDNS)."""


class Served:
    """One zone of a file, as it was read last."""

    def __init__(self, origin: Name, path: str, site: Site) -> None:
        self.origin = origin
        self.key = ("zone", origin, path)
        """What an answer depends on."""
        self.zone: Zone | None = None
        """None until the file could be read."""
        self.reload_s = 60.0
        self.always = False
        """Whether any change of the file counts, not only one of its serial."""
        self._path = path
        self._site = site
        self._seen: tuple[int, int] | None = None
        """Length and hash of the text that was read last."""

    def load(self) -> None:
        """Read the file for the first time.

        Raises:
            ConfigError: it is no zone file.
            OSError: it cannot be read.

        """
        text = self._site.edges.files.read(self._path)
        try:
            self.zone = self._zone(list(self._records(text)))
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self._seen = _seen(text)

    def _records(self, text: str) -> Iterator[zonefile.Record]:
        try:
            read = self._site.edges.files.read
            for each in zonefile.read(text, self.origin, self._path, read):
                if each.rtype in _LOWERED:
                    data = rdata.map_names(each.rtype, each.rdata, str.lower)
                    each = each._replace(rdata=data)
                yield each
        except ZoneFileError as error:
            where = f"file {quote(self._path)} for origin {self.origin}"
            raise ZoneFileError(f"failed to parse {where} with error {error}") from None

    def _zone(self, records: Iterable[zonefile.Record]) -> Zone:
        try:
            return Zone(self.origin, zonefile.rrsets(records))
        except ValueError as error:
            raise ZoneFileError(f"file {quote(self._path)} has {error}") from error

    async def keep(self) -> None:
        """Read the file again whenever it has changed; a broken one changes nothing."""
        while True:
            await self._site.edges.sleep(self.reload_s)
            try:
                await self._reload()
            except OSError as error:
                log.error(
                    "Failed to open zone %s in %s: %s",
                    quote(self.origin),
                    quote(self._path),
                    files.reason(error, self._path),
                )
            except ValueError as error:
                log.error("Parsing zone %s: %s", quote(self.origin), error)

    def _changed(self) -> Zone | None:
        """Return the zone as it is on disk; None if it is the one that is served."""
        text = self._site.edges.files.read(self._path)
        if _seen(text) == self._seen:
            return None
        records = []
        for each in self._records(text):
            records.append(each)
            if each.rtype == rdata.SOA and self._is_served(each):
                return None
        zone = self._zone(records)
        self._seen = _seen(text)
        return zone

    async def _reload(self) -> None:
        zone = await self._site.edges.aside(self._changed)
        if zone is None:
            return
        self.zone = zone
        self._site.forget((self.key,))
        log.info(
            "Successfully reloaded zone %s in %s with %d SOA serial",
            quote(self.origin),
            quote(self._path),
            zone.serial,
        )

    def _is_served(self, soa: zonefile.Record) -> bool:
        """Return whether the zone has this serial already, and that counts."""
        if self.always or self.zone is None:
            return False
        return rdata.read_soa(soa.rdata).serial == self.zone.serial


def _seen(text: str) -> tuple[int, int]:
    return len(text), hash(text)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``file DBFILE [ZONES...]`` with its options, any number of it."""
    served: dict[Name, Served] = {}
    options = PLUGIN.defaults
    missing = ""
    for directive in directives:
        options = PLUGIN.read_arguments(directive, site, options)
        zones_here = [Served(zone, options.path, site) for zone in options.zones]
        try:
            for zone in zones_here:
                zone.load()
        except OSError as error:
            missing = files.reason(error, options.path)
        options = PLUGIN.read_block(directive, site, options)
        for zone in zones_here:
            zone.reload_s, zone.always = options.reload_s, options.always
            served[zone.origin] = zone
    if missing and not options.reload_s:
        raise ConfigError(f"plugin/file: {missing}")  # the name twice, as CoreDNS does
    if missing:
        again = format_duration(options.reload_s)
        log.warning("Failed to open %s: trying again in %s", quote(missing), again)
    _run(served.values(), site)
    return file(served, options.fallthrough, site)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The options of *file*; those of a directive hold for the ones after it, too."""

    path: str = ""
    """The zone file."""
    zones: tuple[Name, ...] = ()
    reload_s: float = 60.0
    """Seconds between two looks at the file; 0 for never."""
    always: bool = False
    """Whether any change of the file counts, not only one of its serial."""
    fallthrough: tuple[Name, ...] = ()


def _set_file(options: FileOptions, words: Words) -> FileOptions:
    path = files.below(words.site.root, words.first)
    return dataclasses.replace(
        options, path=path, zones=zones(words.args[1:], words.site.zones)
    )


def _read_interval(words: Words) -> float:
    if not words.args:
        raise ValueError("reload duration value is expected")
    try:
        seconds = duration(words.first)
    except ValueError as error:
        raise ValueError(f"plugin/file: {error}") from error
    if seconds < 0:  # unlike CoreDNS, which stops working at once
        raise ValueError(f"plugin/file: negative reload duration {words.first}")
    return seconds


def _run(served: Iterable[Served], site: Site) -> None:
    """Let ``served`` be read again in time, and be handed out to *transfer*."""
    known = {one.origin: one for one in served}

    async def start() -> None:
        for one in known.values():
            if one.reload_s:
                site.task("file", one.keep)

    def transfer(name: Name) -> Sequence[RRset] | None:
        zone = known[name].zone if name in known else None
        return None if zone is None else [*zone.rrsets(), zone.soa]

    site.on_start(start)
    site.transfers.append(transfer)


def file(served: dict[Name, Served], fall: Sequence[Name], site: Site) -> Plugin:
    """Return the plugin that answers from the zones ``served``."""

    def plugin(next_: Handler) -> Handler:
        async def file(query: Query) -> Response:
            qname, qtype, _ = query.question
            origin = longest(served, qname)
            if origin is None:
                return await _elsewhere(next_, query)
            one = served[origin]
            if qtype in (rdata.AXFR, rdata.IXFR):
                raise DnsError(rcode=Rcode.REFUSED)  # what *transfer* did not answer
            if one.zone is None or query.hops >= _MAX_LOOKUPS:
                raise DnsError()
            found = one.zone.lookup(query.question)
            if found.response.rcode == Rcode.SERVFAIL:
                raise DnsError()
            if _missing(found.response) and covers(fall, qname):
                return also_depends_on(await next_(query), one.key)
            response = replace(
                found.response, lower_case=True, reuse=Reuse(depends_on=(one.key,))
            )
            if not found.chase:
                return response
            return await _chased(
                query, found._replace(response=response), one.zone, site
            )

        return file

    return plugin


async def _elsewhere(next_: Handler, query: Query) -> Response:
    """Return what the next plugin answers to a query for none of the zones.

    Where *file* is the last plugin the query is refused, as an authoritative server
    does (CoreDNS).
    """
    try:
        return await next_(query)
    except EndOfChain as end:
        if end.last != "file":
            raise
        raise DnsError(rcode=Rcode.REFUSED) from end


def _missing(response: Response) -> bool:
    """Return whether nothing is written at that name."""
    return not response.answer and response.rule in (
        "zone/nxdomain",
        "zone/empty-non-terminal",
    )


async def _chased(query: Query, found: Found, zone: Zone, site: Site) -> Response:
    """Return ``found`` with the server's own answer for the target of its last alias.

    The rcode is the one for the target (RFC 6604 3).
    """
    try:
        other = await site.ask(query, found.chase, query.question.qtype)
    except DnsError as error:
        other = Response(rcode=error.rcode)
    failed = other.rcode in (Rcode.NXDOMAIN, Rcode.SERVFAIL)
    nodata = other.rcode == Rcode.NOERROR and not other.answer
    negative = other.rcode == Rcode.NXDOMAIN or nodata
    response = found.response
    answer = (*response.answer, *other.answer)
    return replace(
        response,
        rcode=other.rcode if failed else Rcode.NOERROR,
        answer=answer,
        authority=zone.negative() if negative else response.authority,
        additional=zone.additional(answer),
        sources=(*response.sources, *other.sources),
        reuse=combine(response.reuse, other.reuse),
    )


PLUGIN = PluginSpec(
    name="file",
    summary="answer with authority from zone files",
    syntax="file DBFILE [ZONES...]",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=FileOptions(),
    arguments=Option(
        name="",
        arguments="DBFILE [ZONES...]",
        meaning="The zone file, and the zones that it is for.",
        example="db.example.org example.org",
        least=1,
        field="path",
        apply=_set_file,
    ),
    options=(
        setting(
            "reload",
            "DURATION",
            "reload_s",
            _read_interval,
            "How often the file is looked at for a new serial; 0 for never.",
            example="reload 30s",
            least=0,
            most=None,
        ),
        flag(
            "reload_by_mtime",
            "always",
            "Any change of the file counts, not only one of its serial.",
            excess=Excess.IGNORED,
        ),
        setting(
            "fallthrough",
            "[ZONES...]",
            "fallthrough",
            fallthrough,
            "Names in these zones that do not exist go to the next plugin.",
            example="fallthrough example.org",
            least=0,
            most=None,
        ),
        accepted("upstream", "", "It was an option once.", example="upstream"),
    ),
)
