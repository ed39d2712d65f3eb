"""The table of the options of *kubernetes*."""

import logging
from collections.abc import Iterator
from dataclasses import replace

from minidns.corefile.directives import Line
from minidns.corefile.values import duration, zones
from minidns.kubernetes.addresses import is_reverse
from minidns.kubernetes.options import IDLE_S, MAX_TTL, KubernetesOptions
from minidns.kubernetes.selector import parse
from minidns.plugins.options import (
    Read,
    fallthrough,
    flag,
    integer,
    setting,
)
from minidns.plugins.spec import Option, Words

log = logging.getLogger(__name__)

_MODES = ("disabled", "insecure", "verified")
_POLICIES = ("serve", "servfail", "unready")


def conflicts(options: KubernetesOptions) -> Iterator[str]:
    """Yield CoreDNS's text for each pair of options that exclude each other."""
    if options.namespaces and options.namespace_labels:
        yield "namespaces and namespace_labels cannot both be set"
    for zone in options.multicluster:
        if zone not in options.zones:
            yield f"multicluster zone {zone} is not a zone of this plugin"
    if options.zonal and not options.endpoints:
        yield "zonal and noendpoints cannot both be set"
    if options.namespaced and not options.namespaces:
        yield "namespaced needs the namespaces to be listed"


def _set_zones(options: KubernetesOptions, words: Words) -> KubernetesOptions:
    named = zones(words.args, words.site.zones)
    if not named or all(map(is_reverse, named)):
        raise ValueError("non-reverse zone name must be used")
    return replace(options, zones=named)


def _read_mode(words: Words) -> str:
    if words.first not in _MODES:
        expected = "must be one of: disabled, verified, insecure"
        raise ValueError(f"wrong value for pods: {words.first},  {expected}")
    return words.first


def _add_namespaces(options: KubernetesOptions, words: Words) -> KubernetesOptions:
    return replace(options, namespaces=options.namespaces.union(words.args))


def _selector(called: str) -> Read[str]:
    def read(words: Words) -> str:
        text = " ".join(words.args)
        try:
            return parse(text)
        except ValueError as error:
            start = f"unable to parse {called} selector value: '{text}'"
            raise ValueError(f"{start}: {error}") from error

    return read


def _set_ignore(options: KubernetesOptions, words: Words) -> KubernetesOptions:
    if not words.args:
        return options
    if words.first != "empty_service":
        raise ValueError(f"unable to parse ignore value: '{words.first}'")
    return replace(options, ignore_empty=True)


def _set_endpoint(options: KubernetesOptions, words: Words) -> KubernetesOptions:
    url = words.first
    if len(words.args) > 1:
        text = "Multiple endpoints have been deprecated, only the first specified"
        log.warning("%s endpoint '%s' is used", text, url)
    return replace(options, access=replace(options.access, endpoint=url))


def _set_tls(options: KubernetesOptions, words: Words) -> KubernetesOptions:
    certificate, key, authority = words.args
    access = replace(options.access, tls=(certificate, key, authority))
    return replace(options, access=access)


def _set_kubeconfig(options: KubernetesOptions, words: Words) -> KubernetesOptions:
    kubeconfig, context = (*words.args, "")[:2]
    access = replace(options.access, kubeconfig=kubeconfig, context=context)
    return replace(options, access=access)


def _read_time(words: Words) -> float:
    assert isinstance(words.where, Line)
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


def _set_stale_after(options: KubernetesOptions, words: Words) -> KubernetesOptions:
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


def _check_limit(options: KubernetesOptions, words: Words) -> KubernetesOptions:
    """Accept a limit of the Go client; a reflector here makes one request at a time."""
    assert isinstance(words.where, Line)
    name = words.where.name
    try:
        limit = float(words.first)
    except ValueError as error:
        raise words.error(f"{name} is not a number: {words.first}") from error
    if not limit >= 0:
        raise words.error(f"{name} must not be negative: {words.first}")
    return options


def _limit(name: str) -> Option:
    return Option(
        name=name,
        arguments="NUMBER",
        meaning="A limit of CoreDNS's API client; it means nothing here.",
        example=f"{name} 5",
        least=1,
        apply=_check_limit,
    )


