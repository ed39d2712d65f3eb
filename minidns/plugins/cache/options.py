"""The options of *cache*: their syntax, defaults, meaning and CoreDNS's errors."""

from dataclasses import dataclass, replace

from minidns.corefile import values
from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Excess, Words, line, option, set_by, switch
from minidns.dns.model import Name
from minidns.dns.names import absolute

SHORTEST_TTL = 5
"""Seconds that a reply without a TTL of its own is stored (CoreDNS)."""
LONGEST_TTL = 3600
"""Seconds at which longer TTLs are cut unless configured otherwise (CoreDNS)."""
_SHARDS, _LEAST_PER_SHARD = 256, 4
"""CoreDNS has this many small stores, which gives the capacities their steps."""
_LONGEST_FAILURE_S = _LONGEST_RECHECK_S = 300.0
_STALE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits for answers of one kind: their number and their TTL."""

    longest: int
    """The longest TTL in seconds."""
    shortest: int = SHORTEST_TTL
    """The shortest TTL in seconds."""
    capacity: int = 10_000
    """The number in the Corefile; see ``entries``."""
    disabled: tuple[Name, ...] = ()
    """Zones whose answers are not stored."""

    @property
    def entries(self) -> int:
        """Number of entries: 9984 by default, 1024 at least (CoreDNS)."""
        return max(self.capacity // _SHARDS, _LEAST_PER_SHARD) * _SHARDS


@dataclass(frozen=True, slots=True)
class Prefetch:
    """The conditions for refreshing an entry before it expires."""

    amount: int = 0
    """Number of hits that it takes; 0 turns prefetching off."""
    gap_s: float = 60.0
    """Seconds between two hits after which counting starts again."""
    percentage: int = 10
    """Share of the TTL that is left at most."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The use of expired entries (RFC 8767)."""

    for_s: float = 0.0
    """Seconds for which expired entries are used; 0 turns it off."""
    verify: bool = False
    """Look up first, and use the entry only if that fails."""
    patience_s: float = 0.0
    """Seconds to wait for the lookup when verifying; 0 is without a limit."""
    ttl: int = 0
    """TTL of a stale answer in seconds."""
    recheck_s: float = 0.0
    """Seconds after a failed lookup until the next one."""
    prefer_positive: bool = False
    """True to prefer a positive answer, even expired, to any denial."""
    configured: bool = False
    """True if the Corefile has ``serve_stale``."""


def _set_ttl_and_zones(cache: "CacheOptions", words: Words) -> "CacheOptions":
    args = words.args
    ttl = _leading_ttl(words.first)
    if ttl is not None:
        longest = _positive(ttl)
        success = replace(cache.success, longest=longest)
        denial = replace(cache.denial, longest=longest)
        cache, args = replace(cache, success=success, denial=denial), args[1:]
    return replace(cache, zones=values.zones(args, words.zones))


def _leading_ttl(word: str) -> int | None:
    """Return the first argument as a TTL; None if it is a zone."""
    try:
        return values.integer(word)
    except ValueError:
        return None


def _positive(ttl: int) -> int:
    if ttl <= 0:
        raise ValueError(f"cache TTL can not be zero or negative: {ttl}")
    return ttl


def _with_capacity(bounds: Bounds, words: tuple[str, ...]) -> Bounds:
    """Read ``CAPACITY [TTL [MINTTL]]``; further words are ignored (CoreDNS)."""
    bounds = replace(bounds, capacity=values.integer(words[0]))
    if len(words) > 1:
        bounds = replace(bounds, longest=_positive(values.integer(words[1])))
    if len(words) > 2:
        bounds = replace(bounds, shortest=values.integer(words[2]))
        if bounds.shortest < 0:
            raise ValueError(f"cache min TTL can not be negative: {bounds.shortest}")
    return bounds


