"""The configuration of c-ares, and the names that it queries.

Source: c-ares 1.34.8, src/lib/ares_sysconfig_files.c (ares_sysconfig_parse_resolv_line,
process_option), ares_search.c (ares_search_name_list).
"""

import re
from dataclasses import dataclass, replace

from minidns.stub.resolv_conf import literal_address


@dataclass(frozen=True, slots=True)
class Conf:
    """The configuration of a channel."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout_s: float = 2
    tries: int = 3
    rotate: bool = False


def candidates(conf: Conf, name: str) -> list[str]:
    """Return the names to query, in order (ares_search_name_list)."""
    if name.endswith("."):
        return [name]
    searched = [f"{name}.{'' if d == '.' else d}" for d in conf.search]
    enough = name.count(".") >= conf.ndots
    return [name, *searched] if enough else [*searched, name]


def read(text: str) -> Conf:
    """Return the configuration that c-ares reads."""
    conf, domain = Conf(), None
    for line in text.splitlines():
        keyword, *rest = line.split(maxsplit=1) or [""]
        value = rest[0].strip() if rest else ""
        match keyword:
            case "nameserver" if literal_address(value.split()[0] if value else ""):
                server = value.split()[0]
                if server not in conf.servers:
                    conf = replace(conf, servers=(*conf.servers, server))
            case "search" if value:
                conf = replace(conf, search=tuple(re.split(r"[ ,\t]+", value)))
            case "domain" if value and domain is None and not conf.search:
                conf = replace(conf, search=(value.split()[0],))
            case "options":
                for word in value.split():
                    conf = _option(conf, word)
    return replace(conf, servers=conf.servers or ("127.0.0.1",))


def _option(conf: Conf, word: str) -> Conf:
    name, _, value = word.partition(":")
    number = int(value) if value.isdecimal() else 0
    match name:
        case "ndots" if value.isdecimal():
            return replace(conf, ndots=number)
        case "timeout" | "retrans" if number:
            return replace(conf, timeout_s=number)
        case "attempts" | "retry" if number:
            return replace(conf, tries=number)
        case "rotate":
            return replace(conf, rotate=True)
    return conf
