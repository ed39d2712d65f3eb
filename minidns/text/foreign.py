"""Foreign text made fit to be shown: no secrets, no control characters, not too long.

Whatever a server, a file, an object or a program says goes through here before it is
logged, printed or put into an error. Secrets that the process uses are remembered, so
that they are found wherever they come back; others are recognised by their form.
"""

import re

REDACTED = "(secret)"
"""What stands in the place of a secret."""
MOST_LINE = 300
"""Characters of foreign text that one line shows."""
_SHORTEST = 6
"""Characters of a secret that is looked for: shorter ones stand in other words."""
_SHORTEST_PART = 8
"""Characters of a part, or of a beginning that was cut off."""
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
    """Never show ``secret`` from now on, nor its parts between dots."""
    if secret in _remembered or len(secret) < _SHORTEST:
        return
    parts = (part for part in secret.split(".") if len(part) >= _SHORTEST_PART)
    for each in (secret, *parts):
        _remembered[each] = None
    while len(_remembered) > _MOST_SECRETS:
        del _remembered[next(iter(_remembered))]


def without_remembered(text: str) -> str:
    """Return ``text`` without the secrets that the process uses.

    The beginning of one at the very end counts: there the text was cut.
    """
    for secret in _remembered:
        if secret in text:
            text = text.replace(secret, REDACTED)
    end = text[-_SHORTEST_PART:]
    for secret in _remembered:
        # log lines come here too: one search in most cases, not one for each length
        at = secret.find(end) if len(end) == _SHORTEST_PART else -1
        while at >= 0:
            begun = secret[: at + len(end)]
            if text.endswith(begun):
                return text[: -len(begun)] + REDACTED
            at = secret.find(end, at + 1)
    return text


def redacted(text: str) -> str:
    """Return ``text`` without secrets, those recognised by their form too.

    >>> redacted("GET https://jane:pw@host/ failed: Bearer 0123456789")
    'GET https://(secret)@host/ failed: (secret)'
    """
    return _FORMS.sub(_redaction, without_remembered(text))


def _redaction(found: re.Match[str]) -> str:
    if found["status"]:
        return f"{found['status']} (its error output may hold secrets: run it by hand)"
    return (found["name"] or "") + REDACTED


def escaped(line: str) -> str:
    r"""Return ``line`` with what no terminal may get as an escape.

    >>> escaped("a\x1b[31mb\u202e")
    'a\\x1b[31mb\\u202e'
    """
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def line(text: str, most: int = MOST_LINE) -> str:
    """Return foreign text as part of one line, ``most`` characters long."""
    clean = redacted(text)
    shown = escaped(clean[: most + 1])
    return shown if len(clean) <= most else f"{shown[:most]}..."
