"""docs/differences.md, run: what CoreDNS answers, and what ``strict`` does."""

import re
from functools import cache
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from tests.conformance.api import Api
from tests.conformance.cases import Setting, cases, objects, read, rows
from tests.conformance.decided import DECIDED
from tests.conformance.test_in_process import serving

PAGE = Path(__file__).parent.parent.parent / "docs" / "differences.md"
FIELD = re.compile(r"^\| (.*?) \| (.*?) ?\| `(\S+) (\w+)` \| `(.*?)` \| `(.*?)` \| ?(\S*?) ?\|$")
DEFAULT = "pods insecure; ttl 30"


def table() -> list[tuple[str, ...]]:
    lines = PAGE.read_text().splitlines()
    return [found.groups() for line in lines if (found := FIELD.match(line))]


async def answer(options: str, name: str, qtype: str) -> str:
    api = Api(objects())
    async with serving(api, Setting(options, forward=False)) as answerer:
        query = dns.message.make_query(name, qtype).to_wire()
        asked = answerer.decode(query, "tcp", ("127.0.0.1", 1), ("127.0.0.1", 53))
        assert asked is not None
        assert not isinstance(asked, bytes)
        message = read((await answerer.answer(asked))[0])
    data = [row[3] for row in rows(message.answer) if row[0].lower() == name.lower()]
    rcode = dns.rcode.to_text(message.rcode())
    return ", ".join(sorted(data)) or ("NODATA" if rcode == "NOERROR" else rcode)


@cache
def known() -> dict[str, tuple[str, str]]:
    return {case.id: (case.qname, case.qtype) for case in cases()}


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row[2]}{row[3]}")
async def test_row(row: tuple[str, ...]) -> None:
    _, options, name, qtype, coredns, strict, case = row
    body = "; ".join(filter(None, (DEFAULT, options)))
    assert await answer(body, name, qtype) == coredns
    assert await answer(f"{body}; strict", name, qtype) == strict
    if case in known():
        asked, asked_type = known()[case]
        assert asked == name or asked_type != qtype, f"{case} asks {asked}"


def test_every_row_is_read() -> None:
    page = PAGE.read_text()
    part = page[page.index("## Decided") : page.index("## Always different")]
    assert len(table()) == part.count("\n| ") - 2
    assert len(table()) > 25


def test_no_difference_has_two_rows() -> None:
    page = PAGE.read_text()
    lines = page[page.index("## Always different") :].splitlines()
    subjects = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    assert len(subjects) == len(set(subjects))


def test_every_decided_case_is_on_the_page() -> None:
    assert all(case in PAGE.read_text() for case in DECIDED)
