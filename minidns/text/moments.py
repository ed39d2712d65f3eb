"""Moments in text: RFC 3339 times, and durations before now."""

from datetime import UTC, datetime

from minidns.text import go_text

FORMS = "a time such as 2026-12-01T06:00:00Z, or how long ago: 5m, '90s ago'"
"""The forms that ``parse`` reads, for messages."""


def parse(text: str, now: float) -> float:
    """Return the Unix seconds of a moment that is not after ``now``.

    >>> parse("1970-01-01T00:02:00Z", 1000.0), parse("5m ago", 1000.0)
    (120.0, 700.0)

    Raises:
        ValueError: ``text`` has neither form, or the moment is in the future.

    """
    when = _time(text) if "T" in text or "-" in text else _ago(text, now)
    if when > now:
        raise ValueError(f"{text}: this is in the future")
    return when


def _time(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text}: this is not {FORMS}") from error
    if time.tzinfo is None:
        raise ValueError(f"{text}: a time zone is needed, such as Z for UTC")
    return time.timestamp()


def _ago(text: str, now: float) -> float:
    try:
        return now - go_text.duration(text.removesuffix("ago").rstrip())
    except ValueError as error:
        raise ValueError(f"{text}: this is not {FORMS}") from error


def rfc3339(seconds: float) -> str:
    """Return a moment, in Unix seconds, in RFC 3339 with milliseconds.

    >>> rfc3339(0.25)
    '1970-01-01T00:00:00.250Z'
    """
    time = datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
