"""The options of *kubernetes* and *k8s_external*: syntax, defaults, meaning, errors."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import or_
from typing import Literal, TypeAlias

from minidns.corefile.options import (
    Excess,
    Option,
    Read,
    Words,
    argument,
    fallthrough_option,
    integer,
    line,
    option,
    set_by,
    switch,
    zones_argument,
)
from minidns.corefile.values import duration, zones
from minidns.dns import names
from minidns.dns.model import Name
from minidns.kubernetes.names import is_reverse
from minidns.kubernetes.resources import Access
from minidns.kubernetes.selector import parse

log = logging.getLogger("minidns.plugins.kubernetes")

MAX_TTL = 3600
_AUDIT_S: float | None = 1800.0
IDLE_S = 120.0
"""A watch of things that do not change may say nothing for about as long."""
Stale: TypeAlias = Literal["serve", "servfail", "unready"]

_READ_TTL = integer(0, MAX_TTL, f"ttl must be in range [0, {MAX_TTL}]: {{value}}")
_MODES = ("disabled", "insecure", "verified")
_POLICIES = ("serve", "servfail", "unready")


def _read_zones(words: Words) -> tuple[Name, ...]:
    named = zones(words.args, words.zones)
    if not named or all(map(is_reverse, named)):
        raise ValueError("non-reverse zone name must be used")
    return named


def _read_mode(words: Words) -> str:
    if words.first not in _MODES:
        expected = "must be one of: disabled, verified, insecure"
        raise ValueError(f"wrong value for pods: {words.first},  {expected}")
    return words.first


def _selector(kind: str) -> Read[str]:
    def read(words: Words) -> str:
        text = " ".join(words.args)
        try:
            return parse(text)
        except ValueError as error:
            start = f"unable to parse {kind} selector value: '{text}'"
            raise ValueError(f"{start}: {error}") from error

    return read


def _read_ignore(words: Words) -> bool:
    if words.args and words.first != "empty_service":
        raise ValueError(f"unable to parse ignore value: '{words.first}'")
    return bool(words.args)


def _set_access(options: "KubernetesOptions", words: Words) -> "KubernetesOptions":
    """Set how to reach the API server: its URL, certificates, or kubeconfig."""
    access = options.access
    match words.where.name:
        case "endpoint":
            if len(words.args) > 1:
                text = (
                    "Multiple endpoints have been deprecated, only the first specified"
                )
                log.warning(
                    "%s endpoint '%s' is used", text, words.where.shown(words.first)
                )
            access = replace(access, endpoint=words.first)
        case "tls":
            certificate, key, authority = words.args
            access = replace(access, tls=(certificate, key, authority))
        case "kubeconfig":
            kubeconfig, context = (*words.args, "")[:2]
            access = replace(access, kubeconfig=kubeconfig, context=context)
    return replace(options, access=access)


def _read_time(words: Words) -> float:
    try:
        return duration(words.first)
    except ValueError as error:
        name = words.where.name
        raise ValueError(f"failed to parse {name}: {words.first}, {error}") from error


def _read_hold(words: Words) -> float:
    hold_s = _read_time(words)
    if not 0 <= hold_s <= 30:
        raise words.error("hold must be between 0s and 30s")
    return hold_s


def _set_stale_after(options: "KubernetesOptions", words: Words) -> "KubernetesOptions":
    age_s = _read_time(words)
    policy = words.args[1] if len(words.args) > 1 else "serve"
    if age_s <= 0 or len(words.args) > 2:
        raise words.error("stale_after needs a duration above 0 and a policy")
    if policy not in _POLICIES:
        raise words.error(f"stale_after {policy}: must be serve, servfail or unready")
    if age_s < IDLE_S and policy != "serve":
        log.warning(
            "stale_after %s: the API server may have nothing to say for longer than"
            " that; %.0fs is safe",
            " ".join(words.args),
            IDLE_S,
        )
    return replace(options, stale_after_s=age_s, stale=policy)  # type: ignore[arg-type]  # checked


def _read_audit(words: Words) -> float | None:
    audit_s = 0.0 if words.first == "off" else _read_time(words)
    if len(words.args) > 1 or (audit_s < 1 and words.first != "off"):
        raise words.error("audit needs off, or a duration of at least 1s")
    return audit_s or None


def _check_limit(options: "KubernetesOptions", words: Words) -> "KubernetesOptions":
    name = words.where.name
    try:
        limit = float(words.first)
    except ValueError as error:
        raise words.error(f"{name} is not a number: {words.first}") from error
    if not limit >= 0:
        raise words.error(f"{name} must not be negative: {words.first}")
    return options


def _limit(name: str) -> Option:
    """Return a limit of CoreDNS's API client, which means nothing here."""
    meaning = "Accepted without effect: minidns sends one request at a time."
    syntax = f"{name} NUMBER"
    return line(syntax, meaning, _check_limit, example="5", excess=Excess.IGNORED)


