import socket
from ipaddress import ip_address

import pytest

from minidns.net.addresses import interfaces, local_addresses


def has_loopback() -> bool:
    return "lo" in dict((name, number) for number, name in socket.if_nameindex())


@pytest.mark.skipif(not has_loopback(), reason="no interface lo here")
def test_loopback_has_its_addresses() -> None:
    assert "127.0.0.1" in interfaces()["lo"]


def test_every_address_is_one_that_can_be_bound() -> None:
    for addresses in interfaces().values():
        for each in addresses:
            family = socket.AF_INET6 if ":" in each else socket.AF_INET
            where = socket.getaddrinfo(each, 0, family, socket.SOCK_DGRAM)[0][4]
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.bind(where)
                assert sock.getsockname()[1]


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
