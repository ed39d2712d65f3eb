"""*timeouts*: what is accepted, and what it does to clients on real connections."""

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import timeouts
from minidns.plugins.contracts import Timeouts
from minidns.plugins.site import Site
from minidns.system.limits import StreamLimits
from tests.table import table
from tests.whole import whole
from tests.world import World


def set_up(body: str) -> Site:
    site = World().site(f".:53 {{\n{body}\n}}")
    timeouts.PLUGIN.set_up(site.block.named("timeouts"), site)
    return site


TIMEOUTS = {
    "seconds-without-unit": ("read 2", Timeouts(read=2)),
    "all": ("read 2s\nwrite 1m\nidle 1h\nmaxtcpqueries 100", Timeouts(2, 60, 3600, 100)),
    "any-number": ("maxtcpqueries -1", Timeouts(max_queries=-1)),
}


@table(("body", "timeouts"), TIMEOUTS.values(), ids=TIMEOUTS)
def test_timeouts_are_kept(body: str, timeouts: Timeouts) -> None:
    assert set_up(f"timeouts {{\n{body}\n}}").listen.timeouts == timeouts


PARSING = "Error during parsing"
ARGS = "Wrong argument count or unexpected line ending after"
BETWEEN = "needs to be between 1 second and 24 hours"
REFUSED = {
    "timeouts-argument": ("timeouts 5s", f"plugin/timeouts: Corefile:2 - {PARSING}: {ARGS} '5s'"),
    "timeouts-nothing": (
        "timeouts {\n}",
        f"plugin/timeouts: Corefile:3 - {PARSING}: timeouts block with no timeouts specified",
    ),
    "timeouts-value-missing": ("timeouts {\nread\n}", f"Corefile:3 - {PARSING}: {ARGS} 'read'"),
    "timeouts-unknown": ("timeouts {\nfoo 5s\n}", f"Corefile:3 - {PARSING}: unknown option: 'foo'"),
    "timeouts-no-duration": ("timeouts {\nread 1d\n}", f"Corefile:3 - {PARSING}: failed to parse duration '1d'"),
    "timeouts-too-short": ("timeouts {\nread 0\n}", f"Corefile:3 - {PARSING}: timeout provided '0s' {BETWEEN}"),
    "timeouts-too-long": ("timeouts {\nidle 48h\n}", f"Corefile:3 - {PARSING}: timeout provided '48h0m0s' {BETWEEN}"),
    "maxtcpqueries-no-number": (
        "timeouts {\nmaxtcpqueries x\n}",
        f"Corefile:3 - {PARSING}: invalid value for maxtcpqueries 'x': strconv.Atoi: parsing \"x\": invalid syntax",
    ),
    "maxtcpqueries-zero": (
        "timeouts {\nmaxtcpqueries 0\n}",
        f"Corefile:3 - {PARSING}: maxtcpqueries provided '0' needs to be -1 (unlimited) or a positive integer",
    ),
}


@table(("body", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == text


LIMITS = {
    "none": (". {\nwhoami\n}", StreamLimits()),
    "some": (". {\ntimeouts {\nread 7\n}\nwhoami\n}", StreamLimits(read_s=7)),
    "all": (
        ". {\ntimeouts {\nread 2s\nwrite 1m\nidle 1h\nmaxtcpqueries 100\n}\n}",
        StreamLimits(2, 60, 3600, 100),
    ),
    "the-last-block-decides": (
        "a. {\ntimeouts {\nread 2\nidle 3\n}\n}\nb. {\ntimeouts {\nidle 4\n}\n}\nc. {\nwhoami\n}",
        StreamLimits(read_s=2, idle_s=4),
    ),
    "any-number-of-the-last": (
        "a. {\ntimeouts {\nmaxtcpqueries 4\n}\n}\nb. {\ntimeouts {\nmaxtcpqueries -1\n}\n}",
        StreamLimits(),
    ),
}  # fmt: skip


@table(("text", "limits"), LIMITS.values(), ids=LIMITS)
async def test_limits_of_a_listener(text: str, limits: StreamLimits) -> None:
    async with whole(text) as server:
        answerer = server.answerer()
        server.instance.answer(server.listener(), answerer)
        assert answerer.limits == limits
