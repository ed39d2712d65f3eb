"""*errors* - log why queries failed."""

import logging
from dataclasses import dataclass

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import Pattern, duration, format_duration, pattern
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Response
from minidns.dns.rdata import type_name
from minidns.plugins.site import Site, once
from minidns.plugins.spec import PluginSpec, Traits

log = logging.getLogger(__name__)

_LEVELS = {
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


@dataclass(slots=True)
class Consolidation:
    """Failures of one sort that share a line, and how many wait for it."""

    period_s: float
    pattern: Pattern
    level: int = logging.ERROR
    show_first: bool = False
    """Whether the first is logged at once, and alone needs no summary."""
    count: int = 0

    def flush(self) -> None:
        """Write the summary of those that wait."""
        count, self.count = self.count, 0
        if count > 1 or (count and not self.show_first):
            log.log(
                self.level,
                "%d errors like '%s' occurred in last %s",
                count,
                self.pattern.pattern,
                format_duration(self.period_s),
            )


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``errors [stdout] { stacktrace; consolidate ... }``.

    Raises:
        ConfigError: another file than stdout, an unknown option, a bad pattern.

    """
    directive = once(directives)
    if len(directive.args) > 1:
        raise directive.arg_error()
    if directive.args and directive.args[0] != "stdout":
        raise directive.error(f"invalid log file: {directive.args[0]}")
    consolidations = []
    for line in directive.block:
        match line.name:
            case "stacktrace":
                site.stacktrace = True
                if line.args:  # an option of its own, for CoreDNS reads word by word
                    raise _unknown(Line(line.tokens[1:]))
            case "consolidate":
                consolidations.append(_consolidation(line))
            case _:
                raise _unknown(line)
    return _Errors(site, consolidations)


def _unknown(line: Line) -> ConfigError:
    return line.syntax_error(f"Unknown field {line.name}")


def _consolidation(line: Line) -> Consolidation:
    """Return what ``consolidate DURATION REGEXP [LEVEL] [show_first]`` asks for."""
    if not 2 <= len(line.args) <= 4:
        raise line.arg_error()
    period, regexp, *options = line.args
    try:
        made = Consolidation(duration(period), pattern(regexp))
    except ValueError as error:
        raise line.error(str(error)) from error
    levels = [option for option in options if option in _LEVELS]
    for option in options:
        if option not in (*_LEVELS, "show_first"):
            raise line.error(f"unknown option in consolidate: {option}")
    if len(levels) > 1:
        raise line.error("multiple log levels specified in consolidate")
    if levels and options[0] not in _LEVELS:
        raise line.error("log level must come before show_first in consolidate")
    made.level = _LEVELS[levels[0]] if levels else logging.ERROR
    made.show_first = "show_first" in options
    return made


class _Errors:
    def __init__(self, site: Site, consolidations: list[Consolidation]) -> None:
        self._site = site
        self._consolidations = consolidations
        self._stopped = False
        site.on_stop(self._stop)

    def __call__(self, next_: Handler) -> Handler:
        async def errors(query: Query) -> Response:
            try:
                return await next_(query)
            except DnsError as error:
                if error.text and not isinstance(error, Dropped):
                    self._report(query, error)
                raise

        return errors

    def _report(self, query: Query, error: DnsError) -> None:
        level = logging.ERROR
        for each in self._consolidations:
            if each.pattern.search(error.text):
                if self._waits(each):
                    return
                level = each.level
                break
        qname, qtype, _ = query.question
        log.log(level, "%d %s %s: %s", error.rcode, qname, type_name(qtype), error.text)

    def _waits(self, consolidation: Consolidation) -> bool:
        """Count one more failure; return whether a summary will stand for it."""
        if self._stopped:
            return False
        consolidation.count += 1
        if consolidation.count > 1:
            return True
        self._site.once("errors", self._summarize(consolidation))
        return not consolidation.show_first

    async def _summarize(self, consolidation: Consolidation) -> None:
        await self._site.edges.sleep(consolidation.period_s)
        consolidation.flush()

    async def _stop(self) -> None:
        self._stopped = True
        for each in self._consolidations:
            each.flush()


PLUGIN = PluginSpec(
    name="errors",
    summary="log why queries failed",
    syntax="errors [stdout]",
    traits=Traits.HANDLES_QUERIES | Traits.ONCE_PER_BLOCK,
    setup=setup,
    defaults=None,
)
