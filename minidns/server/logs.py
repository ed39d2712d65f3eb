"""Log lines as CoreDNS writes them: ``[INFO] plugin/health: Going into lameduck ...``.

Every line goes to standard output without a time stamp. In JSON format, which CoreDNS
does not have, a line is an object with time, level, plugin and message. Control
characters are escaped: in names when they are parsed, in everything else here.
"""

import json
import logging
import re
import sys
import time

from minidns.text import foreign

_PLUGIN = re.compile(r"minidns\.plugins\.(\w+)")
_NOT_A_PLUGIN = frozenset(("site", "chain"))


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\{ord(c):03}" for c in text)


def _plugin(logger: str) -> str:
    """Return the plugin of a logger; empty for the server itself."""
    if logger.startswith("minidns.kubernetes"):
        return "kubernetes"
    match = _PLUGIN.match(logger)
    return match[1] if match and match[1] not in _NOT_A_PLUGIN else ""


def _level(record: logging.LogRecord) -> str:
    return "FATAL" if record.levelno >= logging.CRITICAL else record.levelname


class Lines(logging.Formatter):
    """The format of CoreDNS; an exception is one line, without a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``."""
        plugin = "" if record.__dict__.get("bare") else _plugin(record.name)
        prefix = f"plugin/{plugin}: " if plugin else ""
        return f"[{_level(record)}] {prefix}{_escape(message(record))}"


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{at}.{int(record.msecs):03}Z",
            "level": _level(record).lower(),
            "plugin": _plugin(record.name),
            "message": message(record),
        }
        return json.dumps({key: value for key, value in entry.items() if value})


def message(record: logging.LogRecord) -> str:
    """Return the text of ``record`` and of its exception, without secrets."""
    text = record.getMessage()
    if record.exc_info and (exc := record.exc_info[1]) is not None:
        text += f": {type(exc).__name__}: {exc}"
    is_query = bool(record.__dict__.get("bare")) and record.levelno <= logging.INFO
    # lines about queries show names that look like secrets
    return foreign.without_remembered(text) if is_query else foreign.redacted(text)


def start(form: str = "text", *, debug: bool = False) -> None:
    """Write the lines of all loggers to standard output, as text or json."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO, handlers=[handler], force=True
    )
    for verbose in ("asyncio", "aiohttp", "urllib3", "kubernetes"):
        logging.getLogger(verbose).setLevel(logging.WARNING)
