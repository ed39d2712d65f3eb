"""The arguments and the block of ``cache``: what may stand there, what it means."""

from collections.abc import Callable
from dataclasses import dataclass, field

from minidns.corefile import values
from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.dns.model import Name
from minidns.dns.names import absolute
from minidns.plugins.cache.stale import Stale, check_policy, read_policy, read_stale
from minidns.plugins.cache.ttl import LONGEST, SHORTEST

SHARDS, LEAST_PER_SHARD = 256, 4
"""CoreDNS keeps this many small stores, hence the capacities it has."""
_LONGEST_FAILURE_S = 300.0


@dataclass(slots=True)
class Bounds:
    """How many answers of a kind are kept, and for how long."""

    longest: int
    """Seconds."""
    shortest: int = SHORTEST
    capacity: int = 10_000
    """As written; see ``entries``."""
    disabled: tuple[Name, ...] = ()
    """Zones whose answers are not kept."""

    @property
    def entries(self) -> int:
        """How many entries that makes: 9984 by default, 1024 at least (CoreDNS)."""
        return max(self.capacity // SHARDS, LEAST_PER_SHARD) * SHARDS


@dataclass(slots=True)
class Prefetch:
    """When an entry is asked for again before it expires."""

    amount: int = 0
    """Hits it takes; 0 is never."""
    gap_s: float = 60.0
    """Seconds between two hits after which counting begins anew."""
    percentage: int = 10
    """Of the TTL; at most this much is left."""


@dataclass(slots=True)
class Options:
    """Settings of a ``cache``; the defaults are CoreDNS's."""

    success: Bounds = field(default_factory=lambda: Bounds(LONGEST))
    denial: Bounds = field(default_factory=lambda: Bounds(LONGEST // 2))
    failure_s: float = 5.0
    prefetch: Prefetch = field(default_factory=Prefetch)
    stale: Stale = field(default_factory=Stale)
    keep_ttl: bool = False


def read(
    directive: Directive, own_zones: tuple[Name, ...]
) -> tuple[Options, tuple[Name, ...]]:
    """Return the settings that ``directive`` means, and the zones they are for.

    Raises:
        ConfigError: no such option, or not such a value.

    """
    options = Options()
    args = directive.args
    try:
        if args and (ttl := _leading_ttl(args[0])) is not None:
            options.success.longest = options.denial.longest = _positive(ttl)
            args = args[1:]
    except ValueError as exc:
        raise _plain(directive, str(exc)) from exc
    for line in directive.block:
        _read_option(options, line)
    check_policy(directive)
    return options, values.zones(args, own_zones)


def _read_option(options: Options, line: Line) -> None:
    read_option = _READERS.get(line.name)
    if read_option is None:  # its arguments are not read any more (CoreDNS)
        raise ConfigError.arguments(line, line.name)
    try:
        read_option(options, line)
    except ConfigError:
        raise
    except ValueError as exc:
        raise _plain(line, str(exc)) from exc


def _plain(where: Directive | Line, text: str) -> ConfigError:
    """Return an error that knows its position but, as in CoreDNS, does not say it."""
    return ConfigError(text, file=where.file, line=where.line, text=text)


def _leading_ttl(word: str) -> int | None:
    """Return the TTL that the first argument is, if it is no zone."""
    try:
        return values.integer(word)
    except ValueError:
        return None


def _positive(ttl: int) -> int:
    if ttl <= 0:
        raise ValueError(f"cache TTL can not be zero or negative: {ttl}")
    return ttl


def _words(line: Line, least: int, most: int | None = None) -> tuple[str, ...]:
    """Return the arguments, of which there must be as many."""
    if len(line.args) < least or (most is not None and len(line.args) > most):
        raise line.arg_error()
    return line.args


def _success(options: Options, line: Line) -> None:
    _read_bounds(options.success, _words(line, 1))


def _denial(options: Options, line: Line) -> None:
    _read_bounds(options.denial, _words(line, 1))


def _read_bounds(bounds: Bounds, words: tuple[str, ...]) -> None:
    """Read ``CAPACITY [TTL [MINTTL]]``; what comes after is let pass (CoreDNS)."""
    bounds.capacity = values.integer(words[0])
    if len(words) > 1:
        bounds.longest = _positive(values.integer(words[1]))
    if len(words) > 2:
        bounds.shortest = values.integer(words[2])
        if bounds.shortest < 0:
            raise ValueError(f"cache min TTL can not be negative: {bounds.shortest}")


def _prefetch(options: Options, line: Line) -> None:
    words = _words(line, 1, 3)
    prefetch = options.prefetch
    prefetch.amount = values.integer(words[0])
    if prefetch.amount < 0:
        raise ValueError(f"prefetch amount should be positive: {prefetch.amount}")
    if len(words) > 1:
        prefetch.gap_s = values.duration(words[1])
    if len(words) > 2:
        prefetch.percentage = _percentage(words[2])


def _percentage(word: str) -> int:
    if not word.endswith("%"):
        text = "last character of percentage should be `%`, but is: "
        raise ValueError(f"{text}'{word[-1:]}'")
    number = values.integer(word[:-1])
    if not 10 <= number <= 90:
        raise ValueError(f"percentage should fall in range [10, 90]: {number}")
    return number


def _serve_stale(options: Options, line: Line) -> None:
    options.stale = read_stale(line, options.stale)


def _serve_stale_policy(options: Options, line: Line) -> None:
    read_policy(options.stale, line)


def _servfail(options: Options, line: Line) -> None:
    (word,) = _words(line, 1, 1)
    options.failure_s = values.duration(word)
    if options.failure_s < 0:
        raise ValueError("invalid negative ttl for servfail")
    if options.failure_s > _LONGEST_FAILURE_S:  # RFC 2308 7.1
        text = "caching SERVFAIL responses over 5 minutes is not permitted"
        raise ValueError(text)


def _disable(options: Options, line: Line) -> None:
    kind, *zones = _words(line, 1)
    if kind not in ("success", "denial"):
        raise ValueError('cache type for disable must be "success" or "denial"')
    bounds = options.success if kind == "success" else options.denial
    bounds.disabled = tuple(map(absolute, zones)) or (".",)


def _keepttl(options: Options, line: Line) -> None:
    _words(line, 0, 0)
    options.keep_ttl = True


_READERS: dict[str, Callable[[Options, Line], None]] = {
    "success": _success,
    "denial": _denial,
    "prefetch": _prefetch,
    "serve_stale": _serve_stale,
    "serve_stale_policy": _serve_stale_policy,
    "servfail": _servfail,
    "disable": _disable,
    "keepttl": _keepttl,
}
