"""Signed queries (TSIG, RFC 8945): read as far as needed to say that no key is known.

An answer without a signature is of no use to who asked with one, and lets them believe
that the key was right; so it is NOTAUTH with BADKEY, as the RFC has it.
"""

import struct

from minidns.dns import names
from minidns.dns.message import read_name, skip_name
from minidns.dns.model import FormatError, Rcode
from minidns.dns.rdata import TSIG

_FIXED = struct.Struct("!HHIH")
_CLASS_ANY = 255
_SIGNED = struct.Struct("!6sHH")
"""Time, fudge, length of the signature."""
_REST = struct.Struct("!3H")
"""The query's id, error, length of what else there is."""


def refusal(wire: bytes, at: int) -> FormatError:
    """Return what a query is refused with whose TSIG stands at ``at``, as its last.

    Raises:
        FormatError, IndexError, struct.error, Truncated, ValueError: it is malformed.

    """
    owner, start = read_name(wire, at)
    _, rclass, ttl, length = _FIXED.unpack_from(wire, start)
    data = start + _FIXED.size
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
    said = algorithm + _SIGNED.pack(when, fudge, 0) + _REST.pack(ident, Rcode.BADKEY, 0)
    head = names.to_wire(names.text(owner)) + _FIXED.pack(
        TSIG, _CLASS_ANY, 0, len(said)
    )
    return FormatError("TSIG with an unknown key", Rcode.NOTAUTH, record=head + said)
