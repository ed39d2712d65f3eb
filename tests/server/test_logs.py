"""Start of logging: where lines go, in which form, from which level on."""

import json
import logging
from collections.abc import Iterator

import pytest

from minidns.server import logs


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """Restore the root logger, and the level of each logger, after a test."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, logging.root.manager.loggerDict)]
    before, levels = root.handlers[:], [logger.level for logger in loggers]
    root.handlers.clear()
    yield root
    root.handlers[:] = before
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize("debug", [None, False, True])
def test_levels(debug: bool | None, capsys: pytest.CaptureFixture[str]) -> None:
    logs.start() if debug is None else logs.start(debug=debug)
    logger = logging.getLogger("minidns.plugins.cache")
    logger.debug("one")
    logger.info("two")
    shown = ["[DEBUG] plugin/cache: one"] if debug else []
    assert capsys.readouterr().out.splitlines() == [*shown, "[INFO] plugin/cache: two"]


def test_lines_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("json")
    logging.getLogger("minidns.server.udp").warning("one %s", "two")
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["message"]) == ("warning", "one two")
    assert "plugin" not in line


def test_libraries_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start(debug=True)
    for name in ("asyncio", "aiohttp", "urllib3", "kubernetes"):
        logging.getLogger(name).info("x")
    assert capsys.readouterr().out == ""
