import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Response
from minidns.plugins import metadata
from tests.table import table
from tests.world import World, always, plugin

ZONES = {
    "zones-of-the-block": ("metadata", (".",)),
    "own-zones": ("metadata Example.Org 10.0.0.0/8", ("example.org.", "10.in-addr.arpa.")),
    "empty-block": ("metadata {\n}", (".",)),
}


@table(("body", "zones"), ZONES.values(), ids=ZONES)
def test_zones(body: str, zones: tuple[str, ...]) -> None:
    _, site = plugin(World(), metadata.PLUGIN.set_up, "metadata", body)
    assert site.metadata.zones == zones


def test_it_costs_queries_nothing() -> None:
    tested, _ = plugin(World(), metadata.PLUGIN.set_up, "metadata", "metadata")
    handler = always(Response())
    assert tested(handler) is handler


REFUSED = {"option": ("metadata {\nfoo bar\n}", 3, "foo"), "twice": ("metadata\nmetadata org", 3, "metadata")}


@pytest.mark.parametrize(("body", "line", "word"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, line: int, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), metadata.PLUGIN.set_up, "metadata", body)
    assert str(caught.value) == (
        f"Corefile:{line} - Error during parsing: Wrong argument count or unexpected line ending after '{word}'"
    )
