"""A question within a zone, and what the rules say to it before it is a Response."""

from msgspec import Struct

from minidns.dns.model import Name, RRset
from minidns.kubernetes.match import Keys, Miss, Sources
from minidns.kubernetes.records import Piece
from minidns.kubernetes.window import EVERYTHING, Window


class Inquiry(Struct, frozen=True):
    """What is asked, where."""

    name: Name
    qtype: int
    zone: Name
    spelled: str
    """The zone in the letters of the query: names that are made up end in it."""
    owner: str
    """Owner of the records: the name as whoever asks wrote it."""
    window: Window = EVERYTHING
    """How much of the answer can be sent."""


class Outcome(Struct, frozen=True):
    """What the rules say; without an answer NODATA, or that there is no such name."""

    rule: str
    sources: Sources = ()
    keys: Keys = ()
    exists: bool = True
    answer: tuple[Piece, ...] = ()
    additional: tuple[RRset, ...] = ()
    partial: bool = False
    """Whether there are more records than ``answer`` has: as many as can be sent."""
    final: bool = False
    """Whether *fallthrough* does not apply, though there is no such name."""


def missed(miss: Miss) -> Outcome:
    """Return ``miss`` as an outcome."""
    return Outcome(miss.rule, miss.sources, miss.keys, miss.exists)
