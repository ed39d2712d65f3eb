"""The block of a ``forward`` line: what its options may be, and what they mean."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from minidns.corefile import values
from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.dns.model import Name, Rcode
from minidns.dns.names import absolute, to_wire
from minidns.text import go_numbers
from minidns.text.files import below
from minidns.text.go_text import nanoseconds
from minidns.upstream.tls import client_context
from minidns.upstream.upstream import Keep, split


@dataclass(slots=True)
class Options:
    """Settings of one ``forward`` line; the defaults are CoreDNS's."""

    excepted: list[Name] = field(default_factory=list)
    policy: str = "random"
    max_fails: int = 2
    """0: no upstream is ever down, or checked."""
    check_every_s: float = 0.5
    check_rd: bool = True
    check_name: Name = "."
    force_tcp: bool = False
    prefer_udp: bool = False
    expire_s: float = 10.0
    max_idle_conns: int = 0
    max_age_s: float = 0.0
    read_timeout_s: float = 2.0
    max_concurrent: int = 0
    """0: any number."""
    max_connect_attempts: int | None = None
    """0: as many as the time allows; None: twice the number of upstreams."""
    next_rcodes: frozenset[int] = frozenset()
    next_on_nodata: bool = False
    failover: frozenset[int] = frozenset()
    failfast: bool = False
    tls: ssl.SSLContext | None = None
    tls_servername: str = ""
    resolvers: tuple[str, ...] = ()
    source_address: str = ""
    doh_method: str = "POST"

    @property
    def keep(self) -> Keep:
        """How long connections are kept."""
        return Keep(self.expire_s, self.max_idle_conns, self.max_age_s)


def read(directive: Directive, root: str) -> Options:
    """Return what the block of ``directive`` says; files are relative to ``root``.

    Raises:
        ConfigError: no such option, or not such a value.

    """
    options = Options()
    for line in directive.block:
        read_option = _READERS.get(line.name)
        if read_option is None:
            raise line.error(f"unknown property '{line.name}'")
        try:
            read_option(options, line, root)
        except ConfigError:
            raise
        except ValueError as exc:
            raise _plain(line, str(exc)) from exc
    if 0 < options.max_age_s < options.expire_s:
        age, expire = map(values.format_duration, (options.max_age_s, options.expire_s))
        text = f"max_age ({age}) must not be less than expire ({expire})"
        raise _plain(directive, text)
    return options


def _plain(where: Directive | Line, text: str) -> ConfigError:
    """Return an error that knows its position but, as in CoreDNS, does not say it."""
    return ConfigError(text, file=where.file, line=where.line, text=text)


def _one(line: Line) -> str:
    """Return the only argument."""
    if not line.args:
        raise line.arg_error()
    if len(line.args) > 1:  # the next word is taken for the next option
        raise line.error(f"unknown property '{line.args[1]}'")
    return line.args[0]


def _some(line: Line) -> tuple[str, ...]:
    """Return the arguments, of which there must be some."""
    if not line.args:
        raise line.arg_error()
    return line.args


def _flag(line: Line) -> bool:
    """Return that the option was named; it takes no arguments."""
    if line.args:
        raise line.arg_error()
    return True


def _seconds(line: Line) -> float:
    seconds = values.duration(_one(line))
    if seconds < 0:
        shown = values.format_duration(seconds)
        raise ValueError(f"{line.name} can't be negative: {shown}")
    return seconds


def _number(line: Line) -> int:
    number = values.integer(_one(line))
    if number < 0:
        raise ValueError(f"{line.name} can't be negative: {number}")
    return number


def _except(options: Options, line: Line, root: str) -> None:
    options.excepted += values.zones(_some(line), ())


def _policy(options: Options, line: Line, root: str) -> None:
    options.policy = _one(line)
    if options.policy not in ("random", "round_robin", "sequential"):
        raise line.error(f"unknown policy '{options.policy}'")


def _max_fails(options: Options, line: Line, root: str) -> None:
    options.max_fails = go_numbers.parse(_one(line), 10, 32)


def _max_connect_attempts(options: Options, line: Line, root: str) -> None:
    options.max_connect_attempts = go_numbers.parse(_one(line), 10, 32)


