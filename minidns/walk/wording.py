"""Words about queries and resolv.conf that the steps of walks use."""

from minidns.dns.model import TC, FormatError
from minidns.dns.rdata import rcode_name, to_text, type_name, type_number
from minidns.dns.reply import decode_reply
from minidns.dns.wire import question_name
from minidns.stub.protocol import BOTH
from minidns.text.arguments import did_you_mean

COMMON_TYPES = ("A", "AAAA", "SRV", "PTR", "TXT", "MX", "NS", "SOA", "CNAME")
"""Types to suggest; others can be asked for as well."""


def lookup_types(words: str) -> tuple[int, ...]:
    """Return the types of a lookup; without words those of getaddrinfo, A and AAAA.

    Raises:
        ValueError: a word is no record type; the text lists common ones.

    """
    found = []
    for word in words.split():
        try:
            found.append(type_number(word))
        except ValueError:
            similar = did_you_mean(word.upper(), COMMON_TYPES)
            known = ", ".join(COMMON_TYPES)
            raise ValueError(
                f"{word}: not a record type, such as {known}{similar}"
            ) from None
    return tuple(found) or BOTH


def asked(wire: bytes) -> tuple[str, str]:
    """Return name and type of the question in a query."""
    name, at = question_name(wire)
    return name, type_name(int.from_bytes(wire[at : at + 2]))


def outcome(wire: bytes) -> str:
    """Return the data of the answer records of a reply, or why it has none."""
    try:
        reply = decode_reply(wire, strict=False)
    except FormatError:
        return "malformed"
    if reply.flags & TC:
        return "truncated"
    if reply.rcode:
        return rcode_name(reply.rcode)
    records = (to_text(rrset.rtype, d) for rrset in reply.answer for d in rrset.rdata)
    return ", ".join(records) or "NODATA"


def has_records(wire: bytes) -> bool:
    """Return whether a reply has answer records and no error."""
    return len(wire) >= 12 and not wire[3] & 15 and bool(int.from_bytes(wire[6:8]))


def expansion(name: str, queried: str) -> str:
    """Return how a resolver made the name of a query from that of the program.

    >>> expansion("web", "web.shop.svc.cluster.local.")
    'search domain shop.svc.cluster.local'
    >>> expansion("web.shop", "web.shop.")
    'as written'
    """
    absolute = f"{name.removesuffix('.')}.".lower()
    if queried.lower() == absolute:
        return "as written"
    if queried.lower().startswith(absolute):
        return f"search domain {queried[len(absolute) :].removesuffix('.')}"
    return "another name"


def options(text: str) -> list[str]:
    """Return the options of a resolv.conf.

    >>> options("options ndots:5 use-vc")
    ['ndots:5', 'use-vc']
    """
    lines = (line.split() for line in text.splitlines())
    return [word for words in lines if words[:1] == ["options"] for word in words[1:]]


def with_nameserver(resolv_conf: str, address: str) -> str:
    r"""Return a resolv.conf with one name server instead of its own.

    >>> with_nameserver("search a\nnameserver 192.0.2.1\noptions x\n", "192.0.2.2")
    'search a\noptions x\nnameserver 192.0.2.2\n'
    """
    lines = (
        line for line in resolv_conf.splitlines() if line.split()[:1] != ["nameserver"]
    )
    return "".join(f"{line}\n" for line in (*lines, f"nameserver {address}"))
