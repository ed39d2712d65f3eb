"""*hosts* - answer from a hosts file and from lines in the Corefile."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from minidns.corefile.directives import Directive, Line
from minidns.corefile.options import (
    Excess,
    Words,
    fallthrough_option,
    line,
    option,
    path,
    set_by,
    switch,
)
from minidns.corefile.values import covers, duration, integer, zones
from minidns.dns import names, rdata
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Response,
    Reuse,
    RRset,
    also_depends_on,
)
from minidns.dns.rules import AnswerRule
from minidns.plugins.hosts.table import Entry, Hosts, HostsLine, lines, pointed
from minidns.plugins.site import Site, once
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.plugins.watched import WatchedFile
from minidns.text import files
from minidns.text.go_text import quote

log = logging.getLogger(__name__)

_SIZES = {rdata.A: 4, rdata.AAAA: 16}
"""Bytes of an address, by type."""
_SUPPORTED = (*_SIZES, rdata.PTR)


class HostsRule(AnswerRule):
    """The rules of *hosts*."""

    ADDRESS = "hosts/address", "a hosts line has the address of the name"
    POINTER = "hosts/pointer", "a hosts line has a name of the address"
    NODATA = "hosts/nodata", "hosts lines have the name, with other addresses"


def _set_file(hosts: "HostsOptions", words: Words) -> "HostsOptions":
    served = zones(words.args[1:], words.zones)
    if not words.args:
        return replace(hosts, zones=served)
    return replace(hosts, path=path(words), is_named=True, zones=served)


def _read_ttl(words: Words) -> int:
    if not words.args:
        raise words.error("ttl needs a time in second")
    try:
        ttl = integer(words.first)
    except ValueError as error:
        raise words.error("ttl needs a number of second") from error
    if not 0 < ttl <= 65535:
        raise words.error("ttl provided is invalid")
    return ttl


def _read_reload(words: Words) -> float:
    if len(words.args) != 1:
        raise words.error("reload needs a duration (zero seconds to disable)")
    try:
        seconds = duration(words.first)
    except ValueError as error:
        text = f"invalid duration for reload '{words.first}'"
        raise words.error(text) from error
    if seconds < 0:
        raise words.error(f"invalid negative duration for reload '{words.first}'")
    return seconds


@dataclass(frozen=True, slots=True)
class HostsOptions:
    """The options of *hosts*."""

    path: str = set_by(
        "/etc/hosts",
        line(
            " [FILE [ZONES...]]",
            "The hosts file, which is read in addition to the lines of the block, and"
            " the zones to answer for, by default those of the server block. A relative"
            " path starts at the folder that *root* names.",
            _set_file,
            example="/etc/hosts.local example.org",
        ),
    )
    is_named: bool = False
    """True if the Corefile names the path."""
    zones: tuple[Name, ...] = (".",)
    ttl: int = option(
        "ttl SECONDS",
        "The TTL of all answers, 1 to 65535 seconds.",
        3600,
        _read_ttl,
        example="60",
        least=0,
        excess=Excess.IGNORED,
    )
    reverse: bool = switch(
        "no_reverse", "Disables PTR answers.", default=True, excess=Excess.IGNORED
    )
    reload_s: float = option(
        "reload DURATION",
        "The interval of the checks of the file for changes; `0` disables them.",
        5.0,
        _read_reload,
        example="1m",
        least=0,
        excess=Excess.IGNORED,
    )
    fallthrough: tuple[Name, ...] = fallthrough_option()
    fallthrough_unsupported: bool = switch(
        "fallthrough_unsupported",
        "Also passes on types other than A, AAAA and PTR of known names. It needs"
        " `fallthrough`.",
    )

    def conflicts(self) -> Iterator[str]:
        """Yield CoreDNS's text if an option lacks the one that it needs."""
        if self.fallthrough_unsupported and not self.fallthrough:
            yield "fallthrough_unsupported requires fallthrough"


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin that answers from the hosts file and the lines of the block.

    Raises:
        ConfigError: an option that CoreDNS refuses.

    """
    directive = once(directives)
    option_lines, hosts_lines = _split_block(directive)
    without_hosts = replace(directive, block=option_lines)
    options: HostsOptions = PLUGIN.read_one(without_hosts, site)
    known = KnownHosts(options, hosts_lines, site)
    site.on_start(known.start)
    return as_plugin(known.handle)


def _split_block(directive: Directive) -> tuple[tuple[Line, ...], list[HostsLine]]:
    """Return the options and the hosts lines in the block of ``directive``.

    A line that is no option is a hosts line, until ``fallthrough`` (CoreDNS).
    """
    options: list[Line] = []
    hosts_lines: list[HostsLine] = []
    falls = False
    for entry in directive.block:
        if falls or PLUGIN.option(entry.name) is not None:
            options.append(entry)
        else:
            text = " ".join((entry.name, *entry.args))
            hosts_lines.append(HostsLine(text, entry.file, entry.line))
        falls = falls or entry.name == "fallthrough"
    return tuple(options), hosts_lines


class KnownHosts:
    """The entries of the hosts file and of the Corefile."""

    def __init__(
        self, options: HostsOptions, inline: Sequence[HostsLine], site: Site
    ) -> None:
        self.options = options
        self.key = ("hosts", options.path)
        """The dependency key of answers."""
        self._site = site
        self._inline = self._empty_table()
        self._inline.read(inline)
        self._file = self._empty_table()
        self._watched = WatchedFile(options.path, site)
        self._problem = ""
        """The error of the last read; it is logged when it changes."""
        self._entries = site.metrics.gauge(
            "coredns_hosts_entries",
            "Addresses of names and names of addresses, in all.",
            ("hostsfile",),
        )
        self._reloaded = site.metrics.gauge(
            "coredns_hosts_reload_timestamp_seconds",
            "When the hosts file was last read, in Unix seconds.",
        )

    def _empty_table(self, characters: int = 0) -> Hosts:
        return Hosts(
            self.options.zones, reverse=self.options.reverse, characters=characters
        )

    async def start(self) -> None:
        """Read the file now, and whenever it has changed."""
        try:
            await self._load()
        except OSError as error:
            self._problem = str(error)
            if self.options.is_named:
                self._warn(error)
        if self.options.reload_s:
            self._site.task("hosts", self._watch)

    async def _watch(self) -> None:
        await self._watched.watch(self.options.reload_s, self._load, self._report)

    def _report(self, error: OSError | ValueError) -> None:
        """Log why the file cannot be read, if that has changed; its entries stay."""
        if str(error) != self._problem and isinstance(error, OSError):
            self._warn(error)
        self._problem = str(error)

    def _warn(self, error: OSError) -> None:
        path = self.options.path
        if isinstance(error, FileNotFoundError):
            shown = path if path.isprintable() else quote(path)
            log.warning("File does not exist: %s", shown)
        elif isinstance(error, IsADirectoryError):
            log.warning("Hosts file %s is a directory", quote(path))
        else:
            log.warning("%s", files.reason(error, path))

    def _changed_table(self) -> Hosts | None:
        """Return the entries of the file; None if it has not changed."""
        text = self._watched.read()
        if text is None:
            return None
        table = self._empty_table(len(text))
        table.read(lines(text, self.options.path))
        self._watched.accept(text)
        return table

    async def _load(self) -> None:
        """Read the file if it has changed; OSError if that fails."""
        fresh = await self._site.edges.aside(self._changed_table)
        self._problem = ""
        if fresh is None:
            return
        self._file = fresh
        path = self.options.path
        self._entries.set((path,), len(self._inline) + len(fresh))
        self._reloaded.set((), self._site.edges.wall())
        log.debug("Parsed hosts file into %d entries", len(fresh))
        if fresh.skipped:
            shown = path if path.isprintable() else quote(path)
            log.warning("%s: %d lines left out: %s", shown, fresh.skipped, _LEFT_OUT)
        self._site.forget((self.key,))

    async def handle(self, next_: Handler, query: Query) -> Response:
        """Answer from the entries; pass on what is not in them, if allowed."""
        options, (name, rtype, _) = self.options, query.question
        pointer = rtype == rdata.PTR
        if not (pointer or covers(options.zones, name)):
            return await next_(query)
        falls = covers(options.fallthrough, name)
        if falls and options.fallthrough_unsupported and rtype not in _SUPPORTED:
            return also_depends_on(await next_(query), self.key)
        entries = self.answers(name, rtype)
        if entries is not None:
            return _response(query, entries, self)
        if falls or pointer:  # unknown addresses always go to the next plugin
            return also_depends_on(await next_(query), self.key)
        # NXDOMAIN would need an SOA, which a hosts file does not have (CoreDNS)
        raise DnsError()

    def answers(self, name: Name, rtype: int) -> list[Entry] | None:
        """Return the entries of ``name``, the file's first; None if unknown."""
        if rtype == rdata.PTR:
            return self._pointers(name) or None
        entries = self._addresses(name, rtype) if rtype in _SIZES else []
        exists = entries or any(self._addresses(name, other) for other in _SIZES)
        return entries if exists else None

    def _addresses(self, name: Name, rtype: int) -> list[Entry]:
        return [
            *self._file.addresses(name, _SIZES[rtype]),
            *self._inline.addresses(name, _SIZES[rtype]),
        ]

    def _pointers(self, name: Name) -> list[Entry]:
        packed = pointed(name)
        if packed is None:
            return []
        return [*self._file.names_of(packed), *self._inline.names_of(packed)]


_LEFT_OUT = "not an address with names, longer than 65536 characters, or too many"


def _response(query: Query, entries: Sequence[Entry], known: KnownHosts) -> Response:
    name, rtype = query.question[:2]
    data = tuple(
        names.to_wire(entry.name) if rtype == rdata.PTR else entry.packed
        for entry in entries
    )
    sources = dict.fromkeys(entry.source for entry in entries)
    rule = HostsRule.POINTER if rtype == rdata.PTR else HostsRule.ADDRESS
    return Response(
        answer=(RRset(name, rtype, known.options.ttl, data),) if data else (),
        aa=True,
        lower_case=True,
        rule=rule if data else HostsRule.NODATA,
        sources=tuple(sources),
        reuse=Reuse(depends_on=(known.key,)),
    )


PLUGIN = PluginSpec(
    name="hosts",
    summary="answer from a hosts file and from lines in the Corefile",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=HostsOptions(),
    repeated=Repeated.UNREAD,
    conflicts=HostsOptions.conflicts,
)
