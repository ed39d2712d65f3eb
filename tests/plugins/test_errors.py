import logging

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import DnsError, Dropped, Query, Rcode, Response
from minidns.plugins import errors
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, always, chain, plugin, query, settle

TIMEOUT = "read udp 10.244.0.3:48291->10.0.0.2:53: i/o timeout"


class Failing:
    """A chain with *errors* on top that fails as it is told, and what it logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture, body: str) -> None:
        caplog.set_level(logging.DEBUG, "minidns.plugins.errors")
        self._caplog = caplog
        self.world = World()
        self.error = DnsError()
        tested, self.site = plugin(self.world, errors.PLUGIN.set_up, "errors", body)
        self._handler = chain(tested, last=self._fail)

    async def _fail(self, _: Query) -> Response:
        raise self.error

    async def ask(self, error: DnsError, qname: str = "foo.example") -> None:
        self.error = error
        with pytest.raises(type(error)) as caught:
            await self._handler(query(qname))
        assert caught.value is error, "the server answers as without errors"

    def lines(self) -> list[str]:
        outcome = [f"[{r.levelname}] {r.getMessage()}" for r in self._caplog.records]
        self._caplog.clear()
        return outcome


ACCEPTED = {
    "bare": "errors",
    "empty-block": "errors {\n}",
    "stdout": "errors stdout",
    "stacktrace": "errors {\nstacktrace\n}",
}


@table("body", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(body: str) -> None:
    _, site = plugin(World(), errors.PLUGIN.set_up, "errors", body)
    assert site.stacktrace is ("stacktrace" in body)


def at(line: int, text: str) -> str:
    return f"Corefile:{line} - {text}"


ARGS = "Error during parsing: Wrong argument count or unexpected line ending after"
REFUSED = {
    "twice": ("errors\nerrors", "this plugin can only be used once per Server Block"),
    "other-file": ("errors errors.log", at(2, "Error during parsing: invalid log file: errors.log")),
    "two-arguments": ("errors stdout stdout", at(2, f"{ARGS} 'stdout'")),
    "unknown-option": (
        "errors {\nfoo\n}",
        at(3, "Syntax error: Unexpected token 'foo', expecting 'Unknown field foo'"),
    ),
    "word-after-stacktrace": (
        "errors {\nstacktrace foo\n}",
        at(3, "Syntax error: Unexpected token 'foo', expecting 'Unknown field foo'"),
    ),
    "consolidate-nothing": ("errors {\nconsolidate\n}", at(3, f"{ARGS} 'consolidate'")),
    "consolidate-no-pattern": ("errors {\nconsolidate 5m\n}", at(3, f"{ARGS} '5m'")),
    "consolidate-five": ("errors {\nconsolidate 5m a error show_first x\n}", at(3, f"{ARGS} 'x'")),
    "duration": ("errors {\nconsolidate 5 a\n}", at(3, 'Error during parsing: time: missing unit in duration "5"')),
    "pattern": (
        "errors {\nconsolidate 5m (\n}",
        at(3, "Error during parsing: error parsing regexp: missing closing ): `(`"),
    ),
    "pattern-too-long": (
        f"errors {{\nconsolidate 5m {'a' * 10001}\n}}",
        at(3, "Error during parsing: regex pattern too long: 10001 > 10000"),
    ),
    "consolidate-option": (
        "errors {\nconsolidate 5m a fatal\n}",
        at(3, "Error during parsing: unknown option in consolidate: fatal"),
    ),
    "two-levels": (
        "errors {\nconsolidate 5m a info error\n}",
        at(3, "Error during parsing: multiple log levels specified in consolidate"),
    ),
    "level-last": (
        "errors {\nconsolidate 5m a show_first info\n}",
        at(3, "Error during parsing: log level must come before show_first in consolidate"),
    ),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), errors.PLUGIN.set_up, "errors", body)
    assert str(caught.value) == message


LINES = {
    "failure": (DnsError(TIMEOUT), [f"[ERROR] 2 foo.example. A: {TIMEOUT}"]),
    "rcode-is-a-number": (
        DnsError("concurrent queries exceeded maximum 2", Rcode.REFUSED),
        ["[ERROR] 5 foo.example. A: concurrent queries exceeded maximum 2"],
    ),
    "refused-by-rule-has-no-text": (DnsError(rcode=Rcode.REFUSED), []),
    "dropped": (Dropped("by acl"), []),
}


@pytest.mark.parametrize(("error", "lines"), LINES.values(), ids=LINES)
async def test_lines(caplog: pytest.LogCaptureFixture, error: DnsError, lines: list[str]) -> None:
    failing = Failing(caplog, "errors")
    await failing.ask(error, "Foo.Example")
    assert failing.lines() == lines


async def test_written_failures_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    tested, _ = plugin(World(), errors.PLUGIN.set_up, "errors", "errors")
    reply = Response(Rcode.SERVFAIL)
    assert await chain(tested, last=always(reply))(query("foo.example")) is reply
    assert caplog.records == []


# consolidate


def consolidating(caplog: pytest.LogCaptureFixture, *lines: str) -> Failing:
    body = "\n".join(f"consolidate {line}" for line in lines)
    return Failing(caplog, f"errors {{\n{body}\n}}")


SUMMARIES = {
    # id: options, level of the summary
    "default-is-error": ("", "ERROR"),
    "warning": ("warning", "WARNING"),
    "info": ("info", "INFO"),
    "debug": ("debug", "DEBUG"),
}


@pytest.mark.parametrize(("level", "shown"), SUMMARIES.values(), ids=SUMMARIES)
async def test_failures_of_one_sort_share_a_line(caplog: pytest.LogCaptureFixture, level: str, shown: str) -> None:
    failing = consolidating(caplog, f'5m ".* i/o timeout$" {level}')
    for _ in range(3):
        await failing.ask(DnsError(TIMEOUT))
    await failing.ask(DnsError("no healthy proxies"))
    assert failing.lines() == ["[ERROR] 2 foo.example. A: no healthy proxies"]
    await failing.world.clock.advance(299)
    assert failing.lines() == []
    await failing.world.clock.advance(1)
    assert failing.lines() == [f"[{shown}] 3 errors like '.* i/o timeout$' occurred in last 5m0s"]
    await failing.site.stop()


async def test_the_count_begins_anew_with_the_next_failure(caplog: pytest.LogCaptureFixture) -> None:
    failing = consolidating(caplog, "30s timeout")
    await failing.ask(DnsError(TIMEOUT))
    await failing.world.clock.advance(60)
    summary = "[ERROR] 1 errors like 'timeout' occurred in last 30s"
    assert failing.lines() == [summary]
    await failing.world.clock.advance(60)
    assert failing.lines() == []
    await failing.ask(DnsError(TIMEOUT))
    await failing.world.clock.advance(30)
    assert failing.lines() == [summary]


async def test_the_first_pattern_that_matches_counts(caplog: pytest.LogCaptureFixture) -> None:
    failing = consolidating(caplog, "10s timeout info", "10s i/o warning")
    await failing.ask(DnsError("i/o timeout"))
    await failing.ask(DnsError("i/o error"))
    await failing.world.clock.advance(10)
    assert failing.lines() == [
        "[INFO] 1 errors like 'timeout' occurred in last 10s",
        "[WARNING] 1 errors like 'i/o' occurred in last 10s",
    ]


@pytest.mark.parametrize(("times", "summary"), [(1, False), (3, True)])
async def test_show_first(caplog: pytest.LogCaptureFixture, times: int, summary: bool) -> None:
    failing = consolidating(caplog, "10s timeout info show_first")
    for _ in range(times):
        await failing.ask(DnsError(TIMEOUT))
    assert failing.lines() == [f"[INFO] 2 foo.example. A: {TIMEOUT}"]
    await failing.world.clock.advance(10)
    line = f"[INFO] {times} errors like 'timeout' occurred in last 10s"
    assert failing.lines() == ([line] if summary else [])


async def test_what_waits_is_written_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    failing = consolidating(caplog, "10s timeout", "10s refused")
    await failing.ask(DnsError(TIMEOUT))
    await failing.ask(DnsError(TIMEOUT))
    await stop(failing.site)
    assert failing.lines() == ["[ERROR] 2 errors like 'timeout' occurred in last 10s"]


async def test_after_the_end_nothing_waits(caplog: pytest.LogCaptureFixture) -> None:
    failing = consolidating(caplog, "10s timeout warning")
    await stop(failing.site)
    await failing.ask(DnsError(TIMEOUT))
    assert failing.lines() == [f"[WARNING] 2 foo.example. A: {TIMEOUT}"]


async def stop(site: Site) -> None:
    await settle()
    await site.stop()
