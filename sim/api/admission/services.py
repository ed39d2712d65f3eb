"""Defaults, address allocation and validation of Services."""

import re
from collections.abc import Iterator

from ..addresses import Addresses, family_of
from ..objects import Json, key_of
from ..status import Cause, duplicate, required, unsupported, wrong

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
PROTOCOLS = ("SCTP", "TCP", "UDP")
HEADLESS = ["None"]
_HOST = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\.?"
)


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a Service and allocate its cluster IPs."""
    spec = obj["spec"] = obj.get("spec") or {}
    obj.setdefault("status", {"loadBalancer": {}})
    spec.setdefault("type", "ClusterIP")
    if spec.setdefault("sessionAffinity", "None") == "ClientIP":
        timeout = {"clientIP": {"timeoutSeconds": 10800}}
        spec.setdefault("sessionAffinityConfig", timeout)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    if spec["type"] == "ExternalName":
        _without_addresses(spec)
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if old is not None and old["spec"].get("type") != "ExternalName":
        _keep_addresses(spec, old["spec"])
    _allocate(spec, addresses)


def _without_addresses(spec: Json) -> None:
    """Remove the fields that an ExternalName Service lacks (DNS spec 2.5)."""
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        spec.pop(name, None)


def _keep_addresses(spec: Json, old: Json) -> None:
    """Keep the addresses and families that the new state omits."""
    # clusterIPs follow a change of clusterIP alone (Service strategy, normalization)
    one, same = spec.get("clusterIP"), spec.get("clusterIPs") == old.get("clusterIPs")
    if same and one != old.get("clusterIP"):
        spec["clusterIPs"] = [one] if one else []
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIP"] = old.get("clusterIP", "")
        spec["clusterIPs"] = list(old.get("clusterIPs") or ())
    for name in ("ipFamilies", "ipFamilyPolicy"):
        if name in old:
            spec.setdefault(name, old[name])


def _allocate(spec: Json, addresses: Addresses) -> None:
    """Allocate an address of each family that has none."""
    one = spec.get("clusterIP")
    addresses_ = list(spec.get("clusterIPs") or ([one] if one else ()))
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    families = _families(spec, addresses_, addresses)
    if addresses_ != HEADLESS:
        by_family = {family_of(address): address for address in addresses_}
        pools = addresses.service_pools
        free = [
            by_family.get(family) or pools[family].free()
            for family in families
            if family in by_family or family in pools
        ]
        addresses_ += [address for address in free if address not in addresses_]
    spec["clusterIPs"] = addresses_
    spec["clusterIP"] = addresses_[0] if addresses_ else ""
    spec["ipFamilies"] = families


def _families(spec: Json, ips: list[str], addresses: Addresses) -> list[str]:
    """Return the address families of the Service, in order of preference."""
    families_of_ips = [family_of(address) for address in ips if family_of(address)]
    families = list(spec.get("ipFamilies") or families_of_ips or addresses.families[:1])
    if spec["ipFamilyPolicy"] == "SingleStack" and not spec.get("ipFamilies"):
        return families[: max(len(families_of_ips), 1)]
    if spec["ipFamilyPolicy"] in ("PreferDualStack", "RequireDualStack"):
        families += [f for f in addresses.families if f not in families]
    return families


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of a Service."""
    spec = obj["spec"]
    if spec["type"] not in TYPES:
        yield unsupported("spec.type", spec["type"], TYPES)
    if spec["sessionAffinity"] not in AFFINITIES:
        yield unsupported("spec.sessionAffinity", spec["sessionAffinity"], AFFINITIES)
    policy = spec.get("internalTrafficPolicy", "Cluster")
    if policy not in POLICIES:
        yield unsupported("spec.internalTrafficPolicy", policy, POLICIES)
    near = spec.get("trafficDistribution")
    if near is not None and near not in DISTRIBUTIONS:
        yield unsupported("spec.trafficDistribution", near, DISTRIBUTIONS)
    if spec["type"] == "ExternalName":
        yield from _external_causes(spec)
        return
    if not spec.get("ports") and spec["clusterIPs"] != HEADLESS:
        yield required("spec.ports")
    yield from _port_causes(spec.get("ports") or [])
    yield from _family_causes(spec, addresses)
    yield from _address_causes(obj, old, addresses)


def _external_causes(spec: Json) -> Iterator[Cause]:
    """Yield the validation errors of spec.externalName."""
    name = spec.get("externalName", "")
    if not name:
        yield required("spec.externalName")
    elif not _HOST.fullmatch(name) or len(name) > 253:
        yield wrong(
            "spec.externalName", name, "a lowercase RFC 1123 subdomain is needed"
        )


def _port_causes(ports: list[Json]) -> Iterator[Cause]:
    """Yield the validation errors of the ports."""
    names: set[str] = set()
    numbers: set[tuple[object, str]] = set()
    for index, port in enumerate(ports):
        field, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{field}.name")
        if name and name in names:
            yield duplicate(f"{field}.name", name)
        if (number := (port.get("port"), port["protocol"])) in numbers:
            yield duplicate(field, {"port": number[0], "protocol": number[1]})
        names.add(name)
        numbers.add(number)
        if port["protocol"] not in PROTOCOLS:
            yield unsupported(f"{field}.protocol", port["protocol"], PROTOCOLS)
        if not (isinstance(port.get("port"), int) and 0 < port["port"] < 65536):
            why = "must be between 1 and 65535, inclusive"
            yield wrong(f"{field}.port", port.get("port", 0), why)


def _family_causes(spec: Json, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of the IP families."""
    if spec["ipFamilyPolicy"] == "RequireDualStack" and len(addresses.families) < 2:
        why = "Cluster is not configured for dual-stack services"
        yield wrong("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], why)
    for index, family in enumerate(spec["ipFamilies"]):
        if family not in addresses.families and spec["clusterIPs"] != HEADLESS:
            why = "not configured on this cluster"
            yield wrong(f"spec.ipFamilies[{index}]", family, why)


def _address_causes(
    obj: Json, old: Json | None, addresses: Addresses
) -> Iterator[Cause]:
    """Yield the validation errors of the cluster IPs."""
    spec = obj["spec"]
    ips, field = spec["clusterIPs"], "spec.clusterIPs"
    old_ips = old["spec"].get("clusterIPs") if old else None
    if old_ips and ips[0] != old_ips[0]:
        yield wrong(f"{field}[0]", ips, "may not change once set")
        return
    if spec.get("clusterIP") != ips[0]:
        yield wrong(field, ips, "first value must match `clusterIP`")
    for index, address in enumerate(ips if ips != HEADLESS else ()):
        if why := _refusal(address, key_of(obj), addresses):
            yield wrong(f"{field}[{index}]" if not family_of(address) else field, *why)


def _refusal(
    address: str, owner: tuple[str, str], addresses: Addresses
) -> tuple[object, str] | None:
    """Return value and message of the error of ``address``, or None."""
    family = family_of(address)
    if not family:
        return address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    pool = addresses.service_pools.get(family)
    failed = f"failed to allocate IP {address}"
    if pool is not None and address not in pool:
        why = "the provided network does not match the current range"
        return [address], f"{failed}: {why}"
    if addresses.services.get(address, owner) != owner:
        return [address], f"{failed}: provided IP is already allocated"
    return None
