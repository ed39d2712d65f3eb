"""The cases of cases.yaml: what to ask under which Corefile, and what CoreDNS said.

Whatever answers is not known here: queries are bytes made by dnspython, and replies
are bytes that dnspython reads.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import yaml

FILE = Path(__file__).with_name("cases.yaml")
ZONES = ("cluster.local", "in-addr.arpa", "ip6.arpa")

Row = list[Any]
"""Owner, TTL, type and data of a record, as the file has them."""


@dataclass(frozen=True)
class Setting:
    """The configuration of a server for a case."""

    options: str
    zones: tuple[str, ...] = ZONES
    extra: str = ""
    forward: bool = True
    unlisted: bool = False
    """True if no EndpointSlice has the address of the server."""

    def corefile(self, port: int, upstream: str, kubernetes: str, ready: str = "") -> str:
        """Return the Corefile; ``kubernetes`` and ``ready`` are lines to add."""
        options = [part.strip() for part in self.options.split(";") if part.strip()]
        lines = [f".:{port} {{", "errors", ready]
        if self.extra:
            head, _, body = self.extra.partition("{")
            lines += [head + "{", body.rpartition("}")[0], "}"]
        lines += [f"kubernetes {' '.join(self.zones)} {{", kubernetes, *options, "}"]
        lines += [f"forward . {upstream}"] if self.forward else []
        return "\n".join([*filter(None, lines), "}", ""])


@dataclass(frozen=True)
class Case:
    """One question and its answer."""

    id: str
    why: str
    setting: Setting
    qname: str
    qtype: str
    transport: str
    expect: dict[str, Any]
    query: dict[str, Any] = field(default_factory=dict)
    check: str = ""
    divergence_ok: bool = False

    @property
    def transfers(self) -> bool:
        """True if the reply may have several messages."""
        return self.qtype in ("AXFR", "IXFR")

    @property
    def repeat(self) -> int:
        """The number of queries on one connection."""
        return int(self.query.get("repeat", 1))


@cache
def document() -> dict[str, Any]:
    """Return the whole file."""
    tree: dict[str, Any] = yaml.load(FILE.read_text(), Loader=_loader())
    return tree


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def objects() -> list[dict[str, Any]]:
    """Return every Kubernetes object the cases need."""
    names = ("environment_objects", "objects", "multicluster_objects")
    return [part for name in names for part in document()[name]]


@cache
def cases() -> tuple[Case, ...]:
    """Return the cases, in the file's order."""
    return tuple(_case(part) for part in document()["cases"])


def _case(tree: dict[str, Any]) -> Case:
    setting = Setting(
        tree["corefile_options"],
        tuple(tree.get("zones") or ZONES),
        tree.get("extra_plugins", ""),
        not tree.get("no_forward", False),
        tree.get("env") == "unlisted",
    )
    return Case(
        tree["id"],
        tree["why"],
        setting,
        tree["qname"],
        tree["qtype"],
        tree["transport"],
        tree["expect"],
        tree.get("query") or {},
        tree.get("check", ""),
        tree.get("divergence_ok", False),
    )


def wire(case: Case) -> bytes:
    """Return the query of ``case``."""
    name = dns.name.from_text(case.qname)
    asked = case.query
    message = dns.message.make_query(name, case.qtype, asked.get("class", "IN"))
    message.flags = dns.flags.Flag(0)
    for word, bit in (("rd", dns.flags.RD), ("cd", dns.flags.CD), ("ad", dns.flags.AD)):
        message.flags |= bit if asked.get(word, word == "rd") else 0
    if "opcode" in asked:
        message.set_opcode(dns.opcode.from_text(asked["opcode"]))
    if edns := asked.get("edns"):
        options: list[dns.edns.Option] = [
            dns.edns.GenericOption(code, bytes.fromhex(data)) for code, data in edns.get("options", [])
        ]
        bits = dns.flags.DO if edns.get("do") else 0
        message.use_edns(edns.get("version", 0), bits, edns["size"], options=options)
    if case.qtype == "IXFR":  # which carries the SOA of the one who asks (RFC 1995 3)
        soa = dns.rrset.from_text(name, 0, "IN", "SOA", "a. b. 1 1 1 1 1")
        message.authority.append(soa)
    return _distorted(message.to_wire(), asked.get("raw", ""), name)


def _distorted(whole: bytes, how: str, name: dns.name.Name) -> bytes:
    record = bytes(name.to_wire() or b"") + struct.pack("!HHIH", 1, 1, 0, 4) + bytes((1, 2, 3, 4))
    head, rest = whole[:12], whole[12:]

    def counted(at: int, count: int, more: bytes = b"") -> bytes:
        return head[:at] + count.to_bytes(2) + head[at + 2 :] + rest + more

    distorted = {
        "": whole,
        "header_only": counted(4, 0)[:12],
        "two_questions": counted(4, 2, rest),
        "qr_set": whole[:2] + bytes((whole[2] | 0x80,)) + whole[3:],
        "short": whole[:5],
        "garbage_name": head + b"\x80\x01\x02\x03\x00\x01\x00\x01",
        "trailing": whole + b"\1\2\3",
        "three_additional": counted(10, 3, record * 3),
        "one_answer": counted(6, 1, record),
        "two_answers": counted(6, 2, record * 2),
    }
    return distorted[how]


