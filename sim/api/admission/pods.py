"""Defaults and validation of Pods, and of the Pod templates of workloads."""

from collections.abc import Iterator

from ..addresses import Addresses, address_error
from ..objects import Json
from ..status import Cause, not_allowed, required, too_long, unsupported, wrong
from . import names

DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
MAX_OVERRIDE = 64
"""Characters of hostnameOverride."""
MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARS = 2048
"""Characters of the whole search list with its spaces."""
INITIAL_STATUS = {"phase": "Pending", "qosClass": "BestEffort"}
"""The status of a Pod before scheduler and kubelet have seen it."""
_CHANGEABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")


def fill_spec(spec: Json) -> None:
    """Set the defaults of the spec of a Pod or Pod template."""
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    for name, value in (
        ("restartPolicy", "Always"),
        ("schedulerName", "default-scheduler"),
        ("terminationGracePeriodSeconds", 30),
        ("securityContext", {}),
    ):
        spec.setdefault(name, value)
    for container in spec.get("containers") or ():
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("resources", {})
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a Pod."""
    obj["spec"] = obj.get("spec") or {}
    obj["spec"].setdefault("serviceAccountName", "default")
    obj["spec"].setdefault("enableServiceLinks", True)
    fill_spec(obj["spec"])
    obj["status"] = obj.get("status") or dict(INITIAL_STATUS)


def spec_causes(spec: Json, field: str) -> Iterator[Cause]:
    """Yield the validation errors of a Pod spec at ``field``."""
    if not spec.get("containers"):
        yield required(f"{field}.containers")
    for index, container in enumerate(spec.get("containers") or ()):
        if not container.get("name"):
            yield required(f"{field}.containers[{index}].name")
    yield from _dns_causes(spec, field)
    for name in ("hostname", "subdomain"):
        if spec.get(name):
            yield from names.errors(names.LABEL, f"{field}.{name}", spec[name])
    yield from _override_causes(spec, f"{field}.hostnameOverride")


def _override_causes(spec: Json, field: str) -> Iterator[Cause]:
    """Yield the validation errors of hostnameOverride."""
    override = spec.get("hostnameOverride")
    if override is None:
        return
    for other in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(other):
            yield not_allowed(field, f"may not be specified when {other} is true")
    if len(override) > MAX_OVERRIDE:
        yield too_long(field, MAX_OVERRIDE)
    yield from names.errors(names.SUBDOMAIN, field, override)


def _dns_causes(spec: Json, field: str) -> Iterator[Cause]:
    """Yield the validation errors of dnsPolicy and dnsConfig."""
    policy, config = spec["dnsPolicy"], spec.get("dnsConfig")
    if policy not in DNS_POLICIES:
        yield unsupported(f"{field}.dnsPolicy", policy, DNS_POLICIES)
    field = f"{field}.dnsConfig"
    if policy == "None" and config is None:
        yield required(field, "must provide `dnsConfig` when `dnsPolicy` is None")
    if config is None:
        return
    servers = config.get("nameservers") or []
    if policy == "None" and not servers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{field}.nameservers", why)
    if len(servers) > MAX_NAMESERVERS:
        why = f"must not have more than {MAX_NAMESERVERS} nameservers"
        yield wrong(f"{field}.nameservers", servers, why)
    for index, server in enumerate(servers):
        if why := address_error(server):
            yield wrong(f"{field}.nameservers[{index}]", server, why)
    yield from _search_causes(config.get("searches") or [], f"{field}.searches")
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield required(f"{field}.options[{index}]", "must not be empty")


def _search_causes(searches: list[str], field: str) -> Iterator[Cause]:
    """Yield the validation errors of a search list."""
    if len(searches) > MAX_SEARCHES:
        why = f"must not have more than {MAX_SEARCHES} search paths"
        yield wrong(field, searches, why)
    if len(" ".join(searches)) > MAX_SEARCH_CHARS:
        why = (
            f"must not have more than {MAX_SEARCH_CHARS} characters (including spaces) "
            "in the search list"
        )
        yield wrong(field, searches, why)
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            yield from names.errors(names.SEARCH_DOMAIN, f"{field}[{index}]", domain)


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of a Pod."""
    yield from spec_causes(obj["spec"], "spec")
    if old is None or not old["spec"].get("nodeName"):
        return
    if _fixed(obj["spec"]) != _fixed(old["spec"]):
        names = ", ".join(f"`spec.{name}`" for name in _CHANGEABLE)
        why = (
            "pod updates may not change fields other than "
            f"`spec.containers[*].image`, {names}"
        )
        yield not_allowed("spec", why)


def _fixed(spec: Json) -> Json:
    """Return the immutable part of a Pod spec."""
    fixed = {k: v for k, v in spec.items() if k not in _CHANGEABLE}
    fixed["containers"] = [
        {k: v for k, v in container.items() if k != "image"}
        for container in spec.get("containers") or ()
    ]
    return fixed
