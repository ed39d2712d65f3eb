import dataclasses

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import multisocket
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, directives

ARGS = "Wrong argument count or unexpected line ending after"


def set_up(body: str, cpus: int = 3) -> Site:
    site = World().site(f".:53 {{\n{body}\n}}")
    site.edges = dataclasses.replace(site.edges, cpus=lambda: cpus)
    multisocket.PLUGIN.set_up(directives(site, "multisocket"), site)
    return site


@table(
    ("body", "sockets"),
    [
        pytest.param("multisocket 1", 1, id="one"),
        pytest.param("multisocket 4", 4, id="number"),
        pytest.param("multisocket 1024", 1024, id="most"),
        pytest.param("multisocket", 3, id="as-many-as-processors"),
    ],
)
def test_how_many(body: str, sockets: int) -> None:
    assert set_up(body).listen.sockets == sockets


def test_without_the_directive_there_is_one() -> None:
    assert World().site(".:53 {\n}").listen.sockets == 1


REFUSED = {
    "two": ("multisocket 1 2", f"Corefile:2 - Error during parsing: {ARGS} '2'"),
    "twice": ("multisocket\nmultisocket", f"Corefile:3 - Error during parsing: {ARGS} 'multisocket'"),
    "no-number": ("multisocket x", 'invalid num sockets: strconv.Atoi: parsing "x": invalid syntax'),
    "zero": ("multisocket 0", "num sockets can not be zero or negative: 0"),
    "too-many": ("multisocket 1025", "num sockets exceeds maximum (1024): 1025"),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_up(body)
    assert str(caught.value) == message
