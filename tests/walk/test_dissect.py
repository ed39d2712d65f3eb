"""The fields of a message: every byte is in one field, or the message is malformed."""

from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.model import FormatError
from minidns.walk.dissect import dissect
from minidns.walk.steps import packet

REPLY = bytes.fromhex(
    "12348500000100010000000103776562047368 6f7003737663 00 00010001 c00c 00010001 0000001e 0004 0a600001 00 0029 04d0 00008000 0000".replace(
        " ", ""
    )
)


def test_names_records_and_opt_of_a_reply() -> None:
    shown = {field.name: field.value for field in dissect(REPLY)}
    assert shown["flags"] == "qr aa rd, rcode NOERROR"
    assert shown["question name"] == shown["answer name"] == "web.shop.svc."
    assert (shown["answer data"], shown["answer TTL"]) == ("10.96.0.1", "30 s")
    assert (shown["OPT UDP size"], shown["OPT flags"]) == ("1232", "do")


@given(st.integers(0, len(REPLY)), st.binary(max_size=40))
def test_any_bytes_have_fields_side_by_side_or_none(cut: int, tail: bytes) -> None:
    wire = REPLY[:cut] + tail
    try:
        fields = list(dissect(wire))
    except FormatError:
        assert not packet(wire)["fields"]
        return
    edges = [0, *(field.end for field in fields)]
    assert [field.start for field in fields] == edges[:-1]
    assert edges[-1] <= len(wire)
