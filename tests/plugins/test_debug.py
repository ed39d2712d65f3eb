import logging

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.plugins import debug
from tests.world import World


async def test_debug_is_logged_from_the_start_on() -> None:
    logger = logging.getLogger("minidns")
    before = logger.level
    site = World().site(".:53 {\ndebug\n}")
    debug.PLUGIN.set_up(site.block.named("debug"), site)
    assert logger.level == before, "setting up is not yet using"
    try:
        for hook in site.hooks.start:
            await hook()
        assert logging.getLogger("minidns.plugins.local").isEnabledFor(logging.DEBUG)
    finally:
        logger.setLevel(before)


@pytest.mark.parametrize("body", ["debug x", "debug\ndebug x"])
def test_refused(body: str) -> None:
    site = World().site(f".:53 {{\n{body}\n}}")
    with pytest.raises(ConfigError, match="after 'x'"):
        debug.PLUGIN.set_up(site.block.named("debug"), site)
