import socket
from ipaddress import ip_address

import pytest

from minidns.net.addresses import interfaces, local_addresses

NAMES = [name for _, name in socket.if_nameindex()]


@pytest.mark.skipif("lo" not in NAMES, reason="no interface lo here")
def test_loopback_has_its_addresses() -> None:
    assert "127.0.0.1" in interfaces()["lo"]


def test_interfaces_are_those_of_the_system() -> None:
    assert set(interfaces()) <= set(NAMES)


def test_addresses_are_ones_that_can_be_bound() -> None:
    # of IPv4 only: a new IPv6 address cannot be bound for a second
    for addresses in interfaces().values():
        for each in addresses:
            if ":" not in each:
                with socket.create_server((each, 0)) as sock:
                    assert sock.getsockname()[0] == each


def test_link_local_addresses_have_their_scope() -> None:
    for name, addresses in interfaces().items():
        for each in addresses:
            local = ":" in each and ip_address(each).is_link_local
            assert ("%" in each) is local
            assert not local or each.endswith(f"%{name}")


def test_local_addresses_are_those_of_the_interfaces_less_loopback() -> None:
    found = {each.partition("%")[0] for all_ in interfaces().values() for each in all_}
    wanted = {each for each in found if not ip_address(each).is_loopback}
    assert set(local_addresses()) == wanted
    assert len(local_addresses()) == len(wanted)
