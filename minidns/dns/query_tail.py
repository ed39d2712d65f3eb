"""Strict parsing of the records after the question of a query.

Allowed are an OPT, a TSIG (which is refused) and the client's SOA in an IXFR. CoreDNS
accepts any records up to its counts; here other records are FORMERR.
"""

import struct
from functools import lru_cache

from minidns.dns import tsig
from minidns.dns.edns import read_opt
from minidns.dns.message import Truncated, skip_name, skip_record
from minidns.dns.model import FormatError, Opt
from minidns.dns.rdata import IXFR, SOA, TSIG, A


def rest(
    wire: bytes, at: int, counts: tuple[int, int, int], qtype: int
) -> tuple[Opt | None, int]:
    """Parse the records after the question; ``at`` is the offset of its type.

    Return the OPT, if any, and the offset after the last record.

    Raises:
        FormatError: a record is malformed, not allowed there, or a TSIG.

    """
    rclass = at + 2
    at += 4
    record = wire[at:]
    if counts == (0, 0, 1) and len(record) == 11 and record[:3] == _OPT:
        return _bare(record), len(wire)  # the usual case
    an, ns, ar = counts
    opt = None
    try:
        if an:
            at = _skip(wire, at, rclass, A)
        if ns:
            at = _skip(wire, at, rclass, SOA if qtype == IXFR else None)
        for left in range(ar, 0, -1):
            if wire[at : at + 3] != _OPT:
                rtype, _ = skip_record(wire, at)
                if rtype == TSIG and left == 1:
                    raise tsig.refusal(wire, at)
                # an OPT with a name (RFC 6891 6.1.2), or not allowed in a query
                raise FormatError(f"record of type {rtype} in the additional section")
            if opt is not None:
                raise FormatError("two OPTs")  # RFC 6891 6.1.1
            opt, at = read_opt(wire, at)
    except (IndexError, ValueError, struct.error, Truncated) as exc:
        raise FormatError("record runs past the end") from exc
    return opt, at


_OPT = b"\0\0\x29"


@lru_cache(maxsize=256)  # no options in the cache: a client may send 64 KB of them
def _bare(record: bytes) -> Opt:
    return read_opt(record, 0)[0]


def _skip(wire: bytes, at: int, rclass: int, only: int | None) -> int:
    """Return the offset after the record at ``at``, which must have type ``only``.

    Its class must be that of the question, whose offset is ``rclass``.
    """
    rtype, end = skip_record(wire, at)
    start = skip_name(wire, at)
    if rtype != only or wire[start + 2 : start + 4] != wire[rclass : rclass + 2]:
        raise FormatError(f"record of type {rtype} before the additional section")
    if rtype == A and end - start != 14:
        raise FormatError("address of another length than 4")
    return end