ARGUMENTS = Option(
    name="",
    arguments="[ZONES...]",
    meaning="The zones of the cluster; those of the server block without any.",
    example="cluster.local",
    field="zones",
    apply=_set_zones,
)
OPTIONS = (
    setting(
        "pods",
        "disabled|insecure|verified",
        "pods",
        _read_mode,
        "Whether names made of addresses of pods are answered.",
        example="pods verified",
    ),
    setting(
        "ttl",
        "SECONDS",
        "ttl",
        integer(0, MAX_TTL, outside=f"ttl must be in range [0, {MAX_TTL}]: {{value}}"),
        "The TTL of answers.",
        example="ttl 30",
        most=None,
    ),
    Option(
        name="namespaces",
        arguments="NAMESPACE...",
        meaning="The only namespaces to answer for.",
        example="namespaces shop",
        least=1,
        field="namespaces",
        apply=_add_namespaces,
    ),
    setting(
        "namespace_labels",
        "SELECTOR",
        "namespace_labels",
        _selector("namespace_label"),
        "The labels of the only namespaces to answer for.",
        example="namespace_labels team=shop",
        most=None,
    ),
    setting(
        "labels",
        "SELECTOR",
        "labels",
        _selector("label"),
        "The labels of the only Services to answer for.",
        example="labels app=shop",
        most=None,
    ),
    flag(
        "endpoint_pod_names",
        "endpoint_pod_names",
        "Names of endpoints are made of the names of their pods.",
    ),
    flag("noendpoints", "endpoints", "Endpoints are not watched.", value=False),
    Option(
        name="ignore",
        arguments="empty_service",
        meaning="Services without a ready endpoint are not answered.",
        example="ignore empty_service",
        field="ignore_empty",
        apply=_set_ignore,
    ),
    setting(
        "fallthrough",
        "[ZONES...]",
        "fallthrough",
        fallthrough,
        "Names in these zones that do not exist go to the next plugin.",
        example="fallthrough in-addr.arpa",
        least=0,
        most=None,
    ),
    setting(
        "multicluster",
        "ZONES...",
        "multicluster",
        lambda words: zones(words.args, ()),
        "The zones of Services of other clusters (ServiceImport).",
        example="multicluster clusterset.local",
        least=0,
        most=None,
    ),
    flag("zonal", "zonal", "Names may name the zone of endpoints."),
    setting(
        "startup_timeout",
        "DURATION",
        "startup_timeout_s",
        _read_time,
        "How long the start waits for the API server.",
        example="startup_timeout 10s",
        most=None,
    ),
    Option(
        name="endpoint",
        arguments="URL",
        meaning="The URL of the API server.",
        example="endpoint https://192.0.2.1:6443",
        least=1,
        field="access",
        apply=_set_endpoint,
    ),
    Option(
        name="tls",
        arguments="CERTIFICATE KEY CA",
        meaning="The files of the client certificate for the API server.",
        example="tls cert.pem key.pem ca.pem",
        least=3,
        most=3,
        field="access",
        apply=_set_tls,
    ),
    Option(
        name="kubeconfig",
        arguments="FILE [CONTEXT]",
        meaning="The kubeconfig that says how to reach the API server.",
        example="kubeconfig config dev",
        least=1,
        most=2,
        field="access",
        apply=_set_kubeconfig,
    ),
    _limit("apiserver_qps"),
    _limit("apiserver_burst"),
    _limit("apiserver_max_inflight"),
    flag(
        "strict",
        "strict",
        "Answers follow the specification where CoreDNS departs from it.",
    ),
    flag("ede", "ede", "Replies say why in an Extended DNS Error (RFC 8914)."),
    flag(
        "namespaced",
        "namespaced",
        "Each of the namespaces is watched by itself, with rights in it alone.",
    ),
    Option(
        name="stale_after",
        arguments="DURATION [serve|servfail|unready]",
        meaning="What happens when the API server has been silent for so long.",
        example="stale_after 5m servfail",
        least=1,
        field="stale_after_s",
        apply=_set_stale_after,
    ),
    setting(
        "audit",
        "DURATION|off",
        "audit_s",
        _read_audit,
        "How often what is known is compared with a fresh list.",
        example="audit 10m",
        most=None,
    ),
    setting(
        "hold",
        "DURATION",
        "hold_s",
        _read_hold,
        "How long an endpoint that moves between slices is still answered.",
        example="hold 2s",
        most=None,
    ),
)
