"""*errors* - log why queries failed.

A plugin that fails raises DnsError; it is logged here and passed on. With
``consolidate``, failures that match a pattern are counted instead: the first one starts
a timer, and a summary is logged when it expires.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add

from minidns.corefile.options import Excess, Words, line, option, switch
from minidns.corefile.values import Pattern, duration, format_duration, pattern
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Response
from minidns.dns.rdata import type_name
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin

log = logging.getLogger(__name__)

_LEVELS = {
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


@dataclass(frozen=True, slots=True)
class ConsolidationRule:
    """A rule by which similar failures share a log line for some time."""

    period_s: float
    pattern: Pattern
    level: int = logging.ERROR
    show_first: bool = False
    """True to log the first at once; a single failure then has no summary."""


def _check_file(options: "ErrorsOptions", words: Words) -> "ErrorsOptions":
    if words.args and words.first != "stdout":
        raise words.error(f"invalid log file: {words.first}")
    return options


def _read_rule(words: Words) -> tuple[ConsolidationRule]:
    """Return the rule of ``consolidate DURATION REGEXP [LEVEL] [show_first]``."""
    period, regexp, *options = words.args
    period_s, compiled = duration(period), pattern(regexp)
    levels = [word for word in options if word in _LEVELS]
    for word in options:
        if word not in (*_LEVELS, "show_first"):
            raise ValueError(f"unknown option in consolidate: {word}")
    if len(levels) > 1:
        raise ValueError("multiple log levels specified in consolidate")
    if levels and options[0] not in _LEVELS:
        raise ValueError("log level must come before show_first in consolidate")
    level = _LEVELS[levels[0]] if levels else logging.ERROR
    return (ConsolidationRule(period_s, compiled, level, "show_first" in options),)


@dataclass(frozen=True, slots=True)
class ErrorsOptions:
    """The options of *errors*."""

    stacktrace: bool = switch(
        "stacktrace",
        "Logs where in the program an unexpected failure happened.",
        excess=Excess.NEXT_OPTION,
    )
    consolidate: tuple[ConsolidationRule, ...] = option(
        "consolidate DURATION REGEXP [LEVEL] [show_first]",
        "Combines all failures whose reason matches REGEXP (RE2) into one line each"
        " DURATION, at LEVEL: `warning`, `error` (the default), `info` or `debug`. The"
        " first rule that matches counts.",
        (),
        _read_rule,
        example="5m timeout warning show_first",
        adding=add,
        located=True,
    )


def setup(options: ErrorsOptions, site: Site) -> Plugin:
    """Return the plugin that logs the failures of the plugins below."""
    site.stacktrace = site.stacktrace or options.stacktrace
    return as_plugin(_Errors(site, options.consolidate).handle)


@dataclass(slots=True)
class _Consolidation:
    """The failures that match a rule and have not been logged yet."""

    rule: ConsolidationRule
    count: int = 0

    def flush(self) -> None:
        """Log the summary of the pending failures."""
        count, self.count = self.count, 0
        rule = self.rule
        if count > 1 or (count and not rule.show_first):
            log.log(
                rule.level,
                "%d errors like '%s' occurred in last %s",
                count,
                rule.pattern.pattern,
                format_duration(rule.period_s),
            )


class _Errors:
    def __init__(self, site: Site, rules: Sequence[ConsolidationRule]) -> None:
        self._site = site
        self._consolidations = [_Consolidation(rule) for rule in rules]
        self._stopped = False
        site.on_stop(self._stop)

    async def handle(self, next_: Handler, query: Query) -> Response:
        try:
            return await next_(query)
        except DnsError as error:
            if error.text and not isinstance(error, Dropped):
                self._report(query, error)
            raise

    def _report(self, query: Query, error: DnsError) -> None:
        level = logging.ERROR
        for consolidation in self._consolidations:
            if consolidation.rule.pattern.search(error.text):
                if self._waits(consolidation):
                    return
                level = consolidation.rule.level
                break
        qname, qtype, _ = query.question
        log.log(level, "%d %s %s: %s", error.rcode, qname, type_name(qtype), error.text)

    def _waits(self, consolidation: _Consolidation) -> bool:
        """Count one more failure; return whether a summary will include it."""
        if self._stopped:
            return False
        consolidation.count += 1
        if consolidation.count > 1:
            return True
        self._site.once("errors", self._summarize(consolidation))
        return not consolidation.rule.show_first

    async def _summarize(self, consolidation: _Consolidation) -> None:
        await self._site.edges.sleep(consolidation.rule.period_s)
        consolidation.flush()

    async def _stop(self) -> None:
        self._stopped = True
        for consolidation in self._consolidations:
            consolidation.flush()


PLUGIN = PluginSpec(
    name="errors",
    summary="log why queries failed",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=ErrorsOptions(),
    options=(
        line(
            " [stdout]",
            "The file to log to; no other is possible.",
            _check_file,
            example="stdout",
        ),
    ),
    repeated=Repeated.REFUSED,
    unknown=lambda line: line.syntax_error(f"Unknown field {line.name}"),
)
