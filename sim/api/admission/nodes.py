"""Validation of Nodes."""

from collections.abc import Iterator
from ipaddress import ip_network

from ..addresses import Addresses
from ..objects import Json, dig
from ..status import Cause, wrong


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of a Node."""
    for index, cidr in enumerate(dig(obj, "spec.podCIDRs") or ()):
        try:
            ip_network(cidr)
        except ValueError as error:
            yield wrong(f"spec.podCIDRs[{index}]", cidr, str(error))
