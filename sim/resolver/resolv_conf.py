"""How C libraries read /etc/resolv.conf: the same file, not the same meaning.

Facts from resolv.conf(5), glibc resolv/res_init.c and musl src/network/resolvconf.c.
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
    """What a stub resolver knows after reading the file."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    """Without final dots, but ``.`` for the root."""
    ndots: int = 1
    timeout_s: float = 5
    attempts: int = 2
    flags: frozenset[str] = frozenset()
    """Options without a value: rotate, use-vc, single-request, edns0 ..."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far one library goes in reading the file."""

    ndots: int = 15
    timeout_s: int = 30
    attempts: int = 5
    """The most each option can be set to."""
    longest_line: int | None = None
    """Characters; a longer line is passed over as if it were not there."""
    flags: bool = True
    """Whether options without a value mean anything."""

    def conf(self, text: str) -> Conf:
        """Return what this library takes from the file ``text``.

        Keywords count only at the start of a line. The last ``search`` or ``domain``
        line counts. Without any server, one on this machine is asked.
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
            if found := _NUMBER.match(word):
                conf = self._with_number(conf, found[1], int(found[2]))
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
