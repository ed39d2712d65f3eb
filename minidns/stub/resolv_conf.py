"""Parsing of /etc/resolv.conf by glibc and musl.

Sources: resolv.conf(5); glibc 2.36 and 2.42 resolv/res_init.c (res_vinit_1,
res_setoptions) and resolv/resolv_conf.c; musl 1.2.5 src/network/resolvconf.c
(__get_resolv_conf).
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from functools import lru_cache

MAX_SERVERS = 3
"""MAXNS, in both libraries."""
_MUSL_LONGEST_LINE = 254
"""Characters that fit into musl's buffer with a newline; longer lines are ignored."""
_MUSL_MAXIMA = {"ndots": 15, "timeout": 60, "attempts": 10}
_GLIBC_MAXIMA = {"ndots": 15, "timeout": 30, "attempts": 5}
GLIBC_FLAGS = (
    "rotate",
    "edns0",
    "single-request-reopen",
    "single-request",
    "no_tld_query",
    "no-tld-query",
    "use-vc",
)
"""The options that all releases have, in the order of glibc's table."""
_C_NUMBER = re.compile(r"\s*([+-]?\d+)")


@dataclass(frozen=True, slots=True)
class Conf:
    """The configuration of a stub resolver."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    """Search domains as written; ``.`` is the root."""
    ndots: int = 1
    timeout_s: int = 5
    attempts: int = 2
    flags: frozenset[str] = frozenset()
    """Options without a value, such as rotate, use-vc, single-request and edns0."""


@dataclass(frozen=True, slots=True)
class GlibcRelease:
    """The differences between releases of glibc."""

    options: tuple[str, ...] = ()
    """Options that older releases do not have."""
    negation: bool = False
    """Whether ``-`` before an option switches it off."""
    search_limit: int | None = None
    """The number of search domains, which then also share 255 characters."""
    edns_size: int = 1200
    """The UDP payload size of ``edns0``."""
    short_errors: bool = False
    """Whether an error reply without a question counts, and whether an error in the
    modes of ``single-request`` leads to the next server at once."""
    random_rotation: bool = True
    """Whether ``rotate`` begins at a random server, or at the second."""


@lru_cache(maxsize=64)
def read_glibc(text: str, release: GlibcRelease) -> Conf:
    """Return the configuration that glibc reads."""
    conf = Conf()
    for line in text.split("\n"):
        keyword, *words = re.split(r"[ \t]+", line.rstrip(" \t"))
        match keyword, words:
            case "nameserver", [server, *_] if _is_address(server):
                conf = replace(conf, servers=(*conf.servers, server))
            case "search", [*domains] if domains:
                conf = replace(conf, search=tuple(domains))
            case "domain", [domain, *_]:
                conf = replace(conf, search=(domain,))
            case "options", _:
                for word in words:
                    conf = _glibc_option(conf, word, release)
    if release.search_limit is not None:
        domains = " ".join(conf.search)[:255].split()
        conf = replace(conf, search=tuple(domains[: release.search_limit]))
    return _with_servers(conf)


def read_musl(text: str) -> Conf:
    """Return the configuration that musl reads: numbers only, no other options.

    A keyword is known by how its line begins, the options by their place anywhere in
    the line, and ``domain`` is the same as ``search``.
    """
    conf = Conf()
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        if len(line.removesuffix("\n")) > _MUSL_LONGEST_LINE:
            continue
        # a blank must follow the keyword: the newline is one, the end of the file not
        if re.match(r"options\s", line):
            conf = _musl_options(conf, line)
        elif re.match(r"nameserver\s", line):
            server = next(iter(line[10:].split()), "")
            if _is_address(server):
                conf = replace(conf, servers=(*conf.servers, server))
        elif re.match(r"(search|domain)\s", line):
            conf = replace(conf, search=tuple(line[6:].split()))
    return _with_servers(conf)


def _with_servers(conf: Conf) -> Conf:
    return replace(conf, servers=conf.servers[:MAX_SERVERS] or ("127.0.0.1",))


def _glibc_option(conf: Conf, word: str, release: GlibcRelease) -> Conf:
    name, colon, value = word.partition(":")
    if colon and name in _GLIBC_MAXIMA:
        number = min(_c_int(value), _GLIBC_MAXIMA[name])
        if name == "ndots":
            number &= 15  # a field of four bits
        return _with_number(conf, name, number)
    negated = release.negation and word.startswith("-")
    word = word[1:] if negated else word
    # an option is known by how it begins
    known = (*GLIBC_FLAGS, *release.options)
    flag = next((flag for flag in known if word.startswith(flag)), "")
    flags = {flag.replace("_", "-")} - {""}
    return replace(conf, flags=conf.flags - flags if negated else conf.flags | flags)


def _c_int(text: str) -> int:
    """Return what C's ``(int) strtol(text)`` returns, 0 if there is no number."""
    match = _C_NUMBER.match(text)
    if match is None:
        return 0
    limit = 1 << 63
    number = max(-limit, min(int(match[1]), limit - 1))
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)


def _musl_options(conf: Conf, line: str) -> Conf:
    for name, most in _MUSL_MAXIMA.items():
        _, found, rest = line.partition(f"{name}:")
        digits = re.match(r"\d+", rest)
        if found and digits:
            conf = _with_number(conf, name, min(int(digits[0]), most))
    return conf


def _with_number(conf: Conf, name: str, value: int) -> Conf:
    match name:
        case "ndots":
            return replace(conf, ndots=value)
        case "timeout":
            return replace(conf, timeout_s=value)
        case _:
            return replace(conf, attempts=value)


def _is_address(text: str) -> bool:
    return literal_address(text) is not None


def literal_address(text: str) -> str | None:
    """Return the address that ``text`` is, as inet_aton and inet_pton read it, or None.

    >>> literal_address("127.1"), literal_address("0x7f.0.0.1"), literal_address("web")
    ('127.0.0.1', '127.0.0.1', None)
    """
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    parts = text.split(".")
    try:
        numbers = [_c_number(part) for part in parts]
    except ValueError:
        return None
    *upper, last = numbers
    size = 4 - len(upper)
    if size < 1 or any(number > 255 for number in upper) or last >= 256**size:
        return None
    return str(ipaddress.IPv4Address(bytes(upper) + last.to_bytes(size)))


def _c_number(text: str) -> int:
    """Return a number in C's decimal, octal (0...) or hexadecimal (0x...) form."""
    if not text.isascii() or not text.isalnum():
        raise ValueError(text)
    if text[:2].lower() == "0x":
        return int(text, 16)
    return int(text, 8 if text.startswith("0") else 10)
