"""The addresses of this machine, by getifaddrs of the C library."""

import ctypes
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address


class _Interface(ctypes.Structure):
    """As much of struct ifaddrs as every system has in common."""


_Interface._fields_ = [
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]

_OFFSETS = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}
"""Where in a socket address its IP address stands, and how long it is."""


def local_addresses() -> tuple[str, ...]:
    """Return the IP addresses of all interfaces, loopback ones left out.

    Each once, in the system's order, in canonical text without a scope. Empty where
    the system does not tell.
    """
    found = dict.fromkeys(address for _, address in _found())
    return tuple(each for each in found if not ip_address(each).is_loopback)


def interfaces() -> dict[str, list[str]]:
    """Return the IP addresses of each interface by its name.

    In canonical text, link-local ones of IPv6 with the interface as their scope.
    """
    found: dict[str, list[str]] = {}
    for name, address in _found():
        local = ":" in address and ip_address(address).is_link_local
        found.setdefault(name, []).append(f"{address}%{name}" if local else address)
    return found


def _found() -> list[tuple[str, str]]:
    try:
        return list(_addresses(ctypes.CDLL(None)))
    except (OSError, AttributeError):
        return []


def _addresses(library: ctypes.CDLL) -> Iterator[tuple[str, str]]:
    """Yield interface and address, in the system's order."""
    first = ctypes.POINTER(_Interface)()
    if library.getifaddrs(ctypes.byref(first)) != 0:
        return
    try:
        at = first
        while at:
            if at.contents.address:
                for address in _address(at.contents.address):
                    yield at.contents.name.decode(), address
            at = at.contents.next
    finally:
        library.freeifaddrs(first)


def _address(pointer: int) -> Iterator[str]:
    # BSD systems put a length byte before the family (sockaddr, sa_len)
    head = ctypes.string_at(pointer, 2)
    family = (
        head[1] if sys.platform == "darwin" else int.from_bytes(head, sys.byteorder)
    )
    if family in _OFFSETS:
        start, size = _OFFSETS[socket.AddressFamily(family)]
        yield str(ip_address(ctypes.string_at(pointer + start, size)))
