"""What a running server says to ``minidns why``: an answer with its reasons, as JSON.

Served at the local endpoint only (``-explain``), to whoever can reach it: it tells no
more than a DNS query to the server would, but says which objects it follows from.
"""

import json
import os
from collections.abc import Mapping
from ipaddress import ip_address

from minidns.dns import names
from minidns.dns.model import Dropped, Query, Question, Response
from minidns.dns.rdata import rcode_name, to_lines, type_name, type_number
from minidns.http.endpoint import HttpReply
from minidns.server.answer import Answerer
from minidns.server.instance import Instance

VERSION = 1
"""Of the JSON form; grows when a field changes its meaning."""


def reply(tree: Mapping[str, object], status: int = 200) -> HttpReply:
    """Return ``tree`` as a JSON reply."""
    body = json.dumps(tree, indent=1).encode() + b"\n"
    return HttpReply(body, status, "application/json")


async def why(
    loaded: Instance, answerer: Answerer, parameters: Mapping[str, str], at: str
) -> HttpReply:
    """Ask a listener what ``parameters`` name; return the answer with its reasons.

    Parameters: ``name``, ``type`` (A), ``client`` (the address to ask as). ``at`` is
    the address and port of this endpoint: with the process id and the cluster it tells
    several servers on one machine apart.
    """
    try:
        name = names.absolute(parameters["name"])
        names.to_wire(name)
        question = Question(name, type_number(parameters.get("type", "A")))
    except KeyError:
        return reply({"error": "name is missing"}, 400)
    except ValueError as exc:
        return reply({"error": str(exc)}, 400)
    client = parameters.get("client", "127.0.0.1")
    try:
        ip_address(client.partition("%")[0])
    except ValueError:
        text = f"client {client!r} is not an IP address"
        return reply({"error": text}, 400)
    query = Query(
        question,
        transport="tcp",
        max_size=65535,
        peer=(client, 0),
        server=answerer.server,
    )
    server = {"pid": os.getpid(), "address": at}
    try:
        response = await answerer.respond(query)
    except Dropped as exc:
        answer = told(query, Response(rule=f"{exc.text}/drop"))
        answer["rcode"] = "(no reply)"
        return reply({**answer, "server": server, "details": {}})
    details = _details(loaded, query, response)
    return reply({**told(query, response), "server": server, "details": details})


def told(query: Query, response: Response) -> dict[str, object]:
    """Return a response in the fields of the JSON form."""
    return {
        "version": VERSION,
        "name": query.question.qname,
        "type": type_name(query.question.qtype),
        "rcode": rcode_name(response.rcode),
        "authoritative": response.aa,
        "answer": [line for rrset in response.answer for line in to_lines(rrset)],
        "authority": [line for rrset in response.authority for line in to_lines(rrset)],
        "additional": [
            line for rrset in response.additional for line in to_lines(rrset)
        ],
        "rule": response.rule,
        "sources": [
            {
                "kind": source.kind,
                "name": source.name,
                "uid": source.uid,
                "resourceVersion": source.version,
                "found": source.found,
            }
            for source in response.sources
        ],
    }


def _details(loaded: Instance, query: Query, response: Response) -> dict[str, object]:
    """Return what plugins can say beyond the sources, by plugin.

    Nothing about a query that *acl* denies: the client must not learn what there is.
    """
    if response.rule.startswith("acl/"):
        return {}
    return {
        name: dict(explain(query, response))
        for site in loaded.sites
        for name, explain in site.offers.explainers.items()
    }
