import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import shed
from minidns.plugins.site import Site
from tests.table import table
from tests.whole import whole
from tests.world import World

PARSING = "Error during parsing"
DROPPED = "coredns_shed_dropped_total"


def set_up(text: str) -> Site:
    site = World().site(text)
    shed.PLUGIN.set_up(site.block.named("shed"), site)
    return site


REFUSED = {
    "arguments": (
        ". {\nshed a b\n}",
        f"Corefile:2 - {PARSING}: Wrong argument count or unexpected line ending after 'b'",
    ),
    "options": (". {\nshed {\n\nx y\nz\n}\n}", f"Corefile:4 - {PARSING}: shed takes no options"),
    "twice": (". {\nshed\nshed\n}", "this plugin can only be used once per Server Block"),
    "another-transport": (
        ". tls://example.org {\nshed\n}",
        f"Corefile:2 - {PARSING}: only plain DNS server blocks are supported;"
        ' "tls://example.org.:853" uses transport "tls"',
    ),
}


@table(("text", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(text)
    assert str(caught.value) == expected


@pytest.mark.parametrize("text", [". {\nshed\n}", ". {\nshed {\n}\n}"])
def test_accepted(text: str) -> None:
    set_up(text)


async def test_drops_are_counted_by_listener_and_reason() -> None:
    text = ".:1053 {\nshed\nwhoami\n}\n.:1054 {\nwhoami\n}\n"
    async with whole(text) as server:
        first, second = server.instance.routes
        for listener, is_shedding in ((first, True), (second, False)):
            answerer = server.answerer(listener)
            server.instance.answer(listener, answerer)
            assert (answerer.shed is not None) == is_shedding
            if answerer.shed is not None:
                answerer.shed()
        for reason, count in (("query", 1), ("response", 0)):
            labels = {"server": "dns://:1053", "reason": reason}
            assert server.world.metrics.value(DROPPED, labels) == count
