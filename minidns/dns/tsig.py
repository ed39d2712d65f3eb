"""Rejects signed queries (TSIG, RFC 8945), because minidns has no keys.

A client that signs a query rejects an unsigned answer, or believes that its key is
right. So the reply is NOTAUTH with BADKEY, as RFC 8945 5.2.1 requires.
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
"""Original id, error, length of the other data."""


def refusal(wire: bytes, at: int) -> FormatError:
    """Return the error for a query whose last record is the TSIG at ``at``.

    Raises:
        FormatError, IndexError, struct.error, Truncated, ValueError: malformed TSIG.

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
    reply_data = (
        algorithm + _SIGNED.pack(when, fudge, 0) + _REST.pack(ident, Rcode.BADKEY, 0)
    )
    head = names.to_wire(names.text(owner)) + _FIXED.pack(
        TSIG, _CLASS_ANY, 0, len(reply_data)
    )
    return FormatError(
        "TSIG with an unknown key", Rcode.NOTAUTH, record=head + reply_data
    )
