"""The ``-explain`` endpoint of a running minidns, as commands ask it."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from minidns.text.arguments import Parser
from minidns.text.files import describe

SERVER = "http://127.0.0.1:8053"
PORT = 8053
WHICH = (
    "@SERVER and --server take the HTTP address of its flag -explain"
    f" (127.0.0.1:{PORT} without that flag), not its DNS port"
)
"""What to do, at the end of an error about a server that sends no report."""
_TIMEOUT_S = 10.0


class Failure(Exception):
    """There is no report; ``str()`` says why and what to do."""


def add_server(parser: Parser) -> None:
    """Add the option that names the server."""
    parser.add_argument(
        "--server",
        default=SERVER,
        metavar="URL",
        help="its -explain endpoint, which is no DNS port, as URL or HOST[:PORT]",
    )


def split_server(
    parser: Parser, words: Sequence[str], server: str
) -> tuple[list[str], str]:
    """Return the words that do not begin with ``@``, and the URL of the server.

    It is that of the word that does, or else that of the option ``--server``. More than
    one such word is wrong usage, with which ``parser`` ends the command.
    """
    named = [word[1:] for word in words if word.startswith("@")]
    if len(named) > 1:
        parser.error(f"{' '.join(words)}: one @SERVER can be asked")
    others = [word for word in words if not word.startswith("@")]
    return others, server_url(named[0] if named else server)


def server_url(text: str) -> str:
    """Return the URL of the server that a URL or HOST[:PORT] names.

    >>> server_url("127.0.0.1"), server_url("[::1]:8054"), server_url("http://h:1/")
    ('http://127.0.0.1:8053', 'http://[::1]:8054', 'http://h:1')
    """
    if "://" in text:
        return text.rstrip("/")
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    has_port = ":" in text.rpartition("]")[2]
    return f"http://{text}" if has_port else f"http://{text}:{PORT}"


def fetch(server: str, path: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the report that the server sends; empty values of ``asked`` are left out.

    Raises:
        Failure: there is none.

    """
    query = urllib.parse.urlencode({key: text for key, text in asked.items() if text})
    url = f"{server}{path}?{query}"
    if not url.startswith(("http://", "https://")):
        raise Failure(
            f"--server {server}: an http:// address is needed, such as {SERVER}"
        )
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            report: Mapping[str, Any] = json.load(response)
    except urllib.error.HTTPError as exc:
        raise Failure(_reason(exc, server)) from exc
    except OSError as exc:
        cause = getattr(exc, "reason", exc)
        reason = describe(cause) if isinstance(cause, OSError) else str(cause)
        raise Failure(f"no minidns answers at {server}: {reason}; {WHICH}") from exc
    except (ValueError, http.client.HTTPException) as exc:
        raise Failure(not_minidns(server)) from exc
    return report


def not_minidns(server: str) -> str:
    """Return the message for an answer that does not come from a minidns."""
    return (
        f"{server} is not the -explain endpoint of a minidns: its answer is not an"
        f" explanation; {WHICH}"
    )


def _reason(exc: urllib.error.HTTPError, server: str) -> str:
    """Return the message in an error response of the server."""
    try:
        return str(json.load(exc)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{server} returned status {exc.code} {exc.reason}"
