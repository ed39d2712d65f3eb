"""Search list and nameservers of a resolv.conf (resolv.conf(5))."""

from minidns.dns import names
from minidns.dns.model import Name

RESOLV_CONF = "/etc/resolv.conf"
STUB = "127.0.0.53"
"""The address of systemd-resolved, which it writes into that file."""
BEHIND_STUB = "/run/systemd/resolve/resolv.conf"
"""The upstreams of systemd-resolved; servers at ports other than 53 are omitted."""
BEFORE_US = "/etc/resolv.conf.minidns"
"""Backup of that file, written before split-dns adds minidns to it."""


def search(text: str) -> tuple[Name, ...]:
    r"""Return the search list; the last ``search`` or ``domain`` line applies.

    >>> search("nameserver 192.0.2.1\nsearch a.example.org example.org.\n")
    ('a.example.org.', 'example.org.')
    """
    domains: tuple[Name, ...] = ()
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == "search":
            domains = tuple(map(names.absolute, words[1:]))
        elif words and words[0] == "domain":
            domains = tuple(map(names.absolute, words[1:2]))
    return domains


def nameservers(text: str) -> tuple[str, ...]:
    r"""Return the addresses of the ``nameserver`` lines, in order.

    >>> nameservers("# me\nnameserver 192.0.2.1\nnameserver ::1 # too\n")
    ('192.0.2.1', '::1')
    """
    lines = (line.split() for line in text.splitlines())
    return tuple(
        words[1] for words in lines if words[:1] == ["nameserver"] and words[1:]
    )