def read(reply: bytes) -> dns.message.Message:
    """Return the message in ``reply``."""
    return dns.message.from_wire(reply, ignore_trailing=True, one_rr_per_rrset=True)


def rows(section: Iterable[dns.rrset.RRset]) -> list[Row]:
    """Return the records of a section, less the OPT."""
    return [
        [rrset.name.to_text(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), str(rd)]
        for rrset in section
        if rrset.rdtype != dns.rdatatype.OPT
        for rd in rrset
    ]


def _same(expected: Row, got: Row) -> bool:
    if expected[:3] != got[:3]:
        return False
    wanted, data = expected[3], got[3]
    if expected[2] != "SOA":
        return bool(wanted == data)
    pairs = zip(wanted.split(), data.split(), strict=True)
    return all(a in ("*", b) for a, b in pairs)


def compared(expected: Sequence[Row], got: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Return what is missing from ``got`` and what is too much; order means nothing."""
    extra = list(got)
    missing = []
    for row in expected:
        found = next((each for each in extra if _same(row, each)), None)
        if found is None:
            missing.append(row)
        else:
            extra.remove(found)
    return missing, extra


def differences(case: Case, sent: bytes, replies: Sequence[bytes]) -> list[str]:
    """Return how ``replies`` differ from what CoreDNS said; nothing when they do not."""
    if case.expect.get("dropped"):
        return ["a reply where none was expected"] if replies else []
    if len(replies) < case.repeat:
        return [f"{len(replies)} replies, not {case.repeat}"]
    message = read(replies[0])
    found = [
        *_header(case, sent, message),
        *_records(case, message, replies),
        *_authority(case.expect, message),
        *_edns(case.expect, message),
    ]
    if case.check == "uncompressed" and b"\xc0\x0c" in replies[0]:
        found.append("compressed")
    return found


def _header(case: Case, sent: bytes, message: dns.message.Message) -> Iterable[str]:
    expect = case.expect
    rcode = dns.rcode.to_text(message.rcode()).replace("BADSIG", "BADVERS")
    if message.id != int.from_bytes(sent[:2]):
        yield "id"
    if rcode != expect["rcode"]:
        yield f"rcode {rcode}"
    for word in ("aa", "tc", "ra", "rd", "cd", "ad"):
        there = bool(message.flags & dns.flags.from_text(word))
        wanted = expect.get(word, False if word == "tc" else there)
        if there != wanted:
            yield f"{word} {there}"
    if expect.get("question_echo", True) != bool(message.question):
        yield f"question {message.question}"
    elif message.question and message.question[0].name.to_text() != case.qname:
        yield f"question {message.question[0].name}"
    if "opcode" in expect and dns.opcode.to_text(message.opcode()) != expect["opcode"]:
        yield f"opcode {dns.opcode.to_text(message.opcode())}"


def _records(case: Case, message: dns.message.Message, replies: Sequence[bytes]) -> Iterable[str]:
    messages = map(read, replies) if case.transfers else [message]
    answer = [row for each in messages for row in rows(each.answer)]
    missing, extra = compared(case.expect["answer"], answer)
    fewer, more = compared(case.expect["additional"], rows(message.additional))
    if case.expect.get("partial"):
        missing = fewer = []
        if len(answer) < case.expect.get("min_answer", 1):
            yield f"only {len(answer)} records in the answer"
    if missing or extra:
        yield f"answer lacks {missing}, has {extra}"
    if fewer or more:
        yield f"additional lacks {fewer}, has {more}"


def _authority(expect: dict[str, Any], message: dns.message.Message) -> Iterable[str]:
    soas = [row for row in rows(message.authority) if row[2] == "SOA"]
    if bool(soas) != expect["authority_soa"]:
        yield f"authority {rows(message.authority)}"
        return
    for owner, ttl, rtype, data in soas:
        if owner != expect.get("authority_soa_name", owner):
            yield f"owner of the SOA {owner}"
        if ttl != expect.get("authority_soa_ttl", ttl):
            yield f"ttl of the SOA {ttl}"
        wanted = expect.get("authority_soa_rdata", data)
        if not _same([owner, ttl, rtype, wanted], [owner, ttl, rtype, data]):
            yield f"SOA {data}"


def _edns(expect: dict[str, Any], message: dns.message.Message) -> Iterable[str]:
    if "edns" not in expect:
        return
    got = None
    if message.edns >= 0:
        options = [[int(o.otype), o.to_wire().hex()] for o in message.options]
        do = bool(message.ednsflags & dns.flags.DO)
        got = {"size": message.payload, "do": do, "options": options}
    if got != expect["edns"]:
        yield f"edns {got}"
