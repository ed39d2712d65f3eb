"""``minidns why NAME [TYPE]``: ask a running server for an answer and its reasons."""

import argparse
import http.client
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minidns.text.files import describe
from minidns.text.terminal import escaping

SERVER = "http://127.0.0.1:8053"
_TIMEOUT_S = 10.0


class Failure(Exception):
    """There is no explanation; ``str()`` says why and what to do."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        "minidns why",
        description="Explain why a running minidns gives the answer that it gives.",
    )
    parser.add_argument("name", help="name to look up")
    parser.add_argument("type", nargs="?", default="A", help="record type (A)")
    parser.add_argument(
        "--server", default=SERVER, help=f"URL of its -explain endpoint ({SERVER})"
    )
    parser.add_argument(
        "--client", default="", help="answer as for this client address"
    )
    parser.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return 0 if the server sent an explanation, else 1."""
    args = parser().parse_args(argv)
    try:
        report = _fetch(args)
        # all lines before the first is printed: a report of another form prints nothing
        text = json.dumps(report, indent=2)
        if args.output == "text":
            text = "\n".join(lines(report))
    except Failure as failure:
        print(f"minidns why: {failure}", file=sys.stderr)
        return 1
    except (AttributeError, KeyError, TypeError):
        print(f"minidns why: {_not_minidns(args.server)}", file=sys.stderr)
        return 1
    print(text)
    return 0


def _fetch(args: argparse.Namespace) -> Mapping[str, Any]:
    """Return the explanation that the server sends.

    Raises:
        Failure: there is none.

    """
    query = {"name": args.name, "type": args.type}
    if args.client:
        query["client"] = args.client
    url = f"{args.server.rstrip('/')}/why?{urllib.parse.urlencode(query)}"
    if not url.startswith(("http://", "https://")):
        raise Failure(
            f"--server {args.server}: an http:// address is needed, such as {SERVER}"
        )
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            report: Mapping[str, Any] = json.load(response)
    except urllib.error.HTTPError as exc:
        raise Failure(_reason(exc, args.server)) from exc
    except OSError as exc:
        cause = getattr(exc, "reason", exc)
        reason = describe(cause) if isinstance(cause, OSError) else str(cause)
        raise Failure(
            f"no minidns answers at {args.server}: {reason}"
            " (its -explain flag sets the address; --server names it here)"
        ) from exc
    except (ValueError, http.client.HTTPException) as exc:
        raise Failure(_not_minidns(args.server)) from exc
    return report


def _not_minidns(server: str) -> str:
    return (
        f"{server} is not the -explain endpoint of a minidns: its answer is not an"
        " explanation. Name the endpoint with --server"
    )


def _reason(exc: urllib.error.HTTPError, server: str) -> str:
    """Return the message in an error response of the server."""
    try:
        return str(json.load(exc)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{server} returned status {exc.code} {exc.reason}"


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the answer and its reasons in lines for people."""
    yield f"{report['name']} {report['type']}: {report['rcode']}"
    for section in ("answer", "authority", "additional"):
        for record in report[section]:
            yield f"  {section:10} {record}"
    yield f"rule: {report['rule'] or 'none (the plugin that answered reports no rule)'}"
    described = _objects(report["details"])
    for source in report["sources"]:
        if (source["kind"], source["name"]) not in described:
            yield f"  {_source(source)}"
    for plugin, details in report["details"].items():
        yield from _details(plugin, details)
    yield _server(report)


def _server(report: Mapping[str, Any]) -> str:
    """Return which server answered, as several can run on one machine."""
    server = report["server"]
    cluster = report["details"].get("kubernetes", {}).get("cluster", "")
    suffix = f", cluster {cluster}" if cluster else ""
    return f"answered by pid {server['pid']} at {server['address']}{suffix}"


def _objects(details: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return kind and name of the objects that the details of plugins describe."""
    return {
        (obj["kind"], obj["name"])
        for plugin in details.values()
        for obj in plugin.get("objects", ())
    }


def _source(source: Mapping[str, Any]) -> str:
    shown = f"{source['kind']} {source['name']}"
    if not source["found"]:
        return f"no {shown}"
    version = source["resourceVersion"]
    return (
        f"{shown} (resourceVersion {version}, uid {source['uid']})"
        if version
        else shown
    )


def _details(plugin: str, details: Mapping[str, Any]) -> Iterator[str]:
    text = details.get("text")
    if text:
        yield from text if isinstance(text, list) else str(text).splitlines()
        return
    for key, value in details.items():
        for item in value if isinstance(value, list) else [value]:
            yield f"{plugin} {key}: {_in_words(item)}"


def _in_words(value: object) -> str:
    """Return a JSON value in words: fields with commas, yes and no.

    >>> _in_words({"to": "192.0.2.1:53", "down": False, "failed_checks": 0})
    'to 192.0.2.1:53, not down, failed checks 0'
    """
    if isinstance(value, dict):
        return ", ".join(_field(key, inner) for key, inner in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)


def _field(key: str, value: object) -> str:
    word = key.replace("_", " ")
    if isinstance(value, bool):
        return word if value else f"not {word}"
    return f"{word} {_in_words(value)}"
