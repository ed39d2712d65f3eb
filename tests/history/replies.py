"""Replies as they are compared: byte for byte but for id, TTL, serial and rotation."""

from functools import lru_cache
from typing import TypeAlias

import dns.flags
import dns.message
import dns.rdatatype
import dns.rdtypes.ANY.SOA

Seen: TypeAlias = tuple[object, ...] | None
"""The parts of a reply that may not depend on the history; None for no reply."""


def seen(query: bytes, reply: bytes | None) -> Seen:
    """Return what is to be compared of ``reply`` to ``query`` (without its id)."""
    return None if reply is None else _seen(query, reply[2:])


@lru_cache(maxsize=200_000)
def _seen(query: bytes, reply: bytes) -> Seen:
    wire = b"\0\0" + reply
    read = dns.message.from_wire(wire, one_rr_per_rrset=True)  # whole and well-formed
    end = 12
    while wire[end]:
        end += wire[end] + 1
    question = wire[12 : end + 5]
    if not query[10:].startswith(question):
        return "the reply to another question", question
    flags = int(read.flags)
    if flags & dns.flags.TC:
        flags &= ~dns.flags.AA  # as below, how much fits: of no use to anybody
    options = tuple((int(option.otype), option.to_wire()) for option in read.options)
    opt = (read.edns, int(read.ednsflags), read.payload, options)
    head = (flags, int(read.rcode()), question, opt)
    if flags & dns.flags.TC:
        return head
    sections = tuple(tuple(sorted(map(_record, section))) for section in (read.answer, read.authority, read.additional))
    return (*head, len(wire), sections)


def _record(rrset: dns.rrset.RRset) -> str:
    rdata = rrset[0]
    if isinstance(rdata, dns.rdtypes.ANY.SOA.SOA):
        rdata = rdata.replace(serial=0)
    kind = dns.rdatatype.to_text(rrset.rdtype)
    return f"{rrset.name} {int(rrset.rdclass)} {kind} {rdata}"
