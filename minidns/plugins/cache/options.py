"""The options of *cache*: their defaults, and the table that reads them."""

from dataclasses import dataclass, field, replace
from typing import Final

from minidns.corefile import values
from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.dns.model import Name
from minidns.dns.names import absolute
from minidns.plugins import options
from minidns.plugins.spec import Option, Words

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


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Options of *cache*; the defaults are CoreDNS's."""

    zones: tuple[Name, ...] = ()
    success: Bounds = Bounds(LONGEST_TTL)
    denial: Bounds = Bounds(LONGEST_TTL // 2)
    failure_s: float = 5.0
    prefetch: Prefetch = field(default_factory=Prefetch)
    stale: Stale = field(default_factory=Stale)
    keep_ttl: bool = False


def unknown(line: Line) -> ConfigError:
    """Return the error for a line that is no option; it names no argument (CoreDNS)."""
    return ConfigError.arguments(line, line.name)


def check(cache: CacheOptions, where: Directive) -> None:
    """Raise ConfigError for a policy about stale answers that are not served."""
    if cache.stale.prefer_positive and not cache.stale.configured:
        raise ConfigError.plain(where, "serve_stale_policy requires serve_stale")


def _arguments(cache: CacheOptions, words: Words) -> CacheOptions:
    args = words.args
    ttl = _leading_ttl(words.first)
    if ttl is not None:
        longest = _positive(ttl)
        success = replace(cache.success, longest=longest)
        denial = replace(cache.denial, longest=longest)
        cache, args = replace(cache, success=success, denial=denial), args[1:]
    return replace(cache, zones=values.zones(args, words.site.zones))


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


def _success(cache: CacheOptions, words: Words) -> CacheOptions:
    return replace(cache, success=_bounds(cache.success, words.args))


def _denial(cache: CacheOptions, words: Words) -> CacheOptions:
    return replace(cache, denial=_bounds(cache.denial, words.args))


def _bounds(bounds: Bounds, words: tuple[str, ...]) -> Bounds:
    """Read ``CAPACITY [TTL [MINTTL]]``; further words are ignored (CoreDNS)."""
    bounds = replace(bounds, capacity=values.integer(words[0]))
    if len(words) > 1:
        bounds = replace(bounds, longest=_positive(values.integer(words[1])))
    if len(words) > 2:
        bounds = replace(bounds, shortest=values.integer(words[2]))
        if bounds.shortest < 0:
            raise ValueError(f"cache min TTL can not be negative: {bounds.shortest}")
    return bounds


def _prefetch(words: Words) -> Prefetch:
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


def _serve_stale(cache: CacheOptions, words: Words) -> CacheOptions:
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


def _policy(cache: CacheOptions, words: Words) -> CacheOptions:
    if cache.stale.prefer_positive:
        raise ValueError("serve_stale_policy can only be specified once")
    if words.first.lower() != "prefer_positive":
        raise ValueError(f"invalid serve_stale_policy: {words.first}")
    return replace(cache, stale=replace(cache.stale, prefer_positive=True))


def _servfail(words: Words) -> float:
    seconds = values.duration(words.first)
    if seconds < 0:
        raise ValueError("invalid negative ttl for servfail")
    if seconds > _LONGEST_FAILURE_S:  # RFC 2308 7.1
        text = "caching SERVFAIL responses over 5 minutes is not permitted"
        raise ValueError(text)
    return seconds


def _disable(cache: CacheOptions, words: Words) -> CacheOptions:
    kind, *names = words.args
    if kind not in ("success", "denial"):
        raise ValueError('cache type for disable must be "success" or "denial"')
    disabled = tuple(map(absolute, names)) or (".",)
    if kind == "success":
        return replace(cache, success=replace(cache.success, disabled=disabled))
    return replace(cache, denial=replace(cache.denial, disabled=disabled))


ARGUMENTS: Final = Option(
    name="",
    arguments="[TTL] [ZONES...]",
    meaning="The longest TTL in seconds, and the zones; those of the server block"
    " without any.",
    example="30 example.org",
    field="success",
    apply=_arguments,
)
OPTIONS: Final = (
    Option(
        name="success",
        arguments="CAPACITY [TTL [MINTTL]]",
        meaning="The number of positive answers that are stored, and their longest and"
        " shortest TTL.",
        example="success 5000 60 10",
        field="success",
        apply=_success,
        least=1,
    ),
    Option(
        name="denial",
        arguments="CAPACITY [TTL [MINTTL]]",
        meaning="The same for denials.",
        example="denial 2048 60 10",
        field="denial",
        apply=_denial,
        least=1,
    ),
    options.setting(
        "prefetch",
        "AMOUNT [DURATION [PERCENTAGE%]]",
        "prefetch",
        _prefetch,
        "Looks up what had AMOUNT hits without a gap of DURATION again, when at most"
        " PERCENTAGE of its TTL is left.",
        example="prefetch 3 5m 20%",
        most=3,
    ),
    Option(
        name="serve_stale",
        arguments="[DURATION [immediate | verify [TIMEOUT]] [TTL [RECHECK]]]",
        meaning="Uses entries for DURATION after they expired.",
        example="serve_stale 2h verify",
        field="stale",
        apply=_serve_stale,
    ),
    Option(
        name="serve_stale_policy",
        arguments="prefer_positive",
        meaning="Prefers a positive answer, even expired, to a denial.",
        example="serve_stale_policy prefer_positive\nserve_stale",
        field="stale",
        apply=_policy,
        least=1,
        most=1,
    ),
    options.setting(
        "servfail",
        "DURATION",
        "failure_s",
        _servfail,
        "Stores SERVFAIL for DURATION, 0 to 5 minutes.",
        example="servfail 1m",
    ),
    Option(
        name="disable",
        arguments="success|denial [ZONES...]",
        meaning="Does not store answers of that kind for names in ZONES.",
        example="disable denial example.org",
        field="denial",
        apply=_disable,
        least=1,
    ),
    options.flag(
        "keepttl", "keep_ttl", "Answers with the TTL as stored, not with what is left."
    ),
)
