import gc
import socket
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from minidns.system.addresses import interfaces, local_addresses, shown, socket_address
from tests.table import table


def test_addresses_can_be_bound_and_are_no_loopback() -> None:
    found = local_addresses()
    assert len(set(found)) == len(found)
    for text in found:
        address = ip_address(text)
        assert str(address) == text
        assert not address.is_loopback
        if address.is_link_local and address.version == 6:
            continue  # needs a scope
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((text, 0))


def test_the_address_that_leads_outside_is_among_them() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return  # a machine with loopback alone has none
        own = sock.getsockname()[0]
    assert own in local_addresses()


LOOPBACK = socket.if_indextoname(1)
SCOPED = {
    "ipv4": ("192.0.2.1", ("192.0.2.1", 53)),
    "ipv6": ("::1", ("::1", 53, 0, 0)),
    "interface": (f"fe80::1%{LOOPBACK}", ("fe80::1", 53, 0, 1)),
}


@table(("host", "address"), SCOPED.values(), ids=SCOPED)
def test_scopes_survive_both_ways(host: str, address: tuple[object, ...]) -> None:
    family, found = socket_address(host, 53)
    assert family == (socket.AF_INET6 if ":" in host else socket.AF_INET)
    assert found == address
    assert shown(found) == (host, 53)


def test_a_scope_can_be_the_number_of_the_interface() -> None:
    assert socket_address("fe80::1%1", 53)[1] == ("fe80::1", 53, 0, 1)


def test_a_scope_that_is_no_interface() -> None:
    with pytest.raises(OSError, match="No such device"):
        socket_address("fe80::1%nowhere", 53)


def test_an_interface_that_is_gone_is_shown_by_its_number() -> None:
    assert shown(("fe80::1", 53, 0, 999_999)) == ("fe80::1%999999", 53)


@pytest.mark.slow
@pytest.mark.parametrize("look", [local_addresses, interfaces])
def test_nothing_is_left_for_the_garbage_collector(look: Callable[[], object]) -> None:
    # every block of a Corefile looks; after a large reload cycles would stay for ever
    look()
    gc.collect()
    gc.disable()
    try:
        look()
        assert gc.collect() == 0
    finally:
        gc.enable()
