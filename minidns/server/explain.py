"""The endpoint of ``minidns why``: an answer with its rule and sources, as JSON.

It is served at the local address of ``-explain`` only. Anyone who can reach it learns
the answer, as by a DNS query, and in addition the objects that it depends on.
"""

import json
import os
from collections.abc import Mapping

from minidns.dns import names
from minidns.dns.model import Dropped, Query, Question, Response
from minidns.dns.networks import is_address
from minidns.dns.rdata import rcode_name, to_lines, type_name, type_number
from minidns.dns.rules import AnswerRule
from minidns.http.endpoint import HttpReply
from minidns.server.answer import Answerer
from minidns.server.instance import Instance

VERSION = 1
"""Version of the JSON format; it grows when a field changes its meaning."""


def reply(tree: Mapping[str, object], status: int = 200) -> HttpReply:
    """Return ``tree`` as a JSON reply."""
    body = json.dumps(tree, indent=1).encode() + b"\n"
    return HttpReply(body, status, "application/json")


async def why(
    instance: Instance, answerer: Answerer, parameters: Mapping[str, str], at: str
) -> HttpReply:
    """Answer the question in ``parameters``, and return the answer with its reasons.

    Parameters are ``name``, ``type`` (default A) and ``client``, the IP address of the
    assumed client. ``at`` is the address and port of this endpoint: with the process ID
    it distinguishes several servers on one machine.
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
    if not is_address(client.partition("%")[0]):
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
        answer = as_json(query, Response(rule=exc.text))
        answer["rcode"] = "(no reply)"
        return reply({**answer, "server": server, "details": {}})
    details = _details(instance, query, response)
    return reply({**as_json(query, response), "server": server, "details": details})


def as_json(query: Query, response: Response) -> dict[str, object]:
    """Return the fields of the JSON format for a response."""
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


def _details(instance: Instance, query: Query, response: Response) -> dict[str, object]:
    """Return the details that plugins provide beyond the sources, by plugin.

    There are none for a query that is denied: the client must not learn which objects
    exist.
    """
    if isinstance(response.rule, AnswerRule) and response.rule.is_denial:
        return {}
    return {
        name: dict(explain(query, response))
        for site in instance.sites
        for name, explain in site.offers.explainers.items()
    }
