"""What a resolv.conf says to those who search (resolv.conf(5))."""

from minidns.core import names
from minidns.core.model import Name


def search(text: str) -> tuple[Name, ...]:
    r"""Return the domains to search; the last ``search`` or ``domain`` line counts.

    >>> search("nameserver 192.0.2.1\\nsearch a.example.org example.org.\\n")
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