def _health_check(options: Options, line: Line, root: str) -> None:
    every, *words = _some(line)
    if nanoseconds(every) < 0:  # CoreDNS prints this one as a bare number
        raise ValueError(f"health_check can't be negative: {nanoseconds(every)}")
    options.check_every_s = values.duration(every)
    options.check_name = "."
    while words:
        match words.pop(0):
            case "no_rec":
                options.check_rd = False
            case "domain" if words:
                options.check_name = _check_name(words.pop(0))
            case "domain":
                raise line.arg_error()
            case word:
                raise ValueError(f"health_check: unknown option {word}")


def _check_name(text: str) -> Name:
    try:
        to_wire(absolute(text))
    except ValueError as exc:
        raise ValueError(f"health_check: invalid domain name {text}") from exc
    return absolute(text)


def _force_tcp(options: Options, line: Line, root: str) -> None:
    options.force_tcp = _flag(line)


def _prefer_udp(options: Options, line: Line, root: str) -> None:
    options.prefer_udp = _flag(line)


def _tls(options: Options, line: Line, root: str) -> None:
    if len(line.args) > 3:
        raise line.arg_error()
    options.tls = client_context(*(below(root, path) for path in line.args))


def _tls_servername(options: Options, line: Line, root: str) -> None:
    options.tls_servername = _one(line)


def _expire(options: Options, line: Line, root: str) -> None:
    options.expire_s = _seconds(line)


def _max_age(options: Options, line: Line, root: str) -> None:
    options.max_age_s = _seconds(line)


def _max_idle_conns(options: Options, line: Line, root: str) -> None:
    options.max_idle_conns = _number(line)


def _read_timeout(options: Options, line: Line, root: str) -> None:
    seconds = values.duration(_one(line))
    if seconds <= 0:
        shown = values.format_duration(seconds)
        raise ValueError(f"read_timeout must be positive: {shown}")
    options.read_timeout_s = seconds


def _doh_method(options: Options, line: Line, root: str) -> None:
    options.doh_method = _one(line)
    if options.doh_method not in ("POST", "GET"):
        raise ValueError("doh_method must be either POST or GET")


def _max_concurrent(options: Options, line: Line, root: str) -> None:
    options.max_concurrent = _number(line)


def _next(options: Options, line: Line, root: str) -> None:
    options.next_rcodes |= {_rcode(word) for word in _some(line)}


def _next_on_nodata(options: Options, line: Line, root: str) -> None:
    options.next_on_nodata = _flag(line)


def _failover(options: Options, line: Line, root: str) -> None:
    rcodes = {_rcode(word) for word in _some(line)}
    if Rcode.NOERROR in rcodes:
        raise ValueError("NoError cannot be used in failover")
    options.failover |= rcodes


def _rcode(word: str) -> int:
    known = {"NOTIMPL": Rcode.NOTIMP, "BADSIG": Rcode.BADVERS, **Rcode.__members__}
    if word.upper() not in known:
        raise ValueError(f"{word} is not a valid rcode")
    return int(known[word.upper()])


def _failfast(options: Options, line: Line, root: str) -> None:
    options.failfast = _flag(line)


def _resolver(options: Options, line: Line, root: str) -> None:
    for word in _some(line):
        host, _ = split(word) or (word, "")
        if not _is_address(host):
            quoted = values.quote(word)
            raise ValueError(f"resolver must be an IP address or IP:port: {quoted}")
    options.resolvers = line.args


def _source_address(options: Options, line: Line, root: str) -> None:
    options.source_address = _one(line)
    if not _is_address(options.source_address):
        raise line.error(f"invalid IP address: {options.source_address}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


_READERS: dict[str, Callable[[Options, Line, str], None]] = {
    "except": _except,
    "policy": _policy,
    "max_fails": _max_fails,
    "max_connect_attempts": _max_connect_attempts,
    "health_check": _health_check,
    "force_tcp": _force_tcp,
    "prefer_udp": _prefer_udp,
    "tls": _tls,
    "tls_servername": _tls_servername,
    "expire": _expire,
    "max_age": _max_age,
    "max_idle_conns": _max_idle_conns,
    "read_timeout": _read_timeout,
    "doh_method": _doh_method,
    "max_concurrent": _max_concurrent,
    "next": _next,
    "next_on_nodata": _next_on_nodata,
    "failover": _failover,
    "failfast_all_unhealthy_upstreams": _failfast,
    "resolver": _resolver,
    "source_address": _source_address,
}
