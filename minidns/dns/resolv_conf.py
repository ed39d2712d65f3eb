"""What a resolv.conf says to those who search (resolv.conf(5))."""

from minidns.dns import names
from minidns.dns.model import Name

RESOLV_CONF = "/etc/resolv.conf"
STUB = "127.0.0.53"
"""systemd-resolved's own address, which it writes into that file."""
BEHIND_STUB = "/run/systemd/resolve/resolv.conf"
"""Whom systemd-resolved asks; servers at other ports than 53 are not in it."""
BEFORE_US = "/etc/resolv.conf.minidns"
"""What was in that file before split-dns put minidns into it."""


def search(text: str) -> tuple[Name, ...]:
    r"""Return the domains to search; the last ``search`` or ``domain`` line counts.

    >>> search("nameserver 192.0.2.1\nsearch a.example.org example.org.\n")
    ('a.example.org.', 'example.org.')
    """
    found: tuple[Name, ...] = ()
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == "search":
            found = tuple(map(names.absolute, words[1:]))
        elif words and words[0] == "domain":
            found = tuple(map(names.absolute, words[1:2]))
    return found


def nameservers(text: str) -> tuple[str, ...]:
    r"""Return the addresses of the ``nameserver`` lines, in order.

    >>> nameservers("# me\nnameserver 192.0.2.1\nnameserver ::1 # too\n")
    ('192.0.2.1', '::1')
    """
    lines = (line.split() for line in text.splitlines())
    return tuple(
        words[1] for words in lines if words[:1] == ["nameserver"] and words[1:]
    )
