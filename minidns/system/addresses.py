"""The addresses of this machine, and socket addresses with their scope.

The addresses come from getifaddrs of the C library. A link-local IPv6 address is only
complete with its scope, the interface: in text it is ``fe80::1%eth0``, in a socket
address of Python the fourth item. Python loses it when it converts between the two.
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
"""Host and port, and for IPv6 flow and scope, as in the socket module."""


def socket_address(host: str, port: int) -> tuple[socket.AddressFamily, SockAddr]:
    """Return family and socket address of the IP address ``host``, scope included.

    >>> socket_address("192.0.2.1", 53)[1], socket_address("::1", 53)[1]
    (('192.0.2.1', 53), ('::1', 53, 0, 0))

    Raises:
        OSError: no interface has the name of the scope.

    """
    if ":" not in host:
        return socket.AF_INET, (host, port)
    address, _, scope = host.partition("%")
    return socket.AF_INET6, (address, port, 0, _scope_id(scope))


def _scope_id(scope: str) -> int:
    """Return the index of the interface; the scope is its name or index."""
    if not scope:
        return 0
    try:
        return int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
    except OSError as exc:  # Python does not set errno
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
    """The fields of struct ifaddrs that all systems have in common."""


_Interface._fields_ = [
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
]

_OFFSETS = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}
"""Offset and size of the IP address in a socket address, by family."""


def local_addresses() -> tuple[str, ...]:
    """Return the IP addresses of all interfaces except loopback addresses.

    They are unique, in the order of the system, in canonical text without a scope. The
    result is empty if the system does not provide them.
    """
    addresses = dict.fromkeys(address for _, address in _interface_addresses())
    return tuple(
        address for address in addresses if not ip_address(address).is_loopback
    )


def interfaces() -> dict[str, list[str]]:
    """Return the IP addresses of each interface by its name.

    They are canonical text; link-local IPv6 addresses have the interface as scope.
    """
    by_name: dict[str, list[str]] = {}
    for name, address in _interface_addresses():
        local = ":" in address and ip_address(address).is_link_local
        by_name.setdefault(name, []).append(f"{address}%{name}" if local else address)
    return by_name


def _interface_addresses() -> list[tuple[str, str]]:
    try:
        return list(_addresses(_c_library()))
    except (OSError, AttributeError):
        return []


@functools.cache
def _c_library() -> ctypes.CDLL:
    """Return the C library, once: each load makes classes that refer to one another."""
    return ctypes.CDLL(None)


def _addresses(library: ctypes.CDLL) -> Iterator[tuple[str, str]]:
    """Yield pairs of interface and address in the order of the system."""
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


def packed(text: str) -> bytes | None:
    """Return the bytes of an IP address, None for another word.

    A scope is dropped; an IPv4 address in IPv6 form is an IPv4 address.
    """
    host = text.partition("%")[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        data = socket.inet_pton(family, host)
    except (OSError, ValueError):  # ValueError: a NUL, or half of a surrogate pair
        return None
    return data[12:] if data.startswith(_MAPPED) and len(data) == 16 else data


_MAPPED = bytes(10) + b"\xff\xff"
"""The first bytes of an IPv4 address in IPv6 form (RFC 4291 2.5.5.2)."""
