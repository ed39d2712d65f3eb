"""Strict parsing of the records after the question of a query.

Allowed are an OPT, a TSIG (which is refused) and the client's SOA in an IXFR. CoreDNS
accepts any records up to its counts; here other records are FORMERR.

minidns has no keys for TSIG (RFC 8945). A client that signs a query rejects an unsigned
answer, or believes that its key is right, so the reply is NOTAUTH with BADKEY, as RFC
8945 5.2.1 requires.
"""

import struct
from functools import lru_cache

from minidns.dns import names
from minidns.dns.edns import read_opt
from minidns.dns.message import FIXED, Truncated, read_name, skip_name, skip_record
from minidns.dns.model import FormatError, Opt, Rcode
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
                    raise _tsig_refusal(wire, at)
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


# -- TSIG

_CLASS_ANY = 255
_SIGNED = struct.Struct("!6sHH")
"""Time, fudge, length of the signature."""
_REST = struct.Struct("!3H")
"""Original id, error, length of the other data."""


def _tsig_refusal(wire: bytes, at: int) -> FormatError:
    """Return the error for a query whose last record is the TSIG at ``at``.

    Raises:
        FormatError, IndexError, struct.error, Truncated, ValueError: malformed TSIG.

    """
    owner, start = read_name(wire, at)
    _, rclass, ttl, length = FIXED.unpack_from(wire, start)
    data = start + FIXED.size
    end = data + length
    if end > len(wire) or rclass != _CLASS_ANY or ttl:
        raise FormatError("malformed TSIG")
    names.from_wire(wire, data)  # may not be compressed (RFC 8945 4.2)
    algorithm = wire[data : skip_name(wire, data)]
    when, fudge, size = _SIGNED.unpack_from(wire, data + len(algorithm))
    tail = data + len(algorithm) + _SIGNED.size + size
    ident, _, more = _REST.unpack_from(wire, tail)
    if tail + _REST.size + more != end:
        raise FormatError("malformed TSIG")
    reply_data = (
        algorithm + _SIGNED.pack(when, fudge, 0) + _REST.pack(ident, Rcode.BADKEY, 0)
    )
    head = names.to_wire(names.text(owner)) + FIXED.pack(
        TSIG, _CLASS_ANY, 0, len(reply_data)
    )
    return FormatError(
        "TSIG with an unknown key", Rcode.NOTAUTH, record=head + reply_data
    )
