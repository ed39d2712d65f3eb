"""Sanitizes untrusted text: removes secrets and control characters, limits the length.

Text from a server, a file, an object or a program passes through this module before it
is logged, printed or added to an error. Secrets that the process uses are registered
and removed wherever they occur; others are recognised by their form.
"""

import re
from html import escape

REDACTED = "(secret)"
"""Replacement of a secret."""
MOST_LINE = 300
"""Maximum length of untrusted text in one line, in characters."""
_SHORTEST = 6
"""Minimum length of a secret: shorter ones are parts of ordinary words."""
_SHORTEST_PART = 8
"""Minimum length of a part of a secret, or of a truncated secret."""
_MOST_SECRETS = 1000

_FORMS = re.compile(
    r"""
      \b(?:bearer|basic|negotiate)\s+[\w.~+/=-]{6,}        # RFC 9110 11.6.2
    | \beyJ[\w-]{6,}(?:\.[\w-]*)*                          # JSON Web Token, RFC 7519
    | (?<=://)[^\s/@'"]+(?=@)                              # userinfo, RFC 3986 3.2.1
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----(?:.*?-----END\ [A-Z ]*PRIVATE\ KEY-----|.*)
    | (?<=exec:\ process\ returned\ )(?P<status>-?\d+)\.\s.*  # stderr of a plugin
    | (?P<name>\b[\w-]*(?:token|passw(?:or)?d|secret|key-data|api-?key)["']?\s*[:=]\s*)
      ["']?[^\s"',;&}]{6,}
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_remembered: dict[str, None] = {}


def remember(secret: str) -> None:
    """Redact ``secret`` and its dot-separated parts from now on."""
    if secret in _remembered or len(secret) < _SHORTEST:
        return
    parts = (part for part in secret.split(".") if len(part) >= _SHORTEST_PART)
    for text in (secret, *parts):
        _remembered[text] = None
    while len(_remembered) > _MOST_SECRETS:
        del _remembered[next(iter(_remembered))]


def without_remembered(text: str) -> str:
    """Return ``text`` without the secrets that the process uses.

    The beginning of a secret at the end of the text counts: the text was truncated.
    """
    for secret in _remembered:
        if secret in text:
            text = text.replace(secret, REDACTED)
    end = text[-_SHORTEST_PART:]
    for secret in _remembered:
        # every log line passes here: one search in most cases, not one per length
        at = secret.find(end) if len(end) == _SHORTEST_PART else -1
        while at >= 0:
            begun = secret[: at + len(end)]
            if text.endswith(begun):
                return text[: -len(begun)] + REDACTED
            at = secret.find(end, at + 1)
    return text


def redacted(text: str) -> str:
    """Return ``text`` without registered secrets and those recognised by form.

    >>> redacted("GET https://jane:pw@host/ failed: Bearer 0123456789")
    'GET https://(secret)@host/ failed: (secret)'
    """
    return _FORMS.sub(_redaction, without_remembered(text))


def _redaction(match: re.Match[str]) -> str:
    if match["status"]:
        return f"{match['status']} (its error output may hold secrets: run it by hand)"
    return (match["name"] or "") + REDACTED


def escaped(line: str) -> str:
    r"""Return ``line`` with unprintable characters escaped.

    >>> escaped("a\x1b[31mb\u202e")
    'a\\x1b[31mb\\u202e'
    """
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def in_html(text: object) -> str:
    r"""Return untrusted text for HTML: unprintable and markup characters are escaped.

    >>> in_html("<a\x1b>")
    '&lt;a\\x1b&gt;'
    """
    return escape(escaped(str(text)))


def line(text: str, most: int = MOST_LINE) -> str:
    """Return untrusted text for one line, at most ``most`` characters long."""
    clean = redacted(text)
    shown = escaped(clean[: most + 1])
    return shown if len(clean) <= most else f"{shown[:most]}..."
