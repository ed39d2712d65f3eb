"""Offsets of names and records; packing is tested with whole replies."""

import struct

import pytest

from minidns.dns.message import BadName, Truncated, read_name, skip_name, skip_record
from tests.table import table

NAME = b"\3www\7example\3org\0"
A = struct.pack("!HHIH", 1, 1, 60, 4) + bytes((192, 0, 2, 1))


@table(
    ("wire", "end"),
    [
        (b"\0", 1),
        (NAME, len(NAME)),
        (b"\3www\xc0\x00", 6),
        (b"\xc0\xff", 2),  # a pointer is not followed, wherever it leads
    ],
    ids=["root", "whole", "label-and-pointer", "pointer"],
)
def test_end_of_a_name(wire: bytes, end: int) -> None:
    assert skip_name(wire + b"more", 0) == end


@table(
    "wire",
    [b"", b"\3ww", b"\3www", b"\x40a\0", b"\x80a\0", b"\xc0", (b"\x3f" + b"a" * 63) * 5],
    ids=["none", "cut-label", "no-end", "01-type", "10-type", "half-pointer", "too-long"],
)  # fmt: skip
def test_malformed_names(wire: bytes) -> None:
    with pytest.raises((Truncated, IndexError)):
        skip_name(wire, 0)


def test_a_label_of_64_bytes() -> None:
    """RFC 1035 2.3.4; its length is also the first of another kind of label."""
    read_name(b"\x3f" + b"a" * 63 + b"\0", 0)
    with pytest.raises(BadName):
        read_name(b"\x40" + b"a" * 64 + b"\0", 0)


def test_type_and_end_of_a_record() -> None:
    assert skip_record(NAME + A + b"more", 0) == (1, len(NAME + A))
    assert skip_record(b"\xc0\x0c" + A, 0) == (1, 2 + len(A))


def test_a_record_that_runs_past_the_end() -> None:
    with pytest.raises(Truncated):
        skip_record(NAME + A[:-1], 0)
