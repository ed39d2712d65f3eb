"""The options of ``cache`` for entries that have expired (RFC 8767)."""

from dataclasses import dataclass

from minidns.corefile import values
from minidns.corefile.blocks import ConfigError, Directive, Line

_DEFAULT_S = 3600.0
_LONGEST_RECHECK_S = 300.0


@dataclass(slots=True)
class Stale:
    """Whether and how entries are used that have expired."""

    for_s: float = 0.0
    """Seconds after they expired; 0 is never."""
    verify: bool = False
    """Ask first, and use the entry only if that fails."""
    patience_s: float = 0.0
    """Seconds to wait when verifying; 0 is as long as it takes."""
    ttl: int = 0
    recheck_s: float = 0.0
    """Seconds after a failure until the next attempt."""
    prefer_positive: bool = False
    """Whether a positive answer, even expired, goes before any denial."""


def read_stale(line: Line, before: Stale) -> Stale:
    """Return what ``serve_stale`` says; a later line replaces one ``before``.

    Raises:
        ConfigError: too many words.
        ValueError: not such a value.

    """
    words = list(line.args)
    stale = Stale(_DEFAULT_S, prefer_positive=before.prefer_positive)
    if words:
        stale.for_s = values.duration(words.pop(0))
        if stale.for_s < 0:
            raise ValueError("invalid negative duration for serve_stale")
    if words:
        stale.verify = _is_verify(words.pop(0))
    if words and stale.verify:
        stale.patience_s = _patience(words.pop(0))
    if len(words) > 2:
        raise line.arg_error()
    if words:
        stale.ttl = _ttl(words.pop(0))
    if words:
        stale.recheck_s = _recheck(words.pop(0))
    return stale


def _is_verify(word: str) -> bool:
    mode = word.lower()
    if mode not in ("immediate", "verify"):
        raise ValueError(f"invalid value for serve_stale refresh mode: {mode}")
    return mode == "verify"


def _patience(word: str) -> float:
    seconds = _duration(word, "verify timeout")
    if seconds < 0:
        raise ValueError("invalid negative timeout for serve_stale verify")
    return seconds


def _ttl(word: str) -> int:
    seconds = _duration(word, "response TTL")
    if seconds < 0:
        raise ValueError("invalid negative response TTL for serve_stale")
    if seconds != int(seconds):
        text = "serve_stale response TTL must be a whole number of seconds"
        raise ValueError(text)
    if seconds >= 1 << 32:
        raise ValueError("serve_stale response TTL exceeds the DNS TTL range")
    return int(seconds)


def _recheck(word: str) -> float:
    seconds = _duration(word, "failure recheck")
    if seconds < 0:
        raise ValueError("invalid negative failure recheck for serve_stale")
    if seconds > _LONGEST_RECHECK_S:
        raise ValueError("serve_stale failure recheck cannot exceed 5 minutes")
    return seconds


def _duration(word: str, what: str) -> float:
    try:
        return values.duration(word)
    except ValueError as exc:
        raise ValueError(f"invalid serve_stale {what}: {exc}") from exc


def read_policy(stale: Stale, line: Line) -> None:
    """Set in ``stale`` what ``serve_stale_policy`` says.

    Raises:
        ConfigError: not one word.
        ValueError: no such policy.

    """
    if len(line.args) != 1:
        raise line.arg_error()
    if line.args[0].lower() != "prefer_positive":
        raise ValueError(f"invalid serve_stale_policy: {line.args[0]}")
    stale.prefer_positive = True


def check_policy(directive: Directive) -> None:
    """Raise ConfigError when there are two policies, or one for nothing."""
    named = [line for line in directive.block if line.name == "serve_stale_policy"]
    text = ""
    if len(named) > 1:
        text = "serve_stale_policy can only be specified once"
    elif named and not any(line.name == "serve_stale" for line in directive.block):
        text = "serve_stale_policy requires serve_stale"
    if text:
        where = named[-1]
        raise ConfigError(text, file=where.file, line=where.line, text=text)
