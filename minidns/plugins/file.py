"""*file* - answer with authority from zone files.

A zone file is parsed into an immutable `Zone`, which knows the answers. The file is
read again from time to time; a new serial replaces the zone in one step and invalidates
the remembered replies that depend on it. The target of an alias that leads out of the
zone is looked up from the top of the chain.
"""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from minidns.corefile import values
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import (
    Excess,
    Words,
    accepted,
    fallthrough_option,
    line,
    option,
    path,
    set_by,
    switch,
)
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
    also_depends_on,
    joined,
    replace,
)
from minidns.dns.zone import Zone, ZoneAnswer, ZoneRule
from minidns.dns.zonefile import ZoneFileError
from minidns.plugins.chain import EndOfChain
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.plugins.watched import WatchedFile
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

    def __init__(self, origin: Name, options: "FileOptions", site: Site) -> None:
        self.origin = origin
        self.key = ("zone", origin, options.path)
        """The dependency key of answers."""
        self.zone: Zone | None = None
        """The zone as parsed; None until the file could be read."""
        self._options = options
        self._path = options.path
        self._file = WatchedFile(options.path, site)
        self._site = site

    def load(self) -> None:
        """Read the file for the first time.

        Raises:
            ConfigError: the file is not a zone file.
            OSError: the file cannot be read.

        """
        text = self._file.read() or ""
        try:
            self.zone = self._zone(list(self._records(text)))
        except ValueError as error:
            raise ConfigError(str(error)) from error
        self._file.accept(text)

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

    @property
    def is_watched(self) -> bool:
        """True if the file is read again."""
        return self._options.reload_s > 0

    async def watch(self) -> None:
        """Reload the file when it changes; a broken file keeps the served zone."""
        await self._file.watch(self._options.reload_s, self._reload, self._report)

    def _report(self, error: OSError | ValueError) -> None:
        if isinstance(error, OSError):
            text = "Failed to open zone %s in %s: %s"
            path = self._path
            log.error(text, quote(self.origin), quote(path), files.reason(error, path))
        else:
            log.error("Parsing zone %s: %s", quote(self.origin), error)

    def _changed_zone(self) -> Zone | None:
        """Return the zone in the file; None if it has not changed."""
        text = self._file.read()
        if text is None:
            return None
        records = []
        for record in self._records(text):
            records.append(record)
            if record.rtype == rdata.SOA and self._is_served(record):
                return None
        zone = self._zone(records)
        self._file.accept(text)
        return zone

    async def _reload(self) -> None:
        zone = await self._site.edges.aside(self._changed_zone)
        if zone is None:
            return
        self.zone = zone
        self.free_in_steps()
        self._site.forget((self.key,))
        text = "Successfully reloaded zone %s in %s with %d SOA serial"
        log.info(text, quote(self.origin), quote(self._path), zone.serial)

    def free_in_steps(self) -> None:
        """Have the records of the zone freed without a pause, once it is replaced."""
        if self.zone is not None:
            self._site.edges.free_with(self.zone, self.zone.nodes())

    def _is_served(self, soa: zonefile.Record) -> bool:
        """Return whether the zone that is served has the serial of ``soa``."""
        if self._options.any_change or self.zone is None:
            return False
        return rdata.read_soa(soa.rdata).serial == self.zone.serial


def _set_file(options: "FileOptions", words: Words) -> "FileOptions":
    zones = values.zones(words.args[1:], words.zones)
    return dataclasses.replace(options, path=path(words), zones=zones)