def _set_bounds(cache: "CacheOptions", words: Words) -> "CacheOptions":
    if words.where.name == "success":
        return replace(cache, success=_with_capacity(cache.success, words.args))
    return replace(cache, denial=_with_capacity(cache.denial, words.args))


def _read_prefetch(words: Words) -> Prefetch:
    amount = values.integer(words.first)
    if amount < 0:
        raise ValueError(f"prefetch amount should be positive: {amount}")
    prefetch = Prefetch(amount)
    if len(words.args) > 1:
        prefetch = replace(prefetch, gap_s=values.duration(words.args[1]))
    if len(words.args) > 2:
        prefetch = replace(prefetch, percentage=_percentage(words.args[2]))
    return prefetch


def _percentage(word: str) -> int:
    if not word.endswith("%"):
        text = "last character of percentage should be `%`, but is: "
        raise ValueError(f"{text}'{word[-1:]}'")
    number = values.integer(word[:-1])
    if not 10 <= number <= 90:
        raise ValueError(f"percentage should fall in range [10, 90]: {number}")
    return number


def _set_stale(cache: "CacheOptions", words: Words) -> "CacheOptions":
    """Read ``[DURATION [immediate | verify [TIMEOUT]] [TTL [RECHECK]]]``."""
    left = list(words.args)
    before = cache.stale.prefer_positive
    stale = Stale(_STALE_S, prefer_positive=before, configured=True)
    if left:
        stale = replace(stale, for_s=values.duration(left.pop(0)))
        if stale.for_s < 0:
            raise ValueError("invalid negative duration for serve_stale")
    if left:
        stale = replace(stale, verify=_is_verify(left.pop(0)))
    if left and stale.verify:
        patience_s = _stale_duration(left.pop(0), "verify timeout", "timeout", "verify")
        stale = replace(stale, patience_s=patience_s)
    if len(left) > 2:
        raise words.where.arg_error()
    if left:
        stale = replace(stale, ttl=_stale_ttl(left.pop(0)))
    if left:
        stale = replace(stale, recheck_s=_recheck(left.pop(0)))
    return replace(cache, stale=stale)


def _is_verify(word: str) -> bool:
    mode = word.lower()
    if mode not in ("immediate", "verify"):
        raise ValueError(f"invalid value for serve_stale refresh mode: {mode}")
    return mode == "verify"


def _stale_duration(word: str, name: str, short: str = "", mode: str = "") -> float:
    """Return the seconds ``word``; ``name`` is how CoreDNS calls the value."""
    try:
        seconds = values.duration(word)
    except ValueError as error:
        raise ValueError(f"invalid serve_stale {name}: {error}") from error
    if seconds < 0:
        option = f"serve_stale {mode}".rstrip()
        raise ValueError(f"invalid negative {short or name} for {option}")
    return seconds


def _stale_ttl(word: str) -> int:
    seconds = _stale_duration(word, "response TTL")
    if seconds != int(seconds):
        text = "serve_stale response TTL must be a whole number of seconds"
        raise ValueError(text)
    if seconds >= 1 << 32:
        raise ValueError("serve_stale response TTL exceeds the DNS TTL range")
    return int(seconds)


def _recheck(word: str) -> float:
    seconds = _stale_duration(word, "failure recheck")
    if seconds > _LONGEST_RECHECK_S:
        raise ValueError("serve_stale failure recheck cannot exceed 5 minutes")
    return seconds


def _set_stale_policy(cache: "CacheOptions", words: Words) -> "CacheOptions":
    if cache.stale.prefer_positive:
        raise ValueError("serve_stale_policy can only be specified once")
    if words.first.lower() != "prefer_positive":
        raise ValueError(f"invalid serve_stale_policy: {words.first}")
    return replace(cache, stale=replace(cache.stale, prefer_positive=True))


def _read_failure(words: Words) -> float:
    seconds = values.duration(words.first)
    if seconds < 0:
        raise ValueError("invalid negative ttl for servfail")
    if seconds > _LONGEST_FAILURE_S:  # RFC 2308 7.1
        text = "caching SERVFAIL responses over 5 minutes is not permitted"
        raise ValueError(text)
    return seconds


