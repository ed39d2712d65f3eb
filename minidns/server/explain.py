"""The endpoints of ``minidns why`` and ``minidns shadow``, with JSON.

``/why`` gives an answer with its rule and sources, ``/shadow`` what *shadow* found,
``/journal`` the changes of objects behind some names.
They are served at the local address of ``-explain`` only. Anyone who can reach them
learns answers, as by a DNS query, and in addition the objects that they depend on.
"""

import json
import os
from collections.abc import Mapping
from math import inf

from minidns.dns import names
from minidns.dns.model import DnsError, Dropped, Name, Query, Question, Response
from minidns.dns.networks import is_address
from minidns.dns.rdata import rcode_name, to_lines, type_name, type_number
from minidns.dns.rules import AnswerRule
from minidns.explain.changes import relevant
from minidns.http.endpoint import HttpReply
from minidns.kubernetes.journal import NotRecorded
from minidns.plugins.contracts import PastAnswerer
from minidns.server.answer import Answerer
from minidns.server.instance import Instance
from minidns.text import moments

VERSION = 1
"""Version of the JSON format; it grows when a field changes its meaning."""


def reply(tree: Mapping[str, object], status: int = 200) -> HttpReply:
    """Return ``tree`` as a JSON reply."""
    body = json.dumps(tree, indent=1).encode() + b"\n"
    return HttpReply(body, status, "application/json")


async def why(
    instance: Instance,
    answerer: Answerer,
    parameters: Mapping[str, str],
    address: str,
    wall: float = 0.0,
) -> HttpReply:
    """Answer the question in ``parameters``, and return the answer with its reasons.

    Parameters are ``name``, ``type`` (default A), ``client``, the IP address of the
    assumed client, and ``at``, a moment in the past (see `moments`; ``wall`` is now, in
    Unix seconds). ``address`` is that of this endpoint, with its port: with the process
    ID it distinguishes several servers on one machine.
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
    server = {"pid": os.getpid(), "address": address}
    at: dict[str, object] = {}
    try:
        if "at" in parameters:
            when = moments.parse(parameters["at"], wall)
            at["at"] = moments.rfc3339(when)
            response, details = await _past(instance, query, when)
        else:
            response = await answerer.respond(query)
            details = details_of(instance, query, response)
    except Dropped as exc:
        response, details = Response(rule=exc.text), {}
        at["rcode"] = "(no reply)"
    except (ValueError, NotRecorded) as exc:
        return reply({"error": str(exc)}, 400)
    tree = as_json(query, response)
    return reply({**tree, **at, "server": server, "details": details})


async def _past(
    instance: Instance, query: Query, when: float
) -> tuple[Response, dict[str, object]]:
    """Answer ``query`` from the objects of a moment, in Unix seconds; with details.

    Raises:
        Dropped: no reply would be sent.
        NotRecorded: the moment is too long ago.
        ValueError: the name is in no zone of *kubernetes*.

    """
    answer_at = _rememberer_of(instance, query.question.qname)
    try:
        response, details = await answer_at(query, when, inf)
    except Dropped:
        raise
    except DnsError as exc:
        return Response(exc.rcode), {}
    is_denied = isinstance(response.rule, AnswerRule) and response.rule.is_denial
    return response, {} if is_denied else {"kubernetes": details}


def _rememberer_of(instance: Instance, name: Name) -> PastAnswerer:
    """Return what answers ``name`` from past objects: that of its longest zone.

    Raises:
        ValueError: there is none.

    """
    by_zone = {
        zone: site.offers.past
        for site in instance.sites
        if site.offers.cluster and (zone := site.offers.cluster.zone_of(name))
    }
    if not by_zone:
        raise ValueError(
            f"{name}: only names in the zones of the plugin kubernetes have a past"
        )
    found = by_zone[max(by_zone, key=len)]
    assert found is not None
    return found


async def journal(instance: Instance, parameters: Mapping[str, str]) -> HttpReply:
    """Return the changes that concern names, as JSON; status 400 if there are none.

    ``names`` are absolute names with commas. ``objects`` are manifests of the objects
    at ``since``; each of ``changes`` has the object after it, or null.
    """
    try:
        wanted = list(map(names.absolute, parameters["names"].split(",")))
    except (KeyError, ValueError):
        return reply({"error": "names is missing, or one is not a name"}, 400)
    for site in instance.sites:
        cluster, history = site.offers.cluster, site.offers.history
        if cluster is None or history is None:
            continue
        try:
            found = await history()
        except NotRecorded as exc:
            return reply({"error": str(exc)}, 400)
        services = set(filter(None, map(cluster.service_of, wanted)))
        return reply(relevant(found, services))
    return reply({"error": "no server block has the plugin kubernetes"}, 400)


def shadow(instance: Instance) -> HttpReply:
    """Return what *shadow* found, as JSON; status 404 if it is not switched on."""
    for site in instance.sites:
        if (report := site.offers.report_shadow) is not None:
            return reply(report())
    text = "the plugin shadow is not switched on: start minidns with -shadow"
    return reply({"error": text}, 404)


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


def details_of(
    instance: Instance, query: Query, response: Response
) -> dict[str, object]:
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
