"""``minidns why NAME [TYPE]``: ask a running server for an answer and its reasons."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from minidns.commands import endpoint
from minidns.dns import names
from minidns.dns.networks import is_address
from minidns.text import moments
from minidns.text.arguments import Parser
from minidns.text.terminal import escaping

NO_RECORDS, FAILED = 3, 4
"""Exit statuses: the answer is NXDOMAIN or NODATA; there is no answer, or an error."""
_EXAMPLES = {
    "minidns why web.shop.svc.cluster.local": "the address of a Service, and why",
    "minidns why web.shop.svc.cluster.local SRV -o json": "another type, as JSON",
    "minidns why web.shop.svc.cluster.local --at '5m ago'": "what it was a while ago",
    "minidns why -n shop web": "a short name, as a pod of namespace shop asks for it",
    "minidns why @127.0.0.1:8054 example.org": "ask the server at another address",
}
NDOTS = 5
"""A name with fewer dots is tried with the search list first, in pods."""


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(
        "minidns why",
        "Explain why a running minidns gives the answer that it gives. Exit status: 0 "
        f"if there are records, {NO_RECORDS} for NXDOMAIN and NODATA, {FAILED} for any "
        "other answer or none.",
        _EXAMPLES,
    )
    parser.usage = f"{parser.prog} [@SERVER] NAME [TYPE] [options]"
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[@SERVER] NAME [TYPE]",
        help="name to look up, and record type (default: A); @SERVER as in --server",
    )
    endpoint.add_server(parser)
    parser.add_argument(
        "--client",
        metavar="ADDRESS",
        type=_client,
        help="answer as for a client with this address",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        type=_moment,
        help="answer from the objects of a moment in the past: a time such as"
        " 2026-12-01T06:00:00Z, or how long ago: 5m, '90s ago'",
    )
    parser.add_argument(
        *("-n", "--namespace"),
        default="",
        help="ask as a pod of this namespace does: with its search list and ndots:5",
    )
    parser.add_argument("--zone", default="cluster.local", help="domain of the cluster")
    parser.add_output("text", "json")
    return parser


@escaping
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    arguments = parser()
    args = arguments.parse(argv)
    words, server = endpoint.split_server(arguments, args.words, args.server)
    if not 1 <= len(words) <= 2:
        arguments.error(f"{' '.join(args.words)}: [@SERVER] NAME [TYPE] is needed")
    name, rtype = (*words, "A")[:2]
    try:
        _check(name, rtype)
    except ValueError as error:
        arguments.error(str(error))
    try:
        asked_with = {"type": rtype, "client": args.client, "at": args.at}
        reports = _ask(server, asked(name, args.namespace, args.zone), asked_with)
        # all lines before the first is printed: a report of another form prints nothing
        report, status = reports[-1], exit_status(reports[-1])
        if args.output == "json":
            text = json.dumps(_as_json(reports), indent=2)
        else:
            text = "\n".join(
                (*_search_lines(name, args.namespace, reports), *lines(report))
            )
    except endpoint.Failure as failure:
        print(f"minidns why: {failure}", file=sys.stderr)
        return FAILED
    except (AttributeError, KeyError, TypeError):
        print(f"minidns why: {endpoint.not_minidns(server)}", file=sys.stderr)
        return FAILED
    print(text)
    return status


def _moment(text: str) -> str:
    try:
        moments.parse(text, inf)  # the server's clock says whether it is in the future
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _client(text: str) -> str:
    if not is_address(text.partition("%")[0]):
        raise argparse.ArgumentTypeError(f"{text}: not an IP address")
    return text


def _check(name: str, rtype: str) -> None:
    """Check the question; raises ValueError."""
    from minidns.dns.rdata import type_number  # imported late, so that --help is quick

    names.to_wire(names.absolute(name))
    try:
        type_number(rtype)
    except ValueError:
        raise ValueError(f"{rtype}: not a record type") from None


def asked(name: str, namespace: str, zone: str) -> tuple[str, ...]:
    """Return the names that a pod of ``namespace`` asks for, in order (resolv.conf(5)).

    Without a namespace it is the name alone.

    >>> asked("web", "shop", "cluster.local")[:2]
    ('web.shop.svc.cluster.local', 'web.svc.cluster.local')
    """
    if not namespace or name.endswith("."):
        return (name,)
    zone = zone.strip(".")
    domains = (f"{namespace}.svc.{zone}", f"svc.{zone}", zone)
    searched = tuple(f"{name}.{domain}" for domain in domains)
    is_first = name.count(".") >= NDOTS
    return (f"{name}.", *searched) if is_first else (*searched, f"{name}.")


def exit_status(report: Mapping[str, Any]) -> int:
    """Return the exit status that tells the kind of answer.

    >>> exit_status({"rcode": "NOERROR", "answer": []})
    3
    """
    if report["rcode"] == "NXDOMAIN":
        return NO_RECORDS
    if report["rcode"] != "NOERROR":
        return FAILED
    return 0 if report["answer"] else NO_RECORDS


def _ask(
    server: str, names: Sequence[str], parameters: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Return the explanations of names, up to the first that ends a search.

    ``parameters`` are those of the endpoint besides the name. As for C libraries a
    search ends with records, or with an error other than NXDOMAIN.

    Raises:
        Failure: there is none.

    """
    reports = []
    for name in names:
        reports.append(endpoint.fetch(server, "/why", {"name": name, **parameters}))
        if exit_status(reports[-1]) != NO_RECORDS:
            break
    return reports


def _as_json(reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the last report; after a search, with the questions before it."""
    if len(reports) == 1:
        return reports[0]
    searched = [{"name": r["name"], "rcode": r["rcode"]} for r in reports]
    return {**reports[-1], "searched": searched}


def _search_lines(
    name: str, namespace: str, reports: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the questions of a search, if one was made."""
    if not namespace:
        return
    how = f"search list, ndots:{NDOTS}"
    yield f"for {name} a pod of namespace {namespace} asks ({how}):"
    for report in reports:
        is_empty = report["rcode"] == "NOERROR" and not report["answer"]
        yield f"  {report['name']} {'NODATA' if is_empty else report['rcode']}"


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the answer and its reasons in lines for people."""
    at = f" at {report['at']}" if "at" in report else ""
    yield f"{report['name']} {report['type']}: {report['rcode']}{at}"
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

    >>> _in_words({"to": "192.0.2.1", "is_up": True})
    'to: 192.0.2.1, is up: yes'
    """
    if isinstance(value, dict):
        fields = ((key.replace("_", " "), inner) for key, inner in value.items())
        return ", ".join(f"{key}: {_in_words(inner)}" for key, inner in fields)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)
