"""The resolver that the cases forward to: a few names, everything else is not there."""

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.conformance.cases import Row, document

_LONGEST = 5
"""CNAMEs in a chain."""


def answer(query: bytes) -> bytes:
    """Return the reply to ``query``, recursion available."""
    asked = dns.message.from_wire(query)
    reply = dns.message.make_response(asked, recursion_available=True)
    if not asked.question:
        return reply.to_wire()
    name = asked.question[0].name.to_text().lower()
    settings = document()["upstream"]
    if name in settings["servfail"]:
        reply.set_rcode(dns.rcode.SERVFAIL)
        return reply.to_wire()
    for owner, ttl, rtype, data in _chain(name, asked.question[0].rdtype):
        reply.answer.append(dns.rrset.from_text(owner, ttl, "IN", rtype, data))
    if not reply.answer:
        exists = any(row[0] == name for row in document()["upstream_records"])
        reply.set_rcode(dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)
        owner, ttl, rtype, data = settings["otherwise"]["soa"]
        reply.authority.append(dns.rrset.from_text(owner, ttl, "IN", rtype, data))
    return reply.to_wire()


def _chain(name: str, wanted: dns.rdatatype.RdataType) -> list[Row]:
    found: list[Row] = []
    for _ in range(_LONGEST):
        here = [row for row in document()["upstream_records"] if row[0] == name]
        matching = [row for row in here if row[2] == dns.rdatatype.to_text(wanted)]
        links = [row for row in here if row[2] == "CNAME"]
        found += matching or links[:1]
        if matching or not links:
            break
        name = links[0][3]
    return found
