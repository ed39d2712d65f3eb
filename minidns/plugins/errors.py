"""*errors* - log why queries failed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import Pattern, duration, format_duration, pattern
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Response
from minidns.dns.rdata import type_name
from minidns.plugins.options import flag
from minidns.plugins.site import Site
from minidns.plugins.spec import Excess, Option, PluginSpec, Traits, Words

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


@dataclass(frozen=True, slots=True)
class ErrorsOptions:
    """The options of *errors*."""

    stacktrace: bool = False
    consolidate: tuple[ConsolidationRule, ...] = ()


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


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``errors [stdout] { stacktrace; consolidate ... }``.

    Raises:
        ConfigError: another file than stdout, an unknown option, a bad pattern.

    """
    options = PLUGIN.read(directives, site)
    site.stacktrace = site.stacktrace or options.stacktrace
    return _Errors(site, options.consolidate)


def _check_file(options: ErrorsOptions, words: Words) -> ErrorsOptions:
    if words.args and words.first != "stdout":
        raise words.error(f"invalid log file: {words.first}")
    return options


def _unknown(line: Line) -> ConfigError:
    return line.syntax_error(f"Unknown field {line.name}")


def _append_rule(options: ErrorsOptions, words: Words) -> ErrorsOptions:
    return replace(options, consolidate=(*options.consolidate, _rule(words)))


def _rule(words: Words) -> ConsolidationRule:
    """Return the rule of ``consolidate DURATION REGEXP [LEVEL] [show_first]``."""
    period, regexp, *options = words.args
    period_s, compiled = duration(period), pattern(regexp)
    levels = [option for option in options if option in _LEVELS]
    for option in options:
        if option not in (*_LEVELS, "show_first"):
            raise ValueError(f"unknown option in consolidate: {option}")
    if len(levels) > 1:
        raise ValueError("multiple log levels specified in consolidate")
    if levels and options[0] not in _LEVELS:
        raise ValueError("log level must come before show_first in consolidate")
    level = _LEVELS[levels[0]] if levels else logging.ERROR
    return ConsolidationRule(period_s, compiled, level, "show_first" in options)


class _Errors:
    def __init__(self, site: Site, rules: Sequence[ConsolidationRule]) -> None:
        self._site = site
        self._consolidations = [_Consolidation(rule) for rule in rules]
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
    syntax="errors [stdout]",
    traits=Traits.HANDLES_QUERIES | Traits.ONCE_PER_BLOCK,
    setup=setup,
    defaults=ErrorsOptions(),
    arguments=Option(
        name="",
        arguments="[stdout]",
        meaning="The file to log to; no other is possible.",
        example="stdout",
        most=1,
        apply=_check_file,
    ),
    options=(
        flag(
            "stacktrace",
            "stacktrace",
            "An unexpected failure is logged with its stack.",
            excess=Excess.NEXT_OPTION,
        ),
        Option(
            name="consolidate",
            arguments="DURATION REGEXP [LEVEL] [show_first]",
            meaning="Failures that match REGEXP share one line each DURATION.",
            example="consolidate 5m timeout warning show_first",
            least=2,
            most=4,
            field="consolidate",
            apply=_append_rule,
            located=True,
        ),
    ),
    unknown=_unknown,
)
