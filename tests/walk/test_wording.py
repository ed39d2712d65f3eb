"""What is said of a reply in a word."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from minidns.walk import wording
from tests.table import table

NAME = "www.example.test."


def reply(*records: str, rcode: int = 0, truncated: bool = False) -> bytes:
    message = dns.message.make_response(dns.message.make_query(NAME, "A"))
    message.set_rcode(dns.rcode.Rcode(rcode))
    for record in records:
        name, *rest = record.split(maxsplit=3)
        message.answer.append(dns.rrset.from_text(name, 30, "IN", *rest))
    if truncated:
        message.flags |= dns.flags.TC
    return message.to_wire()


REPLIES = {
    "the data of all records": (reply(f"{NAME} A 192.0.2.1", f"{NAME} AAAA 2001:db8::1"), "192.0.2.1, 2001:db8::1"),
    "no records": (reply(), "NODATA"),
    "an error": (reply(rcode=3), "NXDOMAIN"),
    "TC, whatever it holds": (reply(f"{NAME} A 192.0.2.1", truncated=True), "truncated"),
    "no message": (b"\0" * 5, "malformed"),
}


@table(("wire", "said"), REPLIES.values(), ids=REPLIES)
def test_the_outcome_of_a_reply(wire: bytes, said: str) -> None:
    assert wording.outcome(wire) == said


@table(("wire", "has"), [(reply(f"{NAME} A 192.0.2.1"), True), (reply(), False), (reply(rcode=2), False), (b"", False)])
def test_a_reply_has_records(wire: bytes, has: bool) -> None:
    assert wording.has_records(wire) is has