def _set_disabled(cache: "CacheOptions", words: Words) -> "CacheOptions":
    kind, *names = words.args
    if kind not in ("success", "denial"):
        raise ValueError('cache type for disable must be "success" or "denial"')
    disabled = tuple(map(absolute, names)) or (".",)
    if kind == "success":
        return replace(cache, success=replace(cache.success, disabled=disabled))
    return replace(cache, denial=replace(cache.denial, disabled=disabled))


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """The options of *cache*; the defaults are CoreDNS's."""

    zones: tuple[Name, ...] = set_by(
        (),
        line(
            " [TTL] [ZONES...]",
            "The longest time, in seconds, for which answers are stored (3600, and 1800"
            " for negative answers), and the zones whose answers are stored, by default"
            " those of the server block. Other names pass unchanged.",
            _set_ttl_and_zones,
            example="30 example.org",
        ),
    )
    success: Bounds = set_by(
        Bounds(LONGEST_TTL),
        line(
            "success CAPACITY [TTL [MINTTL]]",
            "How many positive answers are stored, 9984 by default, in steps of 256, at"
            " least 1024; and the longest and shortest time for which they are stored"
            " (3600 and 5).",
            _set_bounds,
            example="5000 60 10",
            excess=Excess.IGNORED,
        ),
    )
    denial: Bounds = set_by(
        Bounds(LONGEST_TTL // 2),
        line(
            "denial CAPACITY [TTL [MINTTL]]",
            "The same for negative answers (1800 and 5).",
            _set_bounds,
            example="2048 60 10",
            excess=Excess.IGNORED,
        ),
        line(
            "disable success|denial [ZONES...]",
            "Does not store answers of one kind, in ZONES or in all zones; a second"
            " line of the same kind replaces the first.",
            _set_disabled,
            example="denial example.org",
        ),
    )
    prefetch: Prefetch = option(
        "prefetch AMOUNT [DURATION [PERCENTAGE%]]",
        "Refreshes an answer in the background when it has been requested AMOUNT times"
        " without a pause of DURATION (1m) and PERCENTAGE (10%) of its TTL is left.",
        Prefetch(),
        _read_prefetch,
        example="3 5m 20%",
    )
    stale: Stale = set_by(
        Stale(),
        line(
            "serve_stale [DURATION [immediate | verify [TIMEOUT]] [TTL [RECHECK]]]",
            "Serves an answer for DURATION (1h) after it expired. `immediate` serves it"
            " at once and refreshes it in the background; `verify` first asks for a"
            " new answer for at most TIMEOUT, and serves the stale one if there is no"
            " better reply. TTL is the TTL of a stale answer (0s); RECHECK is the pause"
            " after a failed refresh (0s).",
            _set_stale,
            excess=Excess.IGNORED,
        ),
        line(
            "serve_stale_policy prefer_positive",
            "Prefers a positive answer, fresh or stale, to any negative answer.",
            _set_stale_policy,
            example="prefer_positive\nserve_stale",
        ),
    )
    failure_s: float = option(
        "servfail DURATION",
        "How long failures are stored, at most 5m; 0 disables it.",
        5.0,
        _read_failure,
        example="1m",
    )
    keep_ttl: bool = switch(
        "keepttl", "Serves the original TTL, however old the answer is."
    )


def unknown(line: Line) -> ConfigError:
    """Return the error for a line that is no option; it names no argument (CoreDNS)."""
    return ConfigError.arguments(line, line.name)


def check(cache: CacheOptions, where: Directive) -> None:
    """Raise ConfigError for a policy about stale answers that are not served."""
    if cache.stale.prefer_positive and not cache.stale.configured:
        raise ConfigError.plain(where, "serve_stale_policy requires serve_stale")
