"""``minidns why NAME [TYPE]``: ask a running server for an answer and its reasons."""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minidns.text.terminal import escaping

SERVER = "http://127.0.0.1:8053"
_TIMEOUT_S = 10.0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(
        "minidns why", description="Say why a running minidns answers what it answers."
    )
    made.add_argument("name", help="the name to ask for")
    made.add_argument("type", nargs="?", default="A", help="record type (A)")
    made.add_argument("--server", default=SERVER, help=f"its endpoint ({SERVER})")
    made.add_argument("--client", default="", help="ask as this address")
    made.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    return made


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; 0 when there was an answer, whatever it says, else 1."""
    args = parser().parse_args(argv)
    asked = {"name": args.name, "type": args.type}
    if args.client:
        asked["client"] = args.client
    url = f"{args.server.rstrip('/')}/why?{urllib.parse.urlencode(asked)}"
    if not url.startswith(("http://", "https://")):
        print(f"--server {args.server}: an http:// address is needed", file=sys.stderr)
        return 1
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as got:
            told = json.load(got)
    except urllib.error.HTTPError as exc:
        print(f"minidns why: {_reason(exc)}", file=sys.stderr)
        return 1
    except OSError as exc:
        reason = getattr(exc, "reason", exc)
        print(
            f"minidns why: no minidns answers at {args.server}: {reason}"
            " (its -explain flag says where; --server names it here)",
            file=sys.stderr,
        )
        return 1
    if args.output == "json":
        print(json.dumps(told, indent=2))
    else:
        print("\n".join(lines(told)))
    return 0


def _reason(exc: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(exc)["error"])
    except (ValueError, KeyError):
        return f"{exc.code} {exc.reason}"


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the answer and its reasons as people read them."""
    yield f"{told['name']} {told['type']}: {told['rcode']}"
    for section in ("answer", "authority", "additional"):
        for record in told[section]:
            yield f"  {section:10} {record}"
    yield f"rule: {told['rule'] or '(none given)'}"
    said = _objects(told["details"])
    for source in told["sources"]:
        if (source["kind"], source["name"]) not in said:
            yield f"  {_source(source)}"
    for plugin, details in told["details"].items():
        yield from _details(plugin, details)
    yield _server(told)


def _server(told: Mapping[str, Any]) -> str:
    """Return which server answered: several can run on one machine."""
    server = told["server"]
    cluster = told["details"].get("kubernetes", {}).get("cluster", "")
    of = f", cluster {cluster}" if cluster else ""
    return f"answered by pid {server['pid']} at {server['address']}{of}"


def _objects(details: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return kind and name of the objects that a plugin has more to say of."""
    return {
        (each["kind"], each["name"])
        for plugin in details.values()
        for each in plugin.get("objects", ())
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
        for each in value if isinstance(value, list) else [value]:
            yield f"{plugin} {key}: {_shown(each)}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return str(value)
