import socket
from ipaddress import ip_address

from minidns.net.addresses import local_addresses


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