_LIMITS = ("apiserver_qps", "apiserver_burst", "apiserver_max_inflight")
LIMITS = tuple(map(_limit, _LIMITS))
"""Options that have no effect here."""


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """The options of *kubernetes*; the defaults are CoreDNS's."""

    zones: tuple[Name, ...] = argument(
        "[ZONES...]",
        "The zones to answer for, by default those of the server block. Networks"
        " (`10.96.0.0/16`) stand for their reverse zones. At least one zone must not be"
        " below `in-addr.arpa` or `ip6.arpa`.",
        (),
        _read_zones,
        example="cluster.local",
        always=True,
    )
    ttl: int = option(
        "ttl SECONDS",
        "The TTL of all answers except `dns-version`, 0 to 3600. Negative answers have"
        " at most 300.",
        5,
        _READ_TTL,
        example="30",
        excess=Excess.IGNORED,
    )
    pods: str = option(
        "pods disabled|insecure|verified",
        "The Pod names that are answered: none, any address in a namespace that exists,"
        " or only addresses of Pods in that namespace (which watches all Pods).",
        "disabled",
        _read_mode,
        example="verified",
    )
    namespaces: frozenset[str] = option(
        "namespaces NAMESPACE...",
        "The only namespaces to answer for, compared exactly. It excludes"
        " `namespace_labels`.",
        frozenset(),
        lambda words: frozenset(words.args),
        example="shop",
        adding=or_,
    )
    namespace_labels: str = option(
        "namespace_labels SELECTOR",
        "A label selector of the only namespaces to answer for. PTR records still name"
        " Services of other namespaces.",
        "",
        _selector("namespace_label"),
        example="team=shop",
        excess=Excess.IGNORED,
    )
    labels: str = option(
        "labels SELECTOR",
        "A label selector for Services, EndpointSlices and Pods. A Service whose slices"
        " do not match has no endpoints.",
        "",
        _selector("label"),
        example="app=shop",
        excess=Excess.IGNORED,
    )
    endpoint_pod_names: bool = switch(
        "endpoint_pod_names",
        "Names endpoints without a hostname after their Pods, if the name has at most"
        " 63 characters.",
    )
    endpoints: bool = switch(
        "noendpoints",
        "Does not follow EndpointSlices: there are no headless Services and no"
        " endpoints.",
        default=True,
    )
    ignore_empty: bool = option(
        "ignore empty_service",
        "Answers NXDOMAIN for Services with a cluster IP that have no ready endpoint.",
        False,
        _read_ignore,
        example="empty_service",
        adding=or_,
        least=0,
        excess=Excess.IGNORED,
    )
    fallthrough: tuple[Name, ...] = fallthrough_option()
    multicluster: tuple[Name, ...] = option(
        "multicluster ZONES...",
        "Those of the zones whose names come from ServiceImports instead of Services.",
        (),
        lambda words: zones(words.args, ()),
        example="clusterset.local",
        least=0,
    )
    zonal: bool = switch(
        "zonal",
        "Answers `ZONE.pin._zone.SERVICE...` with the endpoints of a headless Service"
        " in that topology zone, and `ZONE.prefer._zone.SERVICE...` with these or, if"
        " there are none, with all endpoints.",
    )
    startup_timeout_s: float = option(
        "startup_timeout DURATION",
        "The longest wait for the first lists.",
        5.0,
        _read_time,
        example="10s",
        excess=Excess.IGNORED,
    )
    access: Access = set_by(
        Access(),
        line(
            "endpoint URL",
            "The URL of the API server; of several URLs only the first is used.",
            _set_access,
            example="https://192.0.2.1:6443",
            excess=Excess.IGNORED,
        ),
        line(
            "tls CERT KEY CA",
            "The client certificate for the API server, its key, and the CA.",
            _set_access,
            example="cert.pem key.pem ca.pem",
        ),
        line(
            "kubeconfig FILE [CONTEXT]",
            "A file and a context in it to use instead of the Pod's service account.",
            _set_access,
            example="config dev",
        ),
    )
    strict: bool = switch(
        "strict",
        "*minidns only.* Follows the specification where CoreDNS departs from it.",
    )
    namespaced: bool = switch(
        "namespaced",
        "*minidns only.* Lists and watches each of the `namespaces` separately from the"
        " start, see below.",
    )
    stale_after_s: float | None = set_by(
        None,
        line(
            "stale_after DURATION [serve|servfail|unready]",
            "*minidns only.* How long the API server may be silent before answers"
            " change, and how, see below.",
            _set_stale_after,
            example="5m servfail",
            excess=Excess.IGNORED,
        ),
    )
    stale: Stale = "serve"
    audit_s: float | None = option(
        "audit DURATION|off",
        "*minidns only.* How often the store is compared with a fresh list, see below.",
        _AUDIT_S,
        _read_audit,
        example="10m",
        excess=Excess.IGNORED,
    )
    hold_s: float = option(
        "hold DURATION",
        "*minidns only.* How long an endpoint that left its EndpointSlice while it was"
        " ready still answers, at most `30s`, see below.",
        1.0,
        _read_hold,
        example="2s",
        excess=Excess.IGNORED,
    )

    @property
    def primary(self) -> Name:
        """The zone of the names that PTR records give: the first forward one.

        The bare reverse zones count as forward in CoreDNS (a fault; not ``strict``).
        """
        bare = ("in-addr.arpa.", "ip6.arpa.") if self.strict else ()
        forward = [z for z in self.zones if not is_reverse(z) and z not in bare]
        return forward[0] if forward else self.zones[0]

    def conflicts(self) -> Iterator[str]:
        """Yield CoreDNS's text for each pair of options that exclude each other."""
        if self.namespaces and self.namespace_labels:
            yield "namespaces and namespace_labels cannot both be set"
        for zone in self.multicluster:
            if zone not in self.zones:
                yield f"multicluster zone {zone} is not a zone of this plugin"
        if self.zonal and not self.endpoints:
            yield "zonal and noendpoints cannot both be set"
        if self.namespaced and not self.namespaces:
            yield "namespaced needs the namespaces to be listed"


def _read_apex(words: Words) -> Name:
    apex = names.absolute(words.first)
    try:
        names.to_wire(apex)
    except ValueError as error:  # unlike CoreDNS: it would fail at each query
        raise words.error(f"apex: {error}") from error
    return apex


@dataclass(frozen=True, slots=True)
class ExternalOptions:
    """The options of *k8s_external*."""

    zones: tuple[Name, ...] = zones_argument()
    apex: Name = option(
        "apex NAME",
        "The name below the zones that has the addresses of the name server.",
        "dns.",
        _read_apex,
        example="names",
        excess=Excess.IGNORED,
    )
    ttl: int = option(
        "ttl SECONDS",
        "The TTL of answers, 0 to 3600 seconds. SRV and CNAME records have the TTL of"
        " *kubernetes*.",
        5,
        _READ_TTL,
        example="60",
        excess=Excess.IGNORED,
    )
    headless: bool = switch(
        "headless",
        "Also answers with the endpoints of Services without any address, and with"
        " single endpoints by name.",
        excess=Excess.NEXT_OPTION,
    )
    fallthrough: tuple[Name, ...] = fallthrough_option()
