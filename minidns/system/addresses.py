"""The addresses of this machine, and socket addresses that keep their scope.

The addresses come from getifaddrs of the C library. A link-local IPv6 address is only
complete with its scope, the interface: as text that is ``fe80::1%eth0``, in a socket
address of Python it is the fourth item, and Python drops it on the way between both.
"""

import ctypes
import errno
import functools
import os
import socket
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, TypeAlias

from minidns.dns.model import Address

SockAddr: TypeAlias = tuple[Any, ...]
"""Host and port, and for IPv6 flow and scope, as the socket module has them."""


def socket_address(host: str, port: int) -> tuple[socket.AddressFamily, SockAddr]:
    """Return family and socket address of the IP address ``host``, scope included.

    >>> socket_address("192.0.2.1", 53)[1], socket_address("::1", 53)[1]
    (('192.0.2.1', 53), ('::1', 53, 0, 0))

    Raises:
        OSError: there is no interface with the name of the scope.

    """
    address, _, scope = host.partition("%")
    if ":" not in address:
        return socket.AF_INET, (address, port)
    return socket.AF_INET6, (address, port, 0, _scope_id(scope))


def _scope_id(scope: str) -> int:
    """Return the number of the interface; a scope may also be that number."""
    if not scope:
        return 0
    try:
        return int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
    except OSError as exc:  # Python sets no error number
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from exc


def shown(address: SockAddr) -> Address:
    """Return host and port of a socket address, the host with its scope.

    >>> shown(("192.0.2.1", 53)), shown(("::1", 53, 0, 0))
    (('192.0.2.1', 53), ('::1', 53))
    """
    host, port, *more = address
    scope = more[1] if more else 0
    if not scope or "%" in host:
        return host, port
    try:
        return f"{host}%{socket.if_indextoname(scope)}", port
    except OSError:  # the interface is gone
        return f"{host}%{scope}", port


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
        return list(_addresses(_c_library()))
    except (OSError, AttributeError):
        return []


@functools.cache
def _c_library() -> ctypes.CDLL:
    """Return the C library, once: each load makes classes that refer to one another."""
    return ctypes.CDLL(None)


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
