"""Parsing of /etc/resolv.conf by glibc and musl.

Sources: resolv.conf(5), glibc resolv/res_init.c, musl src/network/resolvconf.c.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

MAX_SERVERS = 3
"""MAXNS, in both libraries."""
_NUMBER = re.compile(r"(ndots|timeout|attempts):(\d+)")


@dataclass(frozen=True, slots=True)
class Conf:
    """The configuration of a stub resolver."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    """Search domains without final dots; ``.`` is the root."""
    ndots: int = 1
    timeout_s: float = 5
    attempts: int = 2
    flags: frozenset[str] = frozenset()
    """Options without a value, such as rotate, use-vc, single-request and edns0."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The limits of one library's parser."""

    ndots: int = 15
    timeout_s: int = 30
    attempts: int = 5
    """Maximum number of attempts; ``ndots`` and ``timeout_s`` are maxima too."""
    longest_line: int | None = None
    """Maximum characters of a line; longer lines are ignored."""
    flags: bool = True
    """Whether options without a value are supported."""

    def conf(self, text: str) -> Conf:
        """Return the configuration in the file ``text``.

        Keywords must be at the start of a line. The last ``search`` or ``domain`` line
        counts. The default server is 127.0.0.1.
        """
        conf = Conf()
        for line in self._lines(text):
            match line.split():
                case ["nameserver", address, *_] if _is_address(address):
                    conf = replace(conf, servers=(*conf.servers, address))
                case ["search", *domains]:
                    conf = replace(conf, search=tuple(map(_domain, domains)))
                case ["domain", domain, *_]:
                    conf = replace(conf, search=(_domain(domain),))
                case ["options", *words]:
                    conf = self._with_options(conf, words)
        servers = conf.servers[:MAX_SERVERS] or ("127.0.0.1",)
        return replace(conf, servers=servers)

    def _lines(self, text: str) -> Iterator[str]:
        for line in text.splitlines():
            if self.longest_line is not None and len(line) > self.longest_line:
                continue
            if not line[:1].isspace():
                yield line

    def _with_options(self, conf: Conf, words: list[str]) -> Conf:
        for word in words:
            if match := _NUMBER.match(word):
                conf = self._with_number(conf, match[1], int(match[2]))
            elif self.flags:
                conf = replace(conf, flags=conf.flags | {word})
        return conf

    def _with_number(self, conf: Conf, name: str, value: int) -> Conf:
        match name:
            case "ndots":
                return replace(conf, ndots=min(value, self.ndots))
            case "timeout":
                return replace(conf, timeout_s=min(value, self.timeout_s))
            case _:
                return replace(conf, attempts=min(value, self.attempts))


def _domain(text: str) -> str:
    return text.rstrip(".") or "."


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


GLIBC = Reading()
MUSL = Reading(ndots=15, timeout_s=60, attempts=10, longest_line=254, flags=False)
