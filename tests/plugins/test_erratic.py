import asyncio

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import DnsError, Dropped, Query, Rcode, Response
from minidns.plugins import erratic
from tests.table import table
from tests.whole import Resolver, whole
from tests.world import World, chain, plugin, query, settle, texts


async def never(_: Query) -> Response:
    raise AssertionError("nothing comes after erratic")


class Erratic:
    def __init__(self, body: str) -> None:
        self.world = World()
        text = f"erratic {{\n{body}\n}}" if body else "erratic"
        tested, self.site = plugin(self.world, erratic.PLUGIN.set_up, "erratic", text)
        self.handler = chain(tested, last=never)

    async def fates(self, count: int) -> str:
        """Return what became of so many queries, a letter each.

        d dropped, t truncated, . answered; upper case when late.
        """
        outcome = ""
        for _ in range(count):
            before = self.world.clock.time
            sent = asyncio.ensure_future(self.handler(query("a.example.org")))
            await settle()
            while not sent.done():
                await self.world.clock.advance(0.05)
            outcome += self._fate(sent, self.world.clock.time > before)
        return outcome

    def _fate(self, sent: "asyncio.Future[Response]", late: bool) -> str:
        if isinstance(sent.exception(), Dropped):
            return "d"
        letter = "t" if sent.result().tc else "a"
        return letter.upper() if late else letter


FATES = {
    "every-second-is-dropped": ("", "dadada"),
    "empty-block": (" ", "dadada"),
    "drop": ("drop 3", "daadaa"),
    "drop-never": ("drop 0", "aaaaaa"),
    "drop-without-number": ("drop", "dadada"),
    "truncate": ("truncate 3", "taataa"),
    "truncate-default": ("truncate", "tatata"),
    "delay": ("delay 3 10ms", "AaaAaa"),
    "delay-default": ("delay", "AaAaAa"),
    "drop-and-truncate": ("drop 2\ntruncate 3", "dadtda"),
    "delay-and-truncate": ("delay 2\ntruncate 3", "TaAtAa"),
}


@table(("body", "fates"), FATES.values(), ids=FATES)
async def test_fates(body: str, fates: str) -> None:
    assert await Erratic(body).fates(6) == fates


@table(("body", "seconds"), [("delay 1", 0.1), ("delay 1 3s", 3), ("delay 1 1h", 3600)])
async def test_delay(body: str, seconds: float) -> None:
    tested = Erratic(body)
    sent = asyncio.ensure_future(tested.handler(query("a.example.org")))
    await tested.world.clock.advance(seconds * 0.99)
    assert not sent.done()
    await tested.world.clock.advance(seconds * 0.02)
    assert sent.done()


ANSWERS = {"A": ["A.example.org. 0 A 192.0.2.53"], "AAAA": ["A.example.org. 0 AAAA 2001:db8::53"]}


@pytest.mark.parametrize(("qtype", "lines"), ANSWERS.items())
async def test_answers(qtype: str, lines: list[str]) -> None:
    response = await Erratic("drop 0").handler(query("A.example.org", qtype))
    assert texts(response.answer) == lines
    assert response.aa
    assert response.reuse is None


async def test_large() -> None:
    response = await Erratic("drop 0\nlarge").handler(query("a.example.org"))
    assert len(response.answer[0].rdata) == 30


async def test_other_types_fail_without_a_line_in_the_log() -> None:
    with pytest.raises(DnsError) as caught:
        await Erratic("drop 0").handler(query("a.example.org", "MX"))
    assert (caught.value.rcode, caught.value.text) == (Rcode.SERVFAIL, "")


@pytest.mark.parametrize(("body", "is_whole"), [("drop 0", True), ("truncate 1", False)])
async def test_transfers(body: str, is_whole: bool) -> None:
    response = await Erratic(body).handler(query("example.org", "AXFR"))
    first, *_, last = response.answer
    assert first.owner == "example.org."
    assert (first == last) is is_whole


async def test_ready_is_flapping() -> None:
    tested = Erratic("drop 0")
    check = tested.site.readiness["erratic"].is_ready
    states = []
    for _ in range(6):
        states.append(check())
        await tested.fates(1)
    assert states == [False, False, False, True, True, False]


PARSING = "Error during parsing"
ARGS = f"Corefile:3 - {PARSING}: Wrong argument count or unexpected line ending after"
REFUSED = {
    "option": ("foo", f"Corefile:3 - {PARSING}: unknown property 'foo'"),
    "drop-two": ("drop 1 2", f"{ARGS} '2'"),
    "truncate-two": ("truncate 1 2", f"{ARGS} '2'"),
    "delay-three": ("delay 1 2s 3s", f"{ARGS} '3s'"),
    "drop-no-number": ("drop x", 'strconv.ParseInt: parsing "x": invalid syntax'),
    "drop-negative": ("drop -1", 'illegal amount value given "-1"'),
    "delay-no-duration": ("delay 1 x", 'time: invalid duration "x"'),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Erratic(body)
    assert str(caught.value) == message


SEARCHED = {
    "google.com.a.example.org": ["google.com.a.example.org.", "google.com.b.example.org.", "google.com."],
    "google.com": ["google.com."],
    "a.google.com.b.example.org": ["a.google.com.b.example.org."],
}  # fmt: skip
"""By name: what *autopath* asks for, as CoreDNS's *erratic* has the list."""


@table(("name", "asked"), SEARCHED.items(), ids=SEARCHED)
async def test_autopath_walks_its_search_list(name: str, asked: list[str]) -> None:
    upstream = Resolver({("google.com.", "A"): ["google.com. 300 A 192.0.2.1"]})
    text = ".:53 {\n erratic\n autopath @erratic\n forward . 192.0.2.9\n}\n"
    async with whole(text, resolver=upstream) as server:
        await server.lines(name)
    assert upstream.names == asked
