"""Defaults and validation of EndpointSlices."""

from collections.abc import Iterator

from ..addresses import Addresses, family_of
from ..objects import Json
from ..status import Cause, unsupported, wrong

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of an EndpointSlice."""
    obj["endpoints"] = obj.get("endpoints") or []
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of an EndpointSlice."""
    kind = obj.get("addressType")
    if kind not in ADDRESS_TYPES:
        yield unsupported("addressType", kind, ADDRESS_TYPES)
    elif old is not None and old.get("addressType") != kind:
        yield wrong("addressType", kind, "field is immutable")
    for index, endpoint in enumerate(obj["endpoints"]):
        for address in endpoint.get("addresses") or ():
            if kind in ("IPv4", "IPv6") and family_of(address) != kind:
                field = f"endpoints[{index}].addresses"
                yield wrong(field, address, f"must be an {kind} address")
