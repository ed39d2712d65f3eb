"""What a Corefile says to the *kubernetes* plugin, as one value."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.corefile.values import fallthrough, zones
from minidns.dns.model import Name
from minidns.kubernetes.addresses import is_reverse
from minidns.kubernetes.resources import Access
from minidns.kubernetes.selector import parse
from minidns.text.go_text import duration, integer

MAX_TTL = 3600
IDLE_S = 120.0
"""A watch of things that do not change may say nothing for about as long."""
Stale: TypeAlias = Literal["serve", "servfail", "unready"]


@dataclass(frozen=True, slots=True)
class Options:
    """The plugin's options; defaults are CoreDNS's."""

    zones: tuple[Name, ...]
    ttl: int = 5
    pods: str = "disabled"
    """disabled, insecure or verified."""
    namespaces: frozenset[str] = frozenset()
    """The only ones to answer for, as written; empty for all."""
    namespace_labels: str = ""
    labels: str = ""
    endpoint_pod_names: bool = False
    endpoints: bool = True
    ignore_empty: bool = False
    """Whether Services without a ready endpoint are left out."""
    fallthrough: tuple[Name, ...] = ()
    multicluster: tuple[Name, ...] = ()
    zonal: bool = False
    startup_timeout_s: float = 5.0
    access: Access = field(default_factory=Access)
    strict: bool = False
    """Ours: answer by the specification where CoreDNS departs from it."""
    ede: bool = False
    """Ours: say why in an Extended DNS Error (RFC 8914)."""
    namespaced: bool = False
    """Ours: list and watch ``namespaces`` one by one, with rights in those alone."""
    stale_after_s: float | None = None
    """Ours: how long the API may be silent before ``stale`` applies."""
    stale: Stale = "serve"
    audit_s: float | None = 1800.0
    """Ours: how often what is known is compared with a fresh list; None for never."""
    hold_s: float = 1.0
    """Ours: how long an endpoint on its way between slices stands in."""

    @property
    def primary(self) -> Name:
        """The zone of the names that PTR records give: the first forward one.

        The bare reverse zones count as forward in CoreDNS (a fault; not ``strict``).
        """
        bare = ("in-addr.arpa.", "ip6.arpa.") if self.strict else ()
        forward = [z for z in self.zones if not is_reverse(z) and z not in bare]
        return forward[0] if forward else self.zones[0]


def read(directive: Directive, default: Sequence[Name]) -> tuple[Options, list[str]]:
    """Return what ``directive`` says, and warnings for the log.

    ``default`` are the zones of a directive that names none.

    Raises:
        ConfigError: an option, argument or combination that CoreDNS refuses, too.

    """
    options = Options(zones(directive.args, default))
    if not options.zones or all(map(is_reverse, options.zones)):
        raise ConfigError("non-reverse zone name must be used")
    warnings: list[str] = []
    for line in directive.block:
        reader = READERS.get(line.name)
        if reader is None:
            raise line.error(f"unknown property '{line.name}'")
        options = reader(options, line, warnings)
    for conflict in _conflicts(options):
        raise directive.end_error(conflict)
    return options, warnings


def _conflicts(options: Options) -> Iterator[str]:
    if options.namespaces and options.namespace_labels:
        yield "namespaces and namespace_labels cannot both be set"
    for zone in options.multicluster:
        if zone not in options.zones:
            yield f"multicluster zone {zone} is not a zone of this plugin"
    if options.zonal and not options.endpoints:
        yield "zonal and noendpoints cannot both be set"
    if options.namespaced and not options.namespaces:
        yield "namespaced needs the namespaces to be listed"


Reader: TypeAlias = Callable[[Options, Line, list[str]], Options]


def _flag(**changes: bool) -> Reader:
    def read_flag(options: Options, line: Line, _: list[str]) -> Options:
        if line.args:
            raise line.arg_error()
        return replace(options, **changes)  # type: ignore[arg-type]  # names of flags

    return read_flag


def _first(line: Line) -> str:
    if not line.args:
        raise line.arg_error()
    return line.args[0]


def _pods(options: Options, line: Line, _: list[str]) -> Options:
    mode = _first(line)
    if len(line.args) > 1:
        raise line.arg_error()
    if mode not in ("disabled", "insecure", "verified"):
        expected = "must be one of: disabled, verified, insecure"
        raise ConfigError(f"wrong value for pods: {mode},  {expected}")
    return replace(options, pods=mode)


def _ttl(options: Options, line: Line, _: list[str]) -> Options:
    try:
        ttl = integer(_first(line))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not 0 <= ttl <= MAX_TTL:
        raise line.error(f"ttl must be in range [0, {MAX_TTL}]: {ttl}")
    return replace(options, ttl=ttl)


def _namespaces(options: Options, line: Line, _: list[str]) -> Options:
    _first(line)
    return replace(options, namespaces=options.namespaces | set(line.args))


def _selector(option: str, called: str) -> Reader:
    def read_selector(options: Options, line: Line, _: list[str]) -> Options:
        _first(line)
        text = " ".join(line.args)
        try:
            selector = parse(text)
        except ValueError as error:
            start = f"unable to parse {called} selector value: '{text}'"
            raise ConfigError(f"{start}: {error}") from error
        return replace(options, **{option: selector})  # type: ignore[arg-type]  # both are texts

    return read_selector


def _ignore(options: Options, line: Line, _: list[str]) -> Options:
    if not line.args:
        return options
    if line.args[0] != "empty_service":
        raise ConfigError(f"unable to parse ignore value: '{line.args[0]}'")
    return replace(options, ignore_empty=True)


def _fallthrough(options: Options, line: Line, _: list[str]) -> Options:
    return replace(options, fallthrough=fallthrough(line.args))


def _multicluster(options: Options, line: Line, _: list[str]) -> Options:
    return replace(options, multicluster=zones(line.args, ()))


def _endpoint(options: Options, line: Line, warnings: list[str]) -> Options:
    url = _first(line)
    if len(line.args) > 1:
        warnings.append(
            "Multiple endpoints have been deprecated, only the first specified"
            f" endpoint '{url}' is used"
        )
    return replace(options, access=replace(options.access, endpoint=url))


def _tls(options: Options, line: Line, _: list[str]) -> Options:
    if len(line.args) != 3:
        raise line.arg_error()
    certificate, key, authority = line.args
    access = replace(options.access, tls=(certificate, key, authority))
    return replace(options, access=access)


def _kubeconfig(options: Options, line: Line, _: list[str]) -> Options:
    if len(line.args) not in (1, 2):
        raise line.arg_error()
    context = line.args[1] if len(line.args) == 2 else ""
    access = replace(options.access, kubeconfig=line.args[0], context=context)
    return replace(options, access=access)


def _time(line: Line, text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise ConfigError(f"failed to parse {line.name}: {text}, {error}") from error


def _startup_timeout(options: Options, line: Line, _: list[str]) -> Options:
    return replace(options, startup_timeout_s=_time(line, _first(line)))


def _hold(options: Options, line: Line, _: list[str]) -> Options:
    hold_s = _time(line, _first(line))
    if not 0 <= hold_s <= 30:
        raise line.error("hold must be between 0s and 30s")
    return replace(options, hold_s=hold_s)


def _stale_after(options: Options, line: Line, warnings: list[str]) -> Options:
    age_s = _time(line, _first(line))
    policy = line.args[1] if len(line.args) > 1 else "serve"
    if age_s <= 0 or len(line.args) > 2:
        raise line.error("stale_after needs a duration above 0 and a policy")
    if policy not in ("serve", "servfail", "unready"):
        raise line.error(f"stale_after {policy}: must be serve, servfail or unready")
    if age_s < IDLE_S and policy != "serve":
        warnings.append(
            f"stale_after {' '.join(line.args)}: the API server may have nothing to say"
            f" for longer than that; {IDLE_S:.0f}s is safe"
        )
    return replace(options, stale_after_s=age_s, stale=policy)  # type: ignore[arg-type]  # checked


def _audit(options: Options, line: Line, _: list[str]) -> Options:
    text = _first(line)
    audit_s = 0.0 if text == "off" else _time(line, text)
    if len(line.args) > 1 or (audit_s < 1 and text != "off"):
        raise line.error("audit needs off, or a duration of at least 1s")
    return replace(options, audit_s=audit_s or None)


def _client_limit(options: Options, line: Line, _: list[str]) -> Options:
    """Accept a limit of the Go client; a reflector here makes one request at a time."""
    try:
        limit = float(_first(line))
    except ValueError as error:
        raise line.error(f"{line.name} is not a number: {line.args[0]}") from error
    if not limit >= 0:
        raise line.error(f"{line.name} must not be negative: {line.args[0]}")
    return options


READERS: dict[str, Reader] = {
    "pods": _pods,
    "ttl": _ttl,
    "namespaces": _namespaces,
    "namespace_labels": _selector("namespace_labels", "namespace_label"),
    "labels": _selector("labels", "label"),
    "endpoint_pod_names": _flag(endpoint_pod_names=True),
    "noendpoints": _flag(endpoints=False),
    "ignore": _ignore,
    "fallthrough": _fallthrough,
    "multicluster": _multicluster,
    "zonal": _flag(zonal=True),
    "startup_timeout": _startup_timeout,
    "endpoint": _endpoint,
    "tls": _tls,
    "kubeconfig": _kubeconfig,
    "apiserver_qps": _client_limit,
    "apiserver_burst": _client_limit,
    "apiserver_max_inflight": _client_limit,
    "strict": _flag(strict=True),
    "ede": _flag(ede=True),
    "namespaced": _flag(namespaced=True),
    "stale_after": _stale_after,
    "audit": _audit,
    "hold": _hold,
}
"""Every option by its name."""
