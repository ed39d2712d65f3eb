"""*file* - answer with authority from zone files."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from minidns.corefile import values
from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.corefile.values import covers, longest
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
from minidns.dns.zone import Zone, ZoneAnswer
from minidns.dns.zonefile import ZoneFileError
from minidns.plugins import options
from minidns.plugins.chain import EndOfChain
from minidns.plugins.site import Site
from minidns.plugins.spec import Excess, Option, PluginSpec, Traits, Words
from minidns.text import files
from minidns.text.go_text import format_duration, quote

log = logging.getLogger(__name__)

_LOWERED = frozenset(
    (rdata.NS, rdata.SOA, rdata.CNAME, rdata.MX, rdata.SVCB, rdata.HTTPS)
)
"""Types with names in the RDATA that are changed to lower case (CoreDNS)."""
_MAX_LOOKUPS = 9
"""Lookups in zones for one query, each for the target of an alias (CoreDNS)."""


class ServedZone:
    """One zone of a file, reloaded when the file changes."""

    def __init__(self, origin: Name, path: str, site: Site) -> None:
        self.origin = origin
        self.key = ("zone", origin, path)
        """The dependency key of answers."""
        self.zone: Zone | None = None
        """The zone as parsed; None until the file could be read."""
        self.reload_s = 60.0
        self.any_change = False
        """True if any change of the file counts, not only one of its serial."""
        self._path = path
        self._site = site
        self._fingerprint: tuple[int, int] | None = None
        """Length and hash of the text that was read last."""

    def load(self) -> None:
        """Read the file for the first time.

        Raises:
            ConfigError: the file is not a zone file.
            OSError: the file cannot be read.

        """
        text = self._site.edges.files.read(self._path)
        try:
            self.zone = self._zone(list(self._records(text)))
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self._fingerprint = _fingerprint(text)

    def _records(self, text: str) -> Iterator[zonefile.Record]:
        try:
            read = self._site.edges.files.read
            for record in zonefile.read(text, self.origin, self._path, read):
                if record.rtype in _LOWERED:
                    data = rdata.map_names(record.rtype, record.rdata, str.lower)
                    record = record._replace(rdata=data)
                yield record
        except ZoneFileError as error:
            where = f"file {quote(self._path)} for origin {self.origin}"
            raise ZoneFileError(f"failed to parse {where} with error {error}") from None

    def _zone(self, records: Iterable[zonefile.Record]) -> Zone:
        try:
            return Zone(self.origin, zonefile.rrsets(records))
        except ValueError as error:
            raise ZoneFileError(f"file {quote(self._path)} has {error}") from error

    async def watch(self) -> None:
        """Reload the file when it changes; a broken file keeps the served zone."""
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

    def _changed_zone(self) -> Zone | None:
        """Return the zone in the file; None if it has not changed."""
        text = self._site.edges.files.read(self._path)
        if _fingerprint(text) == self._fingerprint:
            return None
        records = []
        for record in self._records(text):
            records.append(record)
            if record.rtype == rdata.SOA and self._is_served(record):
                return None
        zone = self._zone(records)
        self._fingerprint = _fingerprint(text)
        return zone

    async def _reload(self) -> None:
        zone = await self._site.edges.aside(self._changed_zone)
        if zone is None:
            return
        self.zone = zone
        self.free_in_steps()
        self._site.forget((self.key,))
        log.info(
            "Successfully reloaded zone %s in %s with %d SOA serial",
            quote(self.origin),
            quote(self._path),
            zone.serial,
        )

    def free_in_steps(self) -> None:
        """Have the records of the zone freed without a pause, once it is replaced."""
        if self.zone is not None:
            self._site.edges.free_with(self.zone, self.zone.nodes())

    def _is_served(self, soa: zonefile.Record) -> bool:
        """Return whether the zone that is served has the serial of ``soa``."""
        if self.any_change or self.zone is None:
            return False
        return rdata.read_soa(soa.rdata).serial == self.zone.serial


def _fingerprint(text: str) -> tuple[int, int]:
    return len(text), hash(text)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Options of *file*; those of a directive hold for the ones after it (CoreDNS)."""

    path: str = ""
    zones: tuple[Name, ...] = ()
    reload_s: float = 60.0
    """Seconds between two reads of the file; 0 is never."""
    any_change: bool = False
    """True if any change of the file counts, not only one of its serial."""
    fall: tuple[Name, ...] = ()
    """Zones whose missing names go to the next plugin."""


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin for ``file DBFILE [ZONES...]``, any number of it.

    Raises:
        ConfigError: a bad option, or a zone file that cannot be used.

    """
    served: dict[Name, ServedZone] = {}
    read, missing = FileOptions(), ""
    for directive in directives:
        read = PLUGIN.read_arguments(directive, site, read)
        zones = [ServedZone(origin, read.path, site) for origin in read.zones]
        try:
            for zone in zones:
                zone.load()
        except OSError as error:
            missing = files.reason(error, read.path)
        read = PLUGIN.read_block(directive, site, read)
        for zone in zones:
            zone.reload_s, zone.any_change = read.reload_s, read.any_change
            served[zone.origin] = zone
    if missing and not read.reload_s:
        raise ConfigError(
            f"plugin/file: {missing}"
        )  # CoreDNS prints the plugin's name twice
    if missing:
        again = format_duration(read.reload_s)
        log.warning("Failed to open %s: trying again in %s", quote(missing), again)
    _run(served.values(), site)
    return file(served, read.fall, site)


def _arguments(read: FileOptions, words: Words) -> FileOptions:
    zones = values.zones(words.args[1:], words.site.zones)
    return dataclasses.replace(read, path=options.path(words), zones=zones)


def _interval(words: Words) -> float:
    if not words.args:
        raise words.plain("reload duration value is expected")
    try:
        seconds = values.duration(words.first)
    except ValueError as error:
        raise words.plain(f"plugin/file: {error}") from error
    if seconds < 0:  # unlike CoreDNS, which stops working at once
        raise words.plain(f"plugin/file: negative reload duration {words.first}")
    return seconds


def _run(served: Iterable[ServedZone], site: Site) -> None:
    """Watch the files of ``served``, and offer the zones to *transfer*."""
    known = {zone.origin: zone for zone in served}

    async def start() -> None:
        for zone in known.values():
            zone.free_in_steps()
            if zone.reload_s:
                site.task("file", zone.watch)

    def transfer(name: Name) -> Sequence[RRset] | None:
        zone = known[name].zone if name in known else None
        return None if zone is None else [*zone.rrsets(), zone.soa]

    site.on_start(start)
    site.offers.transfers.append(transfer)


def file(served: dict[Name, ServedZone], fall: Sequence[Name], site: Site) -> Plugin:
    """Return the plugin that answers from the zones ``served``."""

    def plugin(next_: Handler) -> Handler:
        async def file(query: Query) -> Response:
            qname, qtype, _ = query.question
            origin = longest(served, qname)
            if origin is None:
                return await _next_answer(next_, query)
            served_zone = served[origin]
            if qtype in (rdata.AXFR, rdata.IXFR):
                raise DnsError(rcode=Rcode.REFUSED)  # *transfer* answers allowed ones
            if served_zone.zone is None or query.hops >= _MAX_LOOKUPS:
                raise DnsError()
            result = served_zone.zone.lookup(query.question)
            if result.response.rcode == Rcode.SERVFAIL:
                raise DnsError()
            if _is_missing(result.response) and covers(fall, qname):
                return also_depends_on(await next_(query), served_zone.key)
            response = replace(
                result.response,
                lower_case=True,
                reuse=Reuse(depends_on=(served_zone.key,)),
            )
            if not result.chase:
                return response
            return await _with_target_records(
                query, result._replace(response=response), served_zone.zone, site
            )

        return file

    return plugin


async def _next_answer(next_: Handler, query: Query) -> Response:
    """Return the next plugin's answer to a query outside of the zones.

    Raises:
        DnsError: with REFUSED if *file* is the last plugin (CoreDNS).

    """
    try:
        return await next_(query)
    except EndOfChain as end:
        if end.last != PLUGIN.name:
            raise
        raise DnsError(rcode=Rcode.REFUSED) from end


def _is_missing(response: Response) -> bool:
    """Return whether the zone has no records at the name."""
    return not response.answer and response.rule in (
        "zone/nxdomain",
        "zone/empty-non-terminal",
    )


async def _with_target_records(
    query: Query, result: ZoneAnswer, zone: Zone, site: Site
) -> Response:
    """Return ``result`` completed by the server's own answer for its last target.

    The rcode is the one for the target (RFC 6604 3).
    """
    other = await site.ask(query, result.chase, query.question.qtype)
    failed = other.rcode in (Rcode.NXDOMAIN, Rcode.SERVFAIL)
    nodata = other.rcode == Rcode.NOERROR and not other.answer
    negative = other.rcode == Rcode.NXDOMAIN or nodata
    response = result.response
    answer = (*response.answer, *other.answer)
    return replace(
        response,
        rcode=other.rcode if failed else Rcode.NOERROR,
        answer=answer,
        authority=zone.negative() if negative else response.authority,
        additional=zone.additional(answer),
        sources=(*response.sources, *other.sources),
        reuse=combine(response.reuse, other.reuse),
        client_specific=other.client_specific,
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
        meaning="The zone file, and the zones that are in it.",
        example="db.example.org example.org",
        field="path",
        apply=_arguments,
        least=1,
    ),
    options=(
        options.setting(
            "reload",
            "DURATION",
            "reload_s",
            _interval,
            "The time between two checks of the file; 0 turns reloading off.",
            example="reload 30s",
            least=0,
            most=None,
        ),
        options.flag(
            "reload_by_mtime",
            "any_change",
            "Serves a changed file also if its serial is the same.",
            excess=Excess.IGNORED,
        ),
        options.setting(
            "fallthrough",
            "[ZONES...]",
            "fall",
            options.fallthrough,
            "Passes missing names in ZONES to the next plugin; all without any.",
            example="fallthrough example.org",
            least=0,
            most=None,
        ),
        options.accepted(
            "upstream",
            "[ARGUMENTS...]",
            "Of old releases; ignored.",
            example="upstream",
        ),
    ),
)