def _read_reload(words: Words) -> float:
    if not words.args:
        raise words.plain("reload duration value is expected")
    try:
        seconds = values.duration(words.first)
    except ValueError as error:
        raise words.plain(f"plugin/file: {error}") from error
    if seconds < 0:  # unlike CoreDNS, which stops working at once
        raise words.plain(f"plugin/file: negative reload duration {words.first}")
    return seconds


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The options of *file*."""

    path: str = set_by(
        "",
        line(
            " DBFILE [ZONES...]",
            "The zone file, and the zones to read from it, by default those of the"
            " server block. Names without a final dot are relative to them; a relative"
            " path starts at the folder that *root* names.",
            _set_file,
            example="db.example.org example.org",
        ),
    )
    zones: tuple[Name, ...] = ()
    reload_s: float = option(
        "reload DURATION",
        "The interval of the checks for changes; `0` disables them, and then a missing"
        " file is an error.",
        60.0,
        _read_reload,
        example="30s",
        least=0,
        excess=Excess.IGNORED,
    )
    any_change: bool = switch(
        "reload_by_mtime",
        "Reads the file again after any change, with or without a new serial.",
        excess=Excess.IGNORED,
    )
    fallthrough: tuple[Name, ...] = fallthrough_option()


def setup(directives: tuple[FileOptions, ...], site: Site) -> Plugin:
    """Return the plugin that answers from the zone files of all directives.

    Raises:
        ConfigError: a zone file cannot be used.

    """
    served: dict[Name, ServedZone] = {}
    missing = ""
    for options in directives:
        for origin in options.zones:
            zone = served[origin] = ServedZone(origin, options, site)
            try:
                zone.load()
            except OSError as error:
                missing = site.block.shown(files.reason(error, options.path))
    last = directives[-1]
    if missing and not last.reload_s:
        # CoreDNS prints the plugin's name twice
        raise ConfigError(f"plugin/file: {missing}")
    if missing:
        again = format_duration(last.reload_s)
        log.warning("Failed to open %s: trying again in %s", quote(missing), again)
    _run(served, site)
    return file(served, last.fallthrough, site)


def _run(served: Mapping[Name, ServedZone], site: Site) -> None:
    """Watch the files of ``served``, and offer the zones to *transfer*."""

    async def start() -> None:
        for zone in served.values():
            zone.free_in_steps()
            if zone.is_watched:
                site.task("file", zone.watch)

    def transfer(name: Name) -> Sequence[RRset] | None:
        zone = served[name].zone if name in served else None
        return None if zone is None else [*zone.rrsets(), zone.soa]

    site.on_start(start)
    site.offers.transfers.append(transfer)


def file(
    served: Mapping[Name, ServedZone], fallthrough: Sequence[Name], site: Site
) -> Plugin:
    """Return the plugin that answers from the zones ``served``."""

    async def file(next_: Handler, query: Query) -> Response:
        qname, qtype, _ = query.question
        origin = longest(served, qname)
        if origin is None:
            return await _next_answer(next_, query)
        served_zone = served[origin]
        if qtype in (rdata.AXFR, rdata.IXFR):
            raise DnsError(rcode=Rcode.REFUSED)  # *transfer* answers allowed ones
        if served_zone.zone is None or query.hops >= _MAX_LOOKUPS:
            raise DnsError()
        result = served_zone.zone.lookup(query.question, query.do)
        if result.response.rcode == Rcode.SERVFAIL:
            raise DnsError()
        if _is_missing(result.response) and covers(fallthrough, qname):
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

    return as_plugin(file)


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
        ZoneRule.NXDOMAIN,
        ZoneRule.EMPTY_NON_TERMINAL,
    )


async def _with_target_records(
    query: Query, result: ZoneAnswer, zone: Zone, site: Site
) -> Response:
    """Return ``result`` completed by the server's own answer for its last target.

    The rcode is the one for the target (RFC 6604 3).
    """
    target = await site.ask(query, result.chase, query.question.qtype)
    failed = target.rcode in (Rcode.NXDOMAIN, Rcode.SERVFAIL)
    nodata = target.rcode == Rcode.NOERROR and not target.answer
    negative = target.rcode == Rcode.NXDOMAIN or nodata
    response = joined(result.response, target)
    return replace(
        response,
        rcode=target.rcode if failed else Rcode.NOERROR,
        authority=zone.negative(query.do) if negative else response.authority,
        additional=zone.additional(response.answer, query.do),
        tc=False,  # whatever the target's reply says (CoreDNS)
    )


PLUGIN = PluginSpec(
    name="file",
    summary="answer with authority from zone files",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=FileOptions(),
    options=(
        accepted("upstream [ARGUMENTS...]", "An option of old releases; ignored."),
    ),
    repeated=Repeated.CONTINUED,
)
