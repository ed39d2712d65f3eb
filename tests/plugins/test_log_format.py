import pytest

from minidns.dns.model import AD, CD, RD, Opt, Query, Question, Response, replace
from minidns.dns.rdata import A
from minidns.plugins.log import COMMON, Entry, Format
from tests.table import table

QUERY = Query(
    Question("foo.example.org.", A),
    id=51773,
    opt=Opt(1232),
    wire=bytes(56),
    peer=("127.0.0.1", 44238),
    local=("127.0.0.1", 53),
)
ENTRY = Entry(QUERY, Response(aa=True), 103, 0.000286395)


def label(name: str, entry: Entry) -> str | None:
    return {"known/one": "value", "known/empty": ""}.get(name)


def line(text: str, entry: Entry = ENTRY) -> str:
    return Format(text, label).line(entry)


def of(**changes: object) -> Entry:
    """Return the entry with another query."""
    return ENTRY._replace(query=replace(QUERY, **changes))


def entry_of(response: Response | None) -> Entry:
    return ENTRY._replace(response=response)


def test_default_line() -> None:
    assert line(COMMON) == (
        '127.0.0.1:44238 - 51773 "A IN foo.example.org. udp 56 false 1232" NOERROR qr,aa,rd 103 0.000286395s'
    )


NAMED = {"common": ("x {common}", "x " + COMMON), "combined": ("{combined}", COMMON + ' "{>opcode}"')}


@pytest.mark.parametrize(("text", "meaning"), NAMED.values(), ids=NAMED)
def test_formats_with_a_name(text: str, meaning: str) -> None:
    assert line(text) == line(meaning)


LITERALS = {
    "nothing": "",
    "text": "query",
    "unknown-placeholder": "{foo} {>foo}",
    "open-brace": "a { b",
    "close-brace": "a } b",
    "empty-braces": "{}",
}


@table("text", LITERALS.values(), ids=LITERALS)
def test_what_is_no_placeholder_stays(text: str) -> None:
    assert line(text) == text


def test_braces_around_a_placeholder_stay() -> None:
    assert line("{ {type} }") == "{ A }"


VALUES = {
    "type": ("{type}", ENTRY, "A"),
    "type-without-a-name": ("{type}", of(question=Question("x.", 65280)), "TYPE65280"),
    "class": ("{class}", of(question=Question("x.", A, 3)), "CH"),
    "name": ("{name}", ENTRY, "foo.example.org."),
    "proto": ("{proto}", of(transport="tcp"), "tcp"),
    "size": ("{size}", ENTRY, "56"),
    "size-of-an-own-question": ("{size}", of(wire=b"", opt=None), "33"),
    "remote": ("{remote}", ENTRY, "127.0.0.1"),
    "remote-ipv6": ("{remote}", of(peer=("2001:db8::1", 5)), "[2001:db8::1]"),
    "port": ("{port}", ENTRY, "44238"),
    "local": ("{local}", of(local=("::1", 53)), "[::1]"),
    "id": ("{>id}", ENTRY, "51773"),
    "opcode-notify": ("{>opcode}", of(flags=4 << 11), "4"),
    "do": ("{>do}", of(opt=Opt(1232, do=True)), "true"),
    "do-without-edns": ("{>do}", of(opt=None), "false"),
    "bufsize": ("{>bufsize}", ENTRY, "1232"),
    "bufsize-without-edns": ("{>bufsize}", of(opt=None), "512"),
    "bufsize-below-512": ("{>bufsize}", of(opt=Opt(100)), "512"),
    "bufsize-over-tcp": ("{>bufsize}", of(transport="tcp"), "65535"),
    "rcode": ("{rcode}", entry_of(Response(3)), "NXDOMAIN"),
    "rcode-without-a-name": ("{rcode}", entry_of(Response(42)), "42"),
    "rcode-of-silence": ("{rcode}", entry_of(None), "-"),
    "rsize": ("{rsize}", ENTRY, "103"),
    "flags-of-silence": ("{>rflags}", entry_of(None), "-"),
    "flags-all": (
        "{>rflags}",
        Entry(replace(QUERY, flags=RD | CD | AD), Response(aa=True, tc=True, ra=True, ad=True), 0, 0),
        "qr,aa,tc,rd,ra,ad,cd",
    ),
    "flags-least": ("{>rflags}", Entry(replace(QUERY, flags=0), Response(), 0, 0), "qr"),
    "flags-rd-decided-by-a-plugin": ("{>rflags}", entry_of(Response(rd=False)), "qr"),
    "metadata": ("{/known/one}", ENTRY, "value"),
    "metadata-without-a-value": ("[{/known/empty}]", ENTRY, "[]"),
    "metadata-unknown": ("{/unknown}", ENTRY, "-"),
}


@table(("text", "entry", "value"), VALUES.values(), ids=VALUES)
def test_placeholders(text: str, entry: Entry, value: str) -> None:
    assert line(text, entry) == value


SECONDS = [
    ("{duration}", 0.0, "0s"),
    ("{duration}", 0.000000001, "0.000000001s"),
    ("{duration}", 0.00002, "0.00002s"),
    ("{duration}", 1.5, "1.5s"),
    ("{duration}", 100.0, "100s"),
    ("{duration}", 5.000000001, "5.000000001s"),
]


@table(("form", "seconds", "text"), SECONDS)
def test_durations_are_in_full(form: str, seconds: float, text: str) -> None:
    assert line(form, ENTRY._replace(seconds=seconds)) == text
